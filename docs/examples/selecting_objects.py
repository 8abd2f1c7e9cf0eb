"""Select an object with one click; the answer is three candidates with scores."""

from __future__ import annotations

import numpy as np
from _arguments import load, parse, place

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.visualization import showmasks

arguments = parse(__doc__)
image = load(arguments.image)
predictor = SAMV2ImagePredictor(arguments.model)
predictor.setimage(image)

# A click is (x, y) in pixels; its label is 1 on the object and 0 beside it.
click, label = place(image, 0.40, 0.17), np.array([1])
masks, scores, low_res_logits = predictor.predict(click, label, multimask_output=True)

best_first = np.argsort(scores)[::-1]
figure = showmasks(
    image, masks[best_first], scores[best_first], point_coords=click, input_labels=label
)
figure.savefig(arguments.out)
