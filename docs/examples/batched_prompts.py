"""Segment several objects of one image in one call: a batch of boxes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from _arguments import load, parse, place

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.visualization import showbox, showmask

arguments = parse(__doc__)
image = load(arguments.image)
predictor = SAMV2ImagePredictor(arguments.model)
predictor.setimage(image)

boxes = np.stack(
    [
        place(image, 0.33, 0.09, 0.47, 0.24).ravel(),
        place(image, 0.50, 0.10, 0.63, 0.24).ravel(),
        place(image, 0.66, 0.11, 0.77, 0.24).ravel(),
        place(image, 0.79, 0.05, 0.95, 0.24).ravel(),
    ]
)
# One item per box: masks is (4, 1, height, width).
masks, scores, _ = predictor.predict(box=boxes, multimask_output=False)

figure, ax = plt.subplots(figsize=(8, 6), layout="constrained")
ax.imshow(image)
for mask, box in zip(masks, boxes, strict=True):
    showmask(mask, ax, random_color=True)
    showbox(box, ax)
ax.set_axis_off()
figure.savefig(arguments.out)
