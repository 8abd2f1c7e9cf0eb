"""Select an object with a box around it."""

from __future__ import annotations

from _arguments import load, parse, place

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.visualization import showmasks

arguments = parse(__doc__)
image = load(arguments.image)
predictor = SAMV2ImagePredictor(arguments.model)
predictor.setimage(image)

# A box is x0, y0, x1, y1 in pixels.
box = place(image, 0.33, 0.09, 0.47, 0.24).ravel()
masks, scores, _ = predictor.predict(box=box, multimask_output=False)
figure = showmasks(image, masks, scores, box_coords=box)
figure.savefig(arguments.out)
