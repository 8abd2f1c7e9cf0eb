"""Segment several images at once, each with its own batch of boxes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from _arguments import load, parse, place

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.visualization import showbox, showmask

arguments = parse(__doc__, images=2)
images = [load(arguments.image, 0), load(arguments.image, 1)]
predictor = SAMV2ImagePredictor(arguments.model)

boxes = [
    np.stack(
        [
            place(image, 0.33, 0.09, 0.47, 0.24).ravel(),
            place(image, 0.50, 0.10, 0.63, 0.24).ravel(),
        ]
    )
    for image in images
]
# The images go through the encoder together; the answer is a list with one entry per image.
predictor.setimagebatch(images)
masks, scores, _ = predictor.predictbatch(None, None, box_batch=boxes, multimask_output=False)

figure, axes = plt.subplots(1, len(images), figsize=(12, 5), layout="constrained")
for ax, image, image_boxes, image_masks in zip(axes, images, boxes, masks, strict=True):
    ax.imshow(image)
    for mask, box in zip(image_masks, image_boxes, strict=True):
        showmask(mask, ax, random_color=True)
        showbox(box, ax)
    ax.set_axis_off()
figure.savefig(arguments.out)
