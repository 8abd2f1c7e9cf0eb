"""Take a part away from an object with a click beside it (label 0)."""

from __future__ import annotations

import numpy as np
from _arguments import load, parse, place

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.visualization import showmasks

arguments = parse(__doc__)
image = load(arguments.image)
predictor = SAMV2ImagePredictor(arguments.model)
predictor.setimage(image)

_, scores, low_res_logits = predictor.predict(place(image, 0.40, 0.17), [1])
previous = low_res_logits[np.argmax(scores)][None]

clicks, labels = place(image, 0.40, 0.17, 0.48, 0.17), np.array([1, 0])
masks, scores, _ = predictor.predict(clicks, labels, mask_input=previous, multimask_output=False)
figure = showmasks(image, masks, scores, point_coords=clicks, input_labels=labels)
figure.savefig(arguments.out)
