"""Follow an object through a film from a mask of it."""

from __future__ import annotations

import numpy as np
from _video import draw, film, parse

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor

arguments = parse(__doc__)
predictor = SAMV2VideoPredictor(arguments.model, checkpoint=arguments.checkpoint)
state = predictor.initstate(film(arguments))
height, width = state.size

# Any array of the film's height and width; what is not zero is the object.
mask = np.zeros(state.size, bool)
mask[int(0.26 * height) : int(0.58 * height), int(0.2 * width) : int(0.43 * width)] = True
predictor.addnewmask(state, 0, obj_id=1, mask=mask)

results = {frame: (ids, logits) for frame, ids, logits in predictor.propagateinvideo(state)}
draw(state, results).savefig(arguments.out)
