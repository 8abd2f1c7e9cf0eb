"""Correct an object on a later frame, and follow it once more."""

from __future__ import annotations

from _video import draw, film, parse

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor

arguments = parse(__doc__)
predictor = SAMV2VideoPredictor(arguments.model, checkpoint=arguments.checkpoint)
state = predictor.initstate(film(arguments))
height, width = state.size

predictor.addnewpoints(state, 0, obj_id=1, points=[[0.31 * width, 0.42 * height]], labels=[1])
for _frame, _ids, _logits in predictor.propagateinvideo(state):
    pass  # look at them, and find what is wrong on a frame

# All other frames look at the corrected one from now on.
last = state.num_frames - 1
predictor.addnewpoints(state, last, obj_id=1, points=[[0.1 * width, 0.9 * height]], labels=[0])

results = {frame: (ids, logits) for frame, ids, logits in predictor.propagateinvideo(state)}
draw(state, results).savefig(arguments.out)
