"""What following objects through a known volume measures, with the truth beside it.

Here: :class:`Samples`, which watches the method; :func:`shown`, which has it take single steps
from true masks that were spoilt a little; :func:`followed`, which lets it go its own way from
boxes, or from true masks, and so shows it the mistakes that it makes itself (as in DAgger, Ross et
al. 2011).

Not here: what is fitted to it (``fit_propagation.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.propagation import Found, History
from napari_samv2_prompts.propagation.doubt import Measures
from napari_samv2_prompts.propagation.evidence import FEATURES
from napari_samv2_prompts.propagation.weights import Weights
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

from .evaluate_volumes import Setting
from .volumes import Volume, iou, objects_of

SIDE = 48
"""Of the parts that are kept of an object's surroundings, in pixels."""
BEYOND = 3
"""Planes beyond an object's end that are still shown."""
ASTRAY = 0.3
"""Where the last mask was less right than this, the object is lost, and nothing can be learnt."""


class Samples:
    """Parts of maps, and measures of sections, each with the truth."""

    def __init__(self, volume: Volume, seed: int) -> None:
        self.volume, self.rng = volume, np.random.default_rng(seed)
        self.extent = {}
        for number, _, areas in objects_of(volume):
            planes = np.flatnonzero(areas)
            self.extent[number] = planes[0], planes[-1]
        self.maps: list[NDArray[np.float16]] = []
        self.truths: list[NDArray[np.bool_]] = []
        self.measures: list[tuple[int, int, NDArray[np.float64]]] = []
        self.keep_maps = True

    def __call__(
        self,
        plane: int,
        number: int,
        window: Region,
        values: NDArray[np.float32],
        measures: Measures,
    ) -> None:
        """Take in one object on one plane."""
        first, last = self.extent[number]
        if not first - BEYOND <= plane <= last + BEYOND:
            return
        self.measures.append((plane, number, measures.values))
        rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
        truth = self.volume.labels[plane, rows, columns] == number
        if not self.keep_maps or (truth.any() and iou(values[0] > 0, truth) < ASTRAY):
            return
        outline = np.abs(values[FEATURES.index("depth")]) < 1
        ys, xs = np.nonzero(outline)
        if len(ys):
            at = self.rng.integers(len(ys))
            self.maps.append(_part(values, ys[at], xs[at]).astype(np.float16))
            self.truths.append(_part(truth[None], ys[at], xs[at])[0] > 0)


def _part(maps: NDArray[Any], row: int, column: int) -> NDArray[np.float32]:
    """Return a square part around a place, moved inwards; zeros where there are too few pixels."""
    _, h, w = maps.shape
    top = int(np.clip(row - SIDE // 2, 0, max(h - SIDE, 0)))
    left = int(np.clip(column - SIDE // 2, 0, max(w - SIDE, 0)))
    part = maps[:, top : top + SIDE, left : left + SIDE]
    out = np.zeros((len(maps), SIDE, SIDE), np.float32)
    out[:, : part.shape[1], : part.shape[2]] = part
    return out


def shown(volume: Volume, predictor: SAMV2ImagePredictor, weights: Weights, seed: int) -> Samples:
    """Take single steps from true masks, spoilt, on every other plane in either direction."""
    samples = Samples(volume, seed)
    rng = samples.rng
    follower = Setting(volume, predictor, weights, samples).follower
    for plane in range(seed % 2, len(volume.image), 2):
        way = int(rng.choice((1, -1)))
        spoil = float(rng.choice((0.0, 0.05, 0.15), p=(0.4, 0.35, 0.25)))
        histories = {
            number: history
            for number in samples.extent
            if (history := _spoilt_history(volume, number, plane, way, spoil, rng)) is not None
        }
        # Sometimes only few of the objects are known, as when a user prompts but one.
        few = list(histories) if rng.random() < 0.6 else rng.permutation(list(histories))[:4]
        if len(few):
            follower.follow(plane, {int(n): histories[n] for n in few}, [])
    return samples


def _spoilt_history(
    volume: Volume, number: int, plane: int, way: int, spoil: float, rng: np.random.Generator
) -> History | None:
    """Return an object's true masks on the planes behind, spoilt; None if it is not there."""
    behind: list[tuple[int, MaskCrop]] = []
    far = int(rng.integers(1, 12))
    for step in range(1, far + 1):
        at = plane - way * step
        if not 0 <= at < len(volume.labels):
            break
        crop = cropped(_spoilt(volume.labels[at] == number, spoil, rng))
        if crop.area < 8:
            break
        behind.append((at, crop))
    if not behind:
        return None
    anchor = dict(behind[-1:])
    return History(tuple(reversed(behind[:3])), anchor)


def _spoilt(mask: NDArray[np.bool_], amount: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Move a mask's outline in and out, here and there or as a whole.

    By how much is a share of the root of its area.
    """
    if not amount or not mask.any():
        return mask
    amount = amount * float(np.sqrt(mask.sum()))
    depth = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    waves = ndimage.gaussian_filter(rng.normal(size=mask.shape), 5) * 17  # of deviation 1
    return np.asarray(depth + amount * (waves + 0.5 * rng.normal()) > 0)


def followed(
    volume: Volume,
    predictor: SAMV2ImagePredictor,
    weights: Weights | None,
    seed: int,
    truth: bool,
    maps: bool = True,
) -> tuple[Samples, NDArray[np.float64]]:
    """Follow a volume's objects from boxes, or from true masks.

    Returns
    -------
    samples : Samples
    sections : array of shape (m, measures + 2)
        The measures, the true IoU, and whether the object is there.
    """
    samples = Samples(volume, seed)
    samples.keep_maps = maps
    setting = Setting(volume, predictor, weights, samples)
    anchors = setting.prompted()
    if truth:
        anchors = {n: _true_anchor(volume, n, min(planes)) for n, planes in anchors.items()}
    found = setting.fill(anchors, Found())
    sections = []
    whole = Region.whole(volume.labels.shape[1:])
    for plane, number, measures in samples.measures:
        section = found.sections.get(number, {}).get(plane)
        real = volume.labels[plane] == number
        good = iou(section.crop.within(whole), real) if section is not None else 0.0
        sections.append([*measures, good, float(real.any())])
    return samples, np.array(sections)


def _true_anchor(volume: Volume, number: int, plane: int) -> dict[int, MaskCrop]:
    return {plane: cropped(volume.labels[plane] == number)}
