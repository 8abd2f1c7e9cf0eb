"""Follow an object through a film from a box around it, and a click in it."""

from __future__ import annotations

from _video import draw, film, parse

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor

arguments = parse(__doc__)
predictor = SAMV2VideoPredictor(arguments.model, checkpoint=arguments.checkpoint)
state = predictor.initstate(film(arguments))
height, width = state.size

box = [0.18 * width, 0.24 * height, 0.45 * width, 0.6 * height]
point = [[0.31 * width, 0.42 * height]]
predictor.addnewpointsorbox(state, 0, obj_id=1, points=point, labels=[1], box=box)

results = {frame: (ids, logits) for frame, ids, logits in predictor.propagateinvideo(state)}
draw(state, results).savefig(arguments.out)
