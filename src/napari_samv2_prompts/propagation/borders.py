"""What tells walls from all else that is dark and thin: a small U-Net, in numpy.

In an electron micrograph the outlines of organelles look much like the membranes between cells.
Where a membrane goes on over a larger part of five planes tells them apart.

The network is that of Ronneberger et al. (MICCAI 2015) with three levels; its weights, fitted by
``training/fit_borders.py``, are in ``borders.npz`` beside this module.

Here: :func:`borders`.  Not here: whether walls are looked for in this way (``walls.py``).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from .weights import convolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

AROUND = 2
"""Planes to either side that are looked at."""
FLAT = 5.0
"""Grey values that are added to the deviation of a picture: what is flat stays flat."""
SIDES = 4
"""The coarsest of its cells have so many pixels on a side."""
SEEN = 32
"""Pixels to either side that can change a pixel's logit, rounded up to such cells."""
BAND = 2**18
"""Pixels that are worked on at once, about: they take a second."""

Layers = list[tuple[Any, Any]]


@cache
def load() -> Layers:
    """Read the fitted weights: kernels ``(out, in, 3, 3)`` and biases, first layer first."""
    with files(__package__).joinpath("borders.npz").open("rb") as file, np.load(file) as stored:
        return layers_of(stored)


def layers_of(stored: Mapping[str, NDArray[np.float16]]) -> Layers:
    """Return weights as they are used, of arrays ``weight 0``, ``bias 0``, ``weight 1`` ..."""
    return [
        (stored[f"weight {n}"].astype(np.float32), stored[f"bias {n}"].astype(np.float32))
        for n in range(len(stored) // 2)
    ]


def borders(
    planes: NDArray[np.float32], layers: Layers | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yield how likely each pixel of the middle plane lies on a border between objects.

    Parameters
    ----------
    planes : array of shape (5, h, w), float32
        Grey values, walls darker than what they part; outside of the stack mirrored.
    layers : list of (kernels, biases), optional
        Others than the fitted ones.

    Yields
    ------
    array of shape (rows, w), float32
        Logits, some rows after the other: a large plane takes long.
    """
    layers = load() if layers is None else layers
    height, width = planes.shape[1:]
    maps = (planes - planes.mean()) / (planes.std() + FLAT)
    maps = np.pad(maps, ((0, 0), (0, -height % SIDES), (0, -width % SIDES)), mode="edge")
    rows = max(BAND // width // SIDES, 1) * SIDES
    for top in range(0, height, rows):
        above, bottom = min(SEEN, top), min(top + rows, height)
        logits = _logits(maps[:, top - above : bottom + SEEN + -bottom % SIDES], layers)
        yield logits[above : above + bottom - top, :width]


def _logits(maps: NDArray[np.float32], layers: Layers) -> NDArray[np.float32]:
    fine = _block(maps, layers[0:2])
    middle = _block(_pooled(fine), layers[2:4])
    coarse = _block(_pooled(middle), layers[4:6])
    middle = _block(np.concatenate([middle, _enlarged(coarse)]), layers[6:8])
    fine = _block(np.concatenate([fine, _enlarged(middle)]), layers[8:10])
    weight, bias = layers[10]
    return np.asarray(np.tensordot(weight[0, :, 0, 0], fine, 1) + bias[0], np.float32)


def _block(maps: NDArray[np.float32], layers: Layers) -> NDArray[np.float32]:
    for weight, bias in layers:
        maps = convolved(weight, bias, maps)
    return maps


def _pooled(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the highest of each four pixels."""
    rows = np.maximum(maps[:, ::2], maps[:, 1::2])
    return np.maximum(rows[..., ::2], rows[..., 1::2])


def _enlarged(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return maps of twice the size, bilinear."""
    for axis in (2, 1):  # rows last: they lie together in memory
        near, far = np.moveaxis(maps * 0.75, axis, 0), np.moveaxis(maps * 0.25, axis, 0)
        shape = [size * (1 + (place == axis)) for place, size in enumerate(maps.shape)]
        maps = np.empty(shape, np.float32)
        out = np.moveaxis(maps, axis, 0)
        np.add(near[1:], far[:-1], out=out[2::2])
        np.add(near[:-1], far[1:], out=out[1:-1:2])
        np.add(near[0], far[0], out=out[0])
        np.add(near[-1], far[-1], out=out[-1])
    return maps
