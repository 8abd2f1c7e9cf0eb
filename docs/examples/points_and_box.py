"""Combine a box with a click beside the part that is wanted."""

from __future__ import annotations

import numpy as np
from _arguments import load, parse, place

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.visualization import showmasks

arguments = parse(__doc__)
image = load(arguments.image)
predictor = SAMV2ImagePredictor(arguments.model)
predictor.setimage(image)

box = place(image, 0.33, 0.09, 0.47, 0.24).ravel()
click, label = place(image, 0.34, 0.10), np.array([0])
masks, scores, _ = predictor.predict(click, label, box=box, multimask_output=False)
figure = showmasks(image, masks, scores, box_coords=box, point_coords=click, input_labels=label)
figure.savefig(arguments.out)
