"""Follow an object through a film from one click."""

from __future__ import annotations

from _video import draw, film, parse

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor

arguments = parse(__doc__)
predictor = SAMV2VideoPredictor(arguments.model, checkpoint=arguments.checkpoint)
state = predictor.initstate(film(arguments))
height, width = state.size

# A click on the object in the first frame: x and y in pixels.
predictor.addnewpoints(state, 0, obj_id=1, points=[[0.31 * width, 0.42 * height]], labels=[1])

results = {frame: (ids, logits) for frame, ids, logits in predictor.propagateinvideo(state)}
draw(state, results).savefig(arguments.out)
