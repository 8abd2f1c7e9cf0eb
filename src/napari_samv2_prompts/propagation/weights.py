"""The fitted numbers of propagation: small networks of one hidden layer, in ``weights.json``.

Here: :func:`apply`, and :func:`load` of the file beside this module, which
``training/fit_propagation.py`` writes.  Not here: what goes in (``evidence.py``, ``doubt.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 512
"""Pixels that are multiplied at once."""
STRIP = 8192
"""Pixels of some rows whose neighbours are gathered at once, about."""

Weights = dict[str, list[tuple[Any, Any]]]


@cache
def load() -> Weights:
    """Read the fitted weights."""
    text = files(__package__).joinpath("weights.json").read_text("utf-8")
    return of(json.loads(text))


def of(fitted: dict[str, Any]) -> Weights:
    """Return weights as arrays."""
    return {
        name: [tuple(np.array(part, np.float32) for part in layer) for layer in layers]  # type: ignore[misc]
        for name, layers in fitted.items()
    }


def apply(layers: list[tuple[Any, Any]], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits of values ``(n, ...)``: ``w2 tanh(w1 x + b1) + b2``, of shape ``(...)``."""
    hidden = values
    for place, (weight, bias) in enumerate(layers):
        flat = weight @ hidden.reshape(len(hidden), -1) + bias[:, None]
        hidden = (flat if place == len(layers) - 1 else np.tanh(flat)).reshape(
            -1, *values.shape[1:]
        )
    return np.asarray(hidden[0], np.float32)


def convolve(layers: list[tuple[Any, Any]], maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return logits ``(h, w)`` of maps ``(n, h, w)``: layers of 3 x 3, then one of 1 x 1.

    The first layer looks at next neighbours, the second at every other pixel, the third at every
    fourth, and so on: a few layers see far.  The last one is told the maps themselves, too.
    """
    hidden = maps
    for place, (weight, bias) in enumerate(layers[:-1]):
        hidden = convolved(weight, bias, hidden, 2**place)
    (weight,), bias = layers[-1]
    seen, told = np.split(weight, [len(hidden)])
    # Not as a product of matrices: BLAS would take a second thread for it, see _blocks.
    logits = np.einsum("n,nyx->yx", seen, hidden) + np.einsum("n,nyx->yx", told, maps)
    return np.asarray(logits + bias, np.float32)


def convolved(
    weight: Any, bias: Any, maps: NDArray[np.float32], step: int = 1
) -> NDArray[np.float32]:
    """Apply a layer of kernels ``(out, in, 3, 3)``, taps `step` pixels apart: 0 where it is below.

    Around the maps there are zeros.
    """
    h, w = maps.shape[1:]
    kernels = weight.transpose(2, 0, 3, 1).reshape(3, len(weight), -1)
    out = np.empty((len(weight), h, w), np.float32)
    rows = max(1, STRIP // w)  # what is worked on stays in the cache
    for top in range(0, h, rows):
        strip = slice(top, min(top + rows, h))
        out[:, strip] = _strip(kernels, bias[:, None], maps, strip, step)
    return out


def _strip(
    kernels: Any, bias: Any, maps: NDArray[np.float32], strip: slice, step: int
) -> NDArray[np.float32]:
    """Apply a layer to some rows."""
    count, _, w = maps.shape
    height = strip.stop - strip.start
    part = maps[:, max(strip.start - step, 0) : strip.stop + step]
    top = max(step - strip.start, 0)
    place = slice(top, top + part.shape[1])
    # Copied to either side only: the rows above and below are other parts of the same copies.
    taps = np.zeros((3, count, height + 2 * step, w), np.float32)
    taps[0, :, place, step:] = part[:, :, :-step]
    taps[1, :, place] = part
    taps[2, :, place, :-step] = part[:, :, step:]
    flat = taps.reshape(3 * count, -1)
    rows = [flat[:, row * step * w :] for row in range(3)]
    out = np.empty((kernels.shape[1], height * w), np.float32)
    for block in _blocks(height * w):
        own = kernels[0] @ rows[0][:, block]
        own += kernels[1] @ rows[1][:, block]
        own += kernels[2] @ rows[2][:, block]
        own += bias
        np.maximum(own, 0, out=out[:, block])
    return out.reshape(-1, height, w)


def _blocks(length: int) -> Iterator[slice]:
    """Cut pixels into blocks: they stay in the cache, and BLAS takes no second thread for them.

    Its threads would keep busy for a while after each product, while the next plane is embedded.
    """
    for start in range(0, length, BLOCK):
        yield slice(start, min(start + BLOCK, length))
