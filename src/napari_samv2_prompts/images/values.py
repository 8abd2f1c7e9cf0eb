"""Values of any number type as 8 bit.

Not here: where the values come from (``reading``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Share of the pixels that may saturate at either end, in percent: enough to ignore hot pixels.
SATURATED = 0.5
# Percentiles are taken from at most about this many pixels, spread evenly.
SAMPLE = 1_000_000
# Values are converted in blocks of rows of about this many values, to bound temporary arrays.
BLOCK = 4_000_000
# The difference of two values up to this can be computed with.
HALF_OF_LARGEST = float(np.finfo(np.float64).max) / 2


def as_array(given: Any, name: str) -> Any:
    """Return what is an array already as it is, lazy or not, and lists and the like as an array.

    - `name`: what the message calls it
    - raises ValueError if it can't be one
    """
    if isinstance(getattr(given, "dtype", None), np.dtype):
        return given
    try:
        return np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{name} can't be made an array: rows differ in length.") from error


def as_numbers(given: Any, name: str) -> NDArray[np.float64]:
    """Return real numbers that a script hands over; see :func:`as_array`."""
    array = np.asarray(as_array(given, name))
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} must be real numbers, not {array.dtype}.")
    return array.astype(np.float64)


def check_real(dtype: np.dtype[Any], name: str) -> None:
    """Refuse values that are no real numbers.

    - `name`: what the message calls the image
    """
    if dtype.kind not in "buif":
        raise ValueError(f"{name} has values of type {dtype}, which are no real numbers.")


def percentile_limits(values: NDArray[Any]) -> tuple[float, float]:
    """Return the values between which all but a few of the finite pixels lie.

    - `values`: array of shape (H, W) or (H, W, channels)
    - returns two equal ones if the image is constant, (0, 0) if no pixel is finite
    """
    step = max(1, int(np.sqrt(values.size / SAMPLE)))
    sample = values[::step, ::step]
    sample = sample.astype(np.float64)[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 0.0
    # In halves where differences would overflow, which of values as large is exact.
    unit = 2.0 if np.abs(sample).max() > HALF_OF_LARGEST else 1.0
    low, high = np.percentile(sample / unit, (SATURATED, 100 - SATURATED)) * unit
    if low == high:  # a few bright spots on a constant ground
        low, high = sample.min(), sample.max()
    return float(low), float(high)


def to_uint8(
    values: NDArray[Any], limits: tuple[float, float], gamma: float = 1.0
) -> NDArray[np.uint8]:
    """Map values linearly between two limits, then by gamma, to 0...255, as a viewer displays them.

    - `values`: array of any shape; bool, whole or real numbers; NaN becomes 0; what is beyond a
      limit, infinities too, saturates
    - `limits`: the values for 0 and 255.  If they are equal, only what is above them is 255.
    - returns an array of the same shape, uint8
    """
    if values.dtype == np.uint8 and limits == (0.0, 255.0) and gamma == 1.0:
        return np.array(values, dtype=np.uint8)  # a copy: the layer's own array may change
    if np.issubdtype(values.dtype, np.bool_):
        return to_uint8(values.view(np.uint8), limits, gamma)
    if np.issubdtype(values.dtype, np.integer) and values.dtype.itemsize <= 2:
        info = np.iinfo(values.dtype)
        table = _mapped(np.arange(info.min, info.max + 1), limits, gamma)
        return table[values] if info.min == 0 else table[values.astype(np.int32) - info.min]
    out = np.empty(values.shape, dtype=np.uint8)
    rows = max(1, BLOCK * len(values) // max(1, values.size))
    for start in range(0, len(values), rows):
        out[start : start + rows] = _mapped(values[start : start + rows], limits, gamma)
    return out


def _mapped(values: NDArray[Any], limits: tuple[float, float], gamma: float) -> NDArray[np.uint8]:
    low, high = limits
    if not high > low:
        return np.where(values > low, np.uint8(255), np.uint8(0))
    # Clip before scaling, so that infinities and huge values don't overflow; and in halves where
    # the difference of the limits would.
    clipped = np.clip(values.astype(np.float64), low, high)
    if max(abs(low), abs(high)) > HALF_OF_LARGEST:
        clipped, low, high = clipped / 2, low / 2, high / 2
    scaled = (clipped - low) / (high - low)
    if gamma != 1:
        scaled **= gamma
    return np.rint(np.nan_to_num(scaled) * 255).astype(np.uint8)
