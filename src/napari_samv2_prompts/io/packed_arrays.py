"""Arrays of numbers in JSON, losslessly: their type, shape and compressed bytes."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator


class PackedArray(BaseModel):
    """An array as a file holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dtype: str
    shape: tuple[int, ...]
    zlib: str

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> PackedArray:
        """Pack an array of numbers."""
        packed = zlib.compress(np.ascontiguousarray(array).tobytes(), 1)
        return cls(
            dtype=array.dtype.str,
            shape=tuple(array.shape),
            zlib=base64.b64encode(packed).decode("ascii"),
        )

    @model_validator(mode="after")
    def _check(self) -> PackedArray:
        self.value()
        return self

    def value(self) -> np.ndarray[Any, Any]:
        """Return the array, read-only; no more is unpacked than it claims to be.

        Raises ValueError if the bytes are not those of such an array.
        """
        try:
            dtype = np.dtype(self.dtype)
            if dtype.kind not in "biuf":
                raise ValueError(f"arrays of {dtype} are not known here")
            size = math.prod(self.shape) * dtype.itemsize
            packed = base64.b64decode(self.zlib, validate=True)
            content = zlib.decompressobj().decompress(packed, size + 1)
            if min(self.shape, default=0) < 0 or len(content) != size:
                raise ValueError("its size is not the one that it claims")
            return np.frombuffer(content, dtype).reshape(self.shape)
        except (TypeError, ValueError, OverflowError, zlib.error) as error:
            raise ValueError(f"it is not a packed array: {error}") from error
