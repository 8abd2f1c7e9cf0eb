"""Say more of an object on its first frame: a second click, and one beside it."""

from __future__ import annotations

from _video import draw, film, parse

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor

arguments = parse(__doc__)
predictor = SAMV2VideoPredictor(arguments.model, checkpoint=arguments.checkpoint)
state = predictor.initstate(film(arguments))
height, width = state.size

# The second call keeps the first click; label 0 is beside the object.
predictor.addnewpoints(state, 0, obj_id=1, points=[[0.31 * width, 0.42 * height]], labels=[1])
more = [[0.35 * width, 0.5 * height], [0.68 * width, 0.7 * height]]
predictor.addnewpoints(state, 0, obj_id=1, points=more, labels=[1, 0], clear_old_points=False)

results = {frame: (ids, logits) for frame, ids, logits in predictor.propagateinvideo(state)}
draw(state, results).savefig(arguments.out)
