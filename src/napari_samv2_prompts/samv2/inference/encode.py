"""Encode images of any sizes: each in the square that its variant gives it, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_samv2_prompts.samv2.device import DeviceChoice, in_chunks
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import ImageFeatures, SAMV2Network
from napari_samv2_prompts.samv2.nano.closer import kept
from napari_samv2_prompts.samv2.nano.pyramid import smaller

from .cuda_graphs import GraphedCallable
from .embedding import Embedding
from .preprocess import to_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

Encode = Callable[[Tensor, Callable[[float], object] | None], ImageFeatures]
"""Pixels ``(B, 3, S, S)`` to features, with progress."""

_PIXELS_AT_ONCE = 4 * 1024**2  # input pixels encoded at a time: bounds the encoder's memory


def encoder(network: SAMV2Network, choice: DeviceChoice) -> Encode:
    """Return the network's encoder as its device does it fastest."""
    if choice.device.type != "cuda":
        return network.encode_image
    replayed = GraphedCallable[ImageFeatures](network.encode_image, keep=4)

    def encode(pixels: Tensor, progress: Callable[[float], object] | None) -> ImageFeatures:
        features = replayed(pixels)
        if progress is not None:
            progress(1.0)
        return features

    return encode


def encode_images(
    encode: Encode,
    variant: Variant,
    choice: DeviceChoice,
    model: str,
    images: Sequence[NDArray[np.uint8]],
    progress: Callable[[float], object] | None = None,
) -> list[Embedding]:
    """Embed images, in their order.

    - `encode`: of :func:`encoder`
    - `variant`: of the network
    - `choice`: where the network is
    - `model`: name of the network, for the embeddings
    - `images`: sequence of array of shape (H, W) or (H, W, 3), uint8
    - `progress`: told the share done, in (0, 1], many times.  What it raises ends the work.
    """
    embeddings: list[Embedding] = []

    def kind(image: NDArray[np.uint8]) -> tuple[int, bool]:
        height, width = image.shape[:2]
        return variant.side_for(height, width), variant.looks_closer(height, width)

    for (side, closer), alike in groupby(images, kind):
        group = list(alike)

        def work(
            part: slice,
            group: list[NDArray[np.uint8]] = group,
            side: int = side,
            closer: bool = closer,
        ) -> list[Embedding]:
            some = group[part]
            pixels = torch.cat([to_pixels(image, side, choice.device) for image in some])
            own = [kept(one) if closer else None for one in pixels.split(1)]
            levels = _on_levels(encode, pixels, (side, *variant.pyramid(side)), progress)
            rows = [[level.select(slice(n, n + 1)) for level in levels] for n in range(len(some))]
            return [
                Embedding(first, (image.shape[0], image.shape[1]), side, model, tuple(others), seen)
                for (first, *others), image, seen in zip(rows, some, own, strict=True)
            ]

        chunk = max(1, _PIXELS_AT_ONCE // side**2)
        for part in in_chunks(work, len(group), chunk, choice.device):
            embeddings += part
    if choice.dtype == torch.float32:
        return embeddings
    return [embedding.halved() for embedding in embeddings]


def _on_levels(
    encode: Encode,
    pixels: Tensor,
    sides: Sequence[int],
    progress: Callable[[float], object] | None,
) -> list[ImageFeatures]:
    """Encode smaller and smaller copies of pixels; the work grows with their areas."""
    ends = [0.0, *(np.cumsum(np.square(sides)) / np.square(sides).sum()).tolist()]
    levels = []
    for side, start, end in zip(sides, ends[:-1], ends[1:], strict=True):
        pixels = smaller(pixels, side)
        levels.append(encode(pixels, _part_of(progress, start, end)))
    return levels


def _part_of(
    progress: Callable[[float], object] | None, start: float, end: float
) -> Callable[[float], object] | None:
    """Progress of a part of the work, as a share of all of it."""
    if progress is None:
        return None
    told = progress
    return lambda share: told(min(start + share * (end - start), 1.0))
