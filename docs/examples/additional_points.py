"""Refine an object with a second click on it, starting from the mask of the first."""

from __future__ import annotations

import numpy as np
from _arguments import load, parse, place

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.visualization import showmasks

arguments = parse(__doc__)
image = load(arguments.image)
predictor = SAMV2ImagePredictor(arguments.model)
predictor.setimage(image)

first = place(image, 0.40, 0.17)
_, scores, low_res_logits = predictor.predict(first, [1], multimask_output=True)
previous = low_res_logits[np.argmax(scores)][None]

# Several clicks say what is meant, so one mask is enough.
clicks, labels = place(image, 0.40, 0.17, 0.43, 0.19), np.array([1, 1])
masks, scores, _ = predictor.predict(clicks, labels, mask_input=previous, multimask_output=False)
figure = showmasks(image, masks, scores, point_coords=clicks, input_labels=labels)
figure.savefig(arguments.out)
