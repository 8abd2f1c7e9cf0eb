"""What is learnt from: embedded pictures, and windows of them with objects and prompts.

Pictures are embedded once, as they are and mirrored, so that a step costs no more than decoding;
where the trunk learns too, they are embedded anew each time.  The small model sees windows of the
level of its pyramid on which an object has the size of a window at inference, a published one the
whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from napari_samv2_prompts.samv2.inference.preprocess import check_image, to_pixels
from napari_samv2_prompts.samv2.modeling.network import ImageFeatures, SAMV2Network
from napari_samv2_prompts.samv2.nano.features import NanoFeatures
from napari_samv2_prompts.samv2.nano.network import NanoNetwork
from napari_samv2_prompts.samv2.nano.pyramid import smaller
from napari_samv2_prompts.samv2.nano.windows import STRIDE, Window, cut

from . import clicks

SMALLEST = 12
"""Objects of fewer pixels of the level are not learnt from."""
LARGEST_SHARE = 0.8
"""Share of a window's side up to which an object belongs to a level."""
N_CLICKS = 3
FLIPS = 4


@dataclass(frozen=True)
class Pair:
    """A picture with its labels."""

    name: str
    image: NDArray[np.uint8]  # (H, W) or (H, W, 3) uint8
    labels: NDArray[np.integer]  # a number above 0 for each object

    def __post_init__(self) -> None:
        check_image(self.image)
        if self.labels.shape != self.image.shape[:2]:
            raise ValueError(
                f"The labels of {self.name} have the shape {self.labels.shape}, its picture "
                f"{self.image.shape[:2]}: they must be the same."
            )

    @property
    def digest(self) -> str:
        """A digest of picture and labels: it differs as soon as one pixel does."""
        digest = blake2b(digest_size=16)
        for array in (self.image, self.labels):
            digest.update(f"{array.dtype} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def objects(self) -> NDArray[np.integer]:
        """Numbers of the objects, the smallest specks left out."""
        values, counts = np.unique(self.labels, return_counts=True)
        return np.asarray(values[(values > 0) & (counts > SMALLEST)])

    def counted(self) -> NDArray[np.int32]:
        """The labels with objects numbered from 1: their own numbers may be of any height."""
        values, places = np.unique(self.labels, return_inverse=True)
        numbers = places.reshape(self.labels.shape) + 1 - np.count_nonzero(values <= 0)
        return np.maximum(numbers, 0).astype(np.int32)


@dataclass(frozen=True)
class Embedded:
    """A picture as the network sees it, with its labels on the same grids."""

    levels: tuple[ImageFeatures, ...]  # the pyramid's, finest first; a published model has one
    labels: tuple[NDArray[np.int32], ...]  # tuple of (S, S) int32: by level, in pixels of its input


@dataclass(frozen=True)
class Batch:
    """Objects of one picture and what is said of them."""

    features: ImageFeatures  # one row for each object, or one for all
    targets: Tensor  # shape (P, T, T)
    hidden: Tensor  # shape (P,): pixels of the target that each object has beyond its window
    # As :func:`.interaction.first_prompts` takes them, without the axis of pictures.
    prompts: dict[str, Tensor]


def flipped(pair: Pair, number: int) -> Pair:
    """The pair mirrored in one of `FLIPS` ways; 0 is as it is."""
    image, labels = pair.image, pair.labels
    if number & 1:
        image, labels = image[:, ::-1], labels[:, ::-1]
    if number & 2:
        image, labels = image[::-1], labels[::-1]
    return Pair(pair.name, np.ascontiguousarray(image), np.ascontiguousarray(labels))


def embed_levels(network: SAMV2Network, pair: Pair) -> Embedded:
    """Embed a picture on all levels; gradients flow where the network's parameters want them."""
    side = network.variant.side_for(*pair.labels.shape)
    device = network.no_mem_embed.device
    pixels = to_pixels(pair.image, side, device)
    sides = network.variant.pyramid(side)
    levels = [pixels, *(smaller(pixels, each) for each in sides)]
    whole = Image.fromarray(pair.counted())
    return Embedded(
        tuple(network.encode_image(level) for level in levels),
        tuple(
            np.asarray(whole.resize((each, each), Image.Resampling.NEAREST))
            for each in (side, *sides)
        ),
    )


def draw_batch(
    rng: np.random.Generator, network: SAMV2Network, picture: Embedded, count: int
) -> Batch | None:
    """Choose objects of a picture at random with what a user could begin with; None without any."""
    sizes = np.bincount(picture.labels[0].ravel())
    sizes[0] = 0
    values = rng.permutation(np.flatnonzero(sizes > SMALLEST))[:count]
    if not len(values):
        return None
    if isinstance(network, NanoNetwork):
        return _in_windows(rng, network, picture, values)
    coarse = picture.labels[0][::2, ::2]
    masks = np.stack([coarse == value for value in values])
    masks = masks[masks.any((1, 2))]
    return _batch(rng, picture.levels[0], masks, np.zeros(len(masks)), 2) if len(masks) else None


def _in_windows(
    rng: np.random.Generator, network: NanoNetwork, picture: Embedded, values: NDArray[np.integer]
) -> Batch | None:
    """Objects in windows of one level, and so of one side: that of the first object."""
    number = _level_of(rng, picture, int(values[0]))
    level = picture.levels[number]
    assert isinstance(level, NanoFeatures)
    grid, side = level.embedding.shape[-1], network.variant.window // STRIDE
    masks: list[NDArray[np.bool_]] = []
    hidden: list[float] = []
    windows: list[Window] = []
    for value in values:
        whole = picture.labels[number] == value
        if whole.sum() < SMALLEST:
            continue
        window = _window_on(rng, whole, side, grid)
        shown = whole[window.slices(STRIDE)]
        if shown.sum() >= SMALLEST:
            masks.append(shown)
            hidden.append(float(whole.sum() - shown.sum()))
            windows.append(window)
    if not masks:
        return None
    return _batch(rng, cut(level, windows), np.stack(masks), np.array(hidden), 1)


def _level_of(rng: np.random.Generator, picture: Embedded, value: int) -> int:
    """The finest level whose window holds an object; now and then another."""
    if rng.random() < 0.25:
        return int(rng.integers(len(picture.levels)))
    x0, y0, x1, y1 = clicks.mask_box(picture.labels[0] == value)
    extent = max(x1 - x0, y1 - y0) / len(picture.labels[0])
    for level, labels in enumerate(picture.labels):
        if extent * len(labels) <= LARGEST_SHARE * 192:
            return level
    return len(picture.levels) - 1


def _window_on(rng: np.random.Generator, mask: NDArray[np.bool_], side: int, grid: int) -> Window:
    """A window that has some pixel of the object near its middle."""
    x, y = clicks.centre(mask)[:2] if rng.random() < 0.6 else clicks.random_pixel(rng, mask)
    top, left = (
        int(np.clip(round(at / STRIDE - side / 2 + rng.normal(0, side / 10)), 0, grid - side))
        for at in (y, x)
    )
    return Window(top, left, side)


def _batch(
    rng: np.random.Generator,
    features: ImageFeatures,
    masks: NDArray[np.bool_],
    hidden: NDArray[np.floating],
    coarse: int,
) -> Batch:
    """Prompts and tensors of some masks ``(P, T, T)`` whose pixels are ``coarse`` input pixels."""
    said = [_first(rng, mask) for mask in masks]
    prompts = {
        name: (torch.from_numpy(np.stack([each[name] for each in said])) + 0.5) * coarse - 0.5
        for name in said[0]
    }
    return Batch(
        features,
        torch.from_numpy(masks.astype(np.float32)),
        torch.from_numpy(hidden.astype(np.float32)),
        prompts,
    )


def _first(rng: np.random.Generator, mask: NDArray[np.bool_]) -> dict[str, NDArray[np.float32]]:
    points = [clicks.random_pixel(rng, mask) for _ in range(N_CLICKS)]
    if rng.random() < 0.65:
        points[0] = clicks.centre(mask)[:2]
    box = clicks.mask_box(mask)
    if rng.random() < 0.5:
        box = clicks.jitter_box(rng, box, float(rng.uniform(0, 0.1)), 20.0)
    return {"clicks": np.array(points, np.float32), "box": box.reshape(2, 2)}


def split(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Part pairs into those learnt from and those validated on, at least one of each.

    Raises ValueError if there are fewer than two pictures with objects.
    """
    usable = [pair for pair in pairs if len(pair.objects())]
    if len(usable) < 2:
        raise ValueError(
            f"{len(usable)} of {len(pairs)} pictures have labelled objects; at least two are "
            "needed: one to learn from and one to check the result on."
        )
    order = np.random.default_rng(seed).permutation(len(usable))
    count = min(max(1, round(share * len(usable))), len(usable) - 1)
    return [usable[i] for i in order[count:]], [usable[i] for i in order[:count]]
