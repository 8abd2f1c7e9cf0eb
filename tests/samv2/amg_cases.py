"""The picture and the arguments of the records in ``tests/data/automatic_masks.json.gz``.

They were made once with the official package, sam2 1.1.0, its tiny 2.1 network in float32 with the
weights of ``seeded_weights``; thresholds are low, since random weights are sure of nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOW = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
CASES: dict[str, dict[str, Any]] = {
    "grid": {"points_per_side": 4, **LOW},
    "run lengths": {"points_per_side": 3, "output_mode": "uncompressed_rle", **LOW},
    "coco": {"points_per_side": 2, "output_mode": "coco_rle", **LOW},
    "thresholds": {
        "points_per_side": 5,
        "pred_iou_thresh": 0.55,
        "stability_score_thresh": 0.85,
        "stability_score_offset": 0.5,
        "box_nms_thresh": 0.9,
    },
    "one mask": {"points_per_side": 4, "multimask_output": False, **LOW},
    "refined": {"points_per_side": 3, "use_m2m": True, **LOW},
    "crops": {
        "points_per_side": 4,
        "crop_n_layers": 1,
        "crop_n_points_downscale_factor": 2,
        "crop_nms_thresh": 0.8,
        **LOW,
    },
}


def picture() -> NDArray[np.uint8]:
    """A picture of discs on a slope."""
    y, x = np.mgrid[:96, :128]
    image = np.stack([x, y, 255 - x], axis=-1).astype(np.float64)
    for cx, cy, r, value in ((30, 30, 14, 220), (80, 50, 22, 40), (110, 20, 9, 250)):
        image[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = value
    return image.round().astype(np.uint8)
