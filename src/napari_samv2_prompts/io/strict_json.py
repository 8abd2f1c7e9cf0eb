"""Frozen values to JSON and back, with an error that names the place of whatever does not fit.

Here: dataclasses of numbers, words, tuples, paths, arrays and other dataclasses; a union of
dataclasses is told apart by the name of the class under ``"is"``.  Arrays are packed losslessly.

Not here: what the values mean, or which file they are in (``records.py``).
"""

from __future__ import annotations

import base64
import dataclasses
import math
import types
import typing
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["decode", "encode"]

_TAG = "is"


def encode(value: Any) -> Any:
    """Return what :mod:`json` can write of a value.

    Raises
    ------
    TypeError
        If it is of another kind than those above.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.ndarray):
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(value).tobytes(), 1))
        return {"dtype": value.dtype.str, "shape": list(value.shape), "zlib": packed.decode()}
    if dataclasses.is_dataclass(value):
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {_TAG: type(value).__name__.lower(), **fields}
    raise TypeError(f"A {type(value).__name__} can't be saved.")


def decode(kind: Any, value: Any, where: str = "the file") -> Any:
    """Return a value of a type from what :func:`encode` made of it.

    Parameters
    ----------
    kind : type
        A dataclass, or what one of its fields is declared as.
    value : object
        As :mod:`json` reads it.
    where : str
        What `value` is, for the message.

    Raises
    ------
    ValueError
        If it does not fit, even in part; unknown fields don't.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _decode_union(arguments, value, where)
    if origin is typing.Literal:
        _require(value in arguments, where, f"one of {', '.join(map(repr, arguments))}", value)
        return value
    if origin is tuple:
        return _decode_tuple(arguments, value, where)
    if origin is np.ndarray or kind is np.ndarray:
        return _decode_array(value, where)
    if dataclasses.is_dataclass(kind):
        return _decode_fields(kind, value, where)
    if kind is Path:
        return Path(decode(str, value, where))
    if kind is float:
        return _decode_float(value, where)
    _require(type(value) is kind, where, f"of type {kind.__name__}", value)
    return value


def _require(fits: bool, where: str, wanted: str, value: Any) -> None:
    if not fits:
        shown = repr(value)
        shown = shown if len(shown) < 40 else f"{shown[:37]}..."
        raise ValueError(f"{where} must be {wanted}, not {shown}.")


def _decode_float(value: Any, where: str) -> float:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        number = float(value) if fits else math.nan
    except OverflowError:  # a whole number of hundreds of digits
        number = math.nan
    _require(math.isfinite(number), where, "a number", value)
    return number


def _decode_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    if len(kinds) == 1:
        return decode(kinds[0], value, where)
    tag = value.get(_TAG) if isinstance(value, dict) else None
    by_name = {kind.__name__.lower(): kind for kind in kinds}
    known = isinstance(tag, str) and tag in by_name
    _require(known, f"{where}.{_TAG}", f"one of {', '.join(by_name)}", tag)
    return decode(by_name[str(tag)], value, where)


def _decode_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _require(isinstance(value, list), where, "a list", value)
    if kinds[-1:] == (Ellipsis,):
        kinds = kinds[:1] * len(value)
    _require(len(value) == len(kinds), where, f"a list of {len(kinds)} values", value)
    pairs = zip(kinds, value, strict=True)
    return tuple(decode(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(pairs))


def _decode_fields(kind: Any, value: Any, where: str) -> Any:
    _require(isinstance(value, dict), where, "a group of named values", value)
    hints = typing.get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(value.keys() - names - {_TAG})
    if unknown:
        raise ValueError(f"{where} has {unknown[0]!r}, which is not known here.")
    missing = sorted(
        field.name
        for field in dataclasses.fields(kind)
        if field.name not in value
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    )
    if missing:
        raise ValueError(f"{where} lacks {missing[0]!r}.")
    given = {n: decode(hints[n], value[n], f"{where}.{n}") for n in names & value.keys()}
    try:
        return kind(**given)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where} is not right: {error}") from error


def _decode_array(value: Any, where: str) -> np.ndarray[Any, Any]:
    _require(isinstance(value, dict), where, "a packed array", value)
    try:
        dtype = np.dtype(str(value["dtype"]))
        if dtype.kind not in "biuf":
            raise ValueError(f"arrays of {dtype} are not known here")
        shape = tuple(int(n) for n in value["shape"])
        size = math.prod(shape) * dtype.itemsize
        unpack = zlib.decompressobj()
        content = unpack.decompress(base64.b64decode(value["zlib"], validate=True), size + 1)
        if min(shape, default=0) < 0 or len(content) != size:
            raise ValueError("its size is not the one that it claims")
        return np.frombuffer(content, dtype).reshape(shape)
    except (KeyError, TypeError, ValueError, OverflowError, zlib.error) as error:
        raise ValueError(f"{where} is not a packed array: {error}.") from error
