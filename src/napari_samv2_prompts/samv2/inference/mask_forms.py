"""The forms of a mask in records of automatic masks: an array, or run lengths as in COCO."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.mask_crops import MaskCrop

OutputMode = Literal["binary_mask", "uncompressed_rle", "coco_rle"]


def _binary(mask: MaskCrop, shape: tuple[int, int]) -> NDArray[np.bool_]:
    return mask.full(shape)


def _run_lengths(mask: MaskCrop, shape: tuple[int, int]) -> dict[str, Any]:
    """Run lengths in COCO's form: column by column, beginning with the background."""
    flat = np.concatenate([[False], mask.full(shape).ravel(order="F"), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], changes, [shape[0] * shape[1]]])).tolist()
    if counts[-1] == 0 and len(counts) > 1:
        counts.pop()
    return {"size": [int(side) for side in shape], "counts": counts}


def _coco(mask: MaskCrop, shape: tuple[int, int]) -> dict[str, Any]:
    try:
        from pycocotools import mask as coco
    except ImportError as error:
        raise ImportError(
            'output_mode="coco_rle" needs pycocotools: '
            'pip install "napari-samv2-prompts[coco]", or use "uncompressed_rle".'
        ) from error
    encoded = coco.encode(np.asfortranarray(mask.full(shape), np.uint8))
    return {"size": [int(side) for side in shape], "counts": encoded["counts"].decode()}


SEGMENTATIONS = {"binary_mask": _binary, "uncompressed_rle": _run_lengths, "coco_rle": _coco}
"""What makes each form of a mask: ``(mask, (height, width)) -> segmentation``."""
