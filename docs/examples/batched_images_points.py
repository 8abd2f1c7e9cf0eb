"""Segment several images at once with clicks, and keep the best mask of each object."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from _arguments import load, parse, place

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.visualization import showmask, showpoints

arguments = parse(__doc__, images=2)
images = [load(arguments.image, 0), load(arguments.image, 1)]
predictor = SAMV2ImagePredictor(arguments.model)

# Two objects an image, one click each: (objects, clicks, 2).
clicks = [place(image, 0.40, 0.17, 0.56, 0.17)[:, None] for image in images]
labels = [np.ones((2, 1), dtype=int) for _ in images]
predictor.setimagebatch(images)
masks, scores, _ = predictor.predictbatch(clicks, labels, multimask_output=True)

figure, axes = plt.subplots(1, len(images), figsize=(12, 5), layout="constrained")
for index, (ax, image) in enumerate(zip(axes, images, strict=True)):
    best = np.argmax(scores[index], axis=-1)
    ax.imshow(image)
    for mask in masks[index][np.arange(len(best)), best]:
        showmask(mask, ax, random_color=True)
    showpoints(clicks[index], labels[index], ax, marker_size=150)
    ax.set_axis_off()
figure.savefig(arguments.out)
