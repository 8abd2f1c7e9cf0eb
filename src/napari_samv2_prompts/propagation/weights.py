"""The fitted numbers of propagation: small networks of one hidden layer, in ``weights.json``.

Here: :func:`apply`, and :func:`load` of the file beside this module, which
``training/fit_propagation.py`` writes.  Not here: what goes in (``evidence.py``, ``doubt.py``).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Weights", "apply", "load"]

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
        hidden = np.maximum(_convolved(weight, hidden, 2**place) + bias[:, None, None], 0)
    weight, bias = layers[-1]
    both = np.concatenate([hidden, maps]).reshape(-1, maps[0].size)
    return np.asarray((weight @ both + bias[:, None]).reshape(maps.shape[1:]), np.float32)


def _convolved(weight: Any, maps: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Convolve with kernels ``(out, in, 3, 3)``, taps `step` pixels apart; zeros around."""
    count, h, w = maps.shape
    padded = np.pad(maps, ((0, 0), (step, step), (step, step)))
    taps = np.empty((3, 3, count, h, w), np.float32)
    for dy in range(3):
        for dx in range(3):
            rows, columns = slice(dy * step, dy * step + h), slice(dx * step, dx * step + w)
            taps[dy, dx] = padded[:, rows, columns]
    kernels = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return np.asarray((kernels @ taps.reshape(9 * count, -1)).reshape(-1, h, w), np.float32)
