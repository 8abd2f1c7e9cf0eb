"""Take back prompts and objects, and begin anew with the same film."""

from __future__ import annotations

from _video import draw, film, parse

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor

arguments = parse(__doc__)
predictor = SAMV2VideoPredictor(arguments.model, checkpoint=arguments.checkpoint)
state = predictor.initstate(film(arguments))
height, width = state.size

predictor.addnewpoints(state, 0, obj_id=1, points=[[0.31 * width, 0.42 * height]], labels=[1])
predictor.addnewpoints(state, 0, obj_id=2, points=[[0.9 * width, 0.1 * height]], labels=[1])
predictor.clearallpromptsinframe(state, 0, obj_id=2)  # the prompts of one object on a frame
predictor.removeobject(state, obj_id=2)  # an object
predictor.resetstate(state)  # everything but the film

predictor.addnewpoints(state, 0, obj_id=5, points=[[0.69 * width, 0.71 * height]], labels=[1])

results = {frame: (ids, logits) for frame, ids, logits in predictor.propagateinvideo(state)}
draw(state, results).savefig(arguments.out)
