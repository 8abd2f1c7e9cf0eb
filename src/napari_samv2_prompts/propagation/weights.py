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
"""Pixels that are worked on at once."""

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
        hidden = convolved(weight, hidden, 2**place)
        hidden += bias[:, None, None]
        np.maximum(hidden, 0, out=hidden)
    weight, bias = layers[-1]
    both = np.concatenate([hidden, maps]).reshape(-1, maps[0].size)
    logits = np.concatenate([weight @ both[:, block] for block in _blocks(both.shape[1])], axis=1)
    return np.asarray((logits + bias[:, None]).reshape(maps.shape[1:]), np.float32)


def convolved(weight: Any, maps: NDArray[np.float32], step: int = 1) -> NDArray[np.float32]:
    """Convolve with kernels ``(out, in, 3, 3)``, taps `step` pixels apart; zeros around."""
    count, h, w = maps.shape
    # Copied to either side only: the rows above and below are other parts of the same copies.
    taps = np.zeros((3, count, h + 2 * step, w), np.float32)
    taps[0, :, step:-step, step:] = maps[:, :, :-step]
    taps[1, :, step:-step] = maps
    taps[2, :, step:-step, :-step] = maps[:, :, step:]
    flat = taps.reshape(3 * count, -1)
    rows = [flat[:, row * step * w :] for row in range(3)]
    kernels = weight.transpose(2, 0, 3, 1).reshape(3, len(weight), -1)
    out = np.empty((len(weight), h * w), np.float32)
    for block in _blocks(h * w):
        part = kernels[0] @ rows[0][:, block]
        part += kernels[1] @ rows[1][:, block]
        part += kernels[2] @ rows[2][:, block]
        out[:, block] = part
    return out.reshape(-1, h, w)


def _blocks(length: int) -> Iterator[slice]:
    """Cut pixels into blocks: they stay in the cache, and BLAS takes no second thread for them.

    Its threads would keep busy for a while after each product, while the next plane is embedded.
    """
    for start in range(0, length, BLOCK):
        yield slice(start, min(start + BLOCK, length))
