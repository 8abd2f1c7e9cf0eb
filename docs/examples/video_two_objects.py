"""Follow two objects at once; their numbers can be any."""

from __future__ import annotations

from _video import draw, film, parse

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor

arguments = parse(__doc__)
predictor = SAMV2VideoPredictor(arguments.model, checkpoint=arguments.checkpoint)
state = predictor.initstate(film(arguments))
height, width = state.size

predictor.addnewpoints(state, 0, obj_id=2, points=[[0.31 * width, 0.42 * height]], labels=[1])
# The second one is prompted on a later frame, and followed in both directions from there.
place = [[0.63 * width, 0.71 * height]]
predictor.addnewpoints(state, 2, obj_id=3, points=place, labels=[1])

results = {frame: (ids, logits) for frame, ids, logits in predictor.propagateinvideo(state)}
draw(state, results).savefig(arguments.out)
