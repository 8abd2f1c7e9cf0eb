"""One section from two: an object between two anchors was followed from both sides.

Here: :func:`joined` and :func:`between_anchors`, the interpolation by signed distances for planes
that neither side reached (Herman, Zheng and Bucholtz, IEEE CG&A 1992).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.regions import Region, union

from .patches import depth, overlap
from .stretches import Stretch
from .values import Guess, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNSEEN = 0.9
"""Doubt of a section that was only interpolated."""


APART = 0.5
"""Sides that agree less than this are not averaged: the one that is trusted more counts alone."""


def joined(
    stretch: Stretch,
    plane: int,
    up: Guess | None,
    down: Guess | None,
    anchors: Mapping[int, MaskCrop],
) -> Section:
    """Return the section of a plane between two anchors.

    - `stretch`: a closed one
    - `up`, `down`: as followed from the lower and from the higher anchor; None where it was lost
    - `anchors`: the object's
    """
    assert stretch.before is not None
    assert stretch.after is not None
    between = stretch.before, stretch.after
    first, last = stretch.before[0], stretch.after[0]
    share = (plane - first) / (last - first)
    if up is None and down is None:
        crop = between_anchors(anchors[first], anchors[last], share)
        return Section(crop, 0.0, UNSEEN, between)
    if up is None or down is None:
        one = up or down
        assert one is not None
        return Section(one.crop, one.score, max(one.doubt, 0.5), between)
    agreement = overlap(up.crop, down.crop)
    # The nearer anchor knows better, and the larger one; a side in doubt counts for less.  What
    # comes from the small section at an object's end would have all of it shrink.
    trust_up = (1 - share) * (1.05 - up.doubt) * anchors[first].area
    trust_down = share * (1.05 - down.doubt) * anchors[last].area
    share = trust_down / (trust_up + trust_down)
    crop = between_anchors(up.crop, down.crop, share)
    best = up if trust_up >= trust_down else down
    if not crop.area or agreement < APART:
        crop = best.crop
    doubt = max(min(up.doubt, down.doubt), 0.5 * (1 - agreement) + 0.5 * best.doubt)
    return Section(crop, best.score, doubt, between)


def between_anchors(first: MaskCrop, last: MaskCrop, share: float) -> MaskCrop:
    """Return the mask at a share of the way from one to another."""
    window = union([Region(*first.box), Region(*last.box)]).grown(1)
    depths: list[NDArray[np.float32]] = [depth(crop.within(window)) for crop in (first, last)]
    mask = (1 - share) * depths[0] + share * depths[1] > 0
    return cropped(mask, window.top, window.left)
