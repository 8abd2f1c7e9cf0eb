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
