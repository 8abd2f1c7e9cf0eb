"""Frozen values to JSON and back."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from napari_samv2_prompts.io.strict_json import decode, encode


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...]
    place: tuple[float, float] | None = None


@dataclass(frozen=True)
class Other:
    word: Literal["a", "b"]


@dataclass(frozen=True, eq=False)
class Outer:
    name: str
    inner: Inner
    steps: tuple[Inner | Other, ...] = ()
    path: Path | None = None
    flag: bool = True
    array: np.ndarray[Any, Any] | None = None


GOOD = Outer("x", Inner((1, 2), (0.1, 3.0)), (Other("a"), Inner(())), Path("f.pt"), False)


def there_and_back(value: Any) -> Any:
    return decode(type(value), json.loads(json.dumps(encode(value))))


def test_everything_comes_back() -> None:
    array = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    back = there_and_back(replace(GOOD, array=array))
    np.testing.assert_array_equal(back.array, array)
    assert back.array.dtype == np.float32
    assert [getattr(back, n) for n in ("name", "inner", "steps", "path", "flag")] == [
        "x", GOOD.inner, GOOD.steps, Path("f.pt"), False
    ]  # fmt: skip


@given(st.floats(allow_nan=False, allow_infinity=False), st.lists(st.integers()))
def test_numbers_come_back_exactly(number: float, sizes: list[int]) -> None:
    inner = Inner(tuple(sizes), (number, -number))
    assert there_and_back(inner) == inner


@given(st_np.arrays(st.sampled_from(["<f4", "u1", "?"]), st_np.array_shapes(min_side=0)))
def test_arrays_come_back_exactly(array) -> None:
    back = there_and_back(replace(GOOD, array=array)).array
    assert back.tobytes() == array.tobytes()
    assert (back.shape, back.dtype) == (array.shape, array.dtype)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("name"), "lacks 'name'"),
        (lambda d: d.update(extra=1), "'extra'"),
        (lambda d: d.update(name=3), "file.name must be of type str, not 3"),
        (lambda d: d.update(flag=1), "file.flag"),
        (lambda d: d["inner"].update(sizes=[1, True]), r"file.inner.sizes\[1\]"),
        (lambda d: d["inner"].update(sizes=3), "file.inner.sizes must be a list"),
        (lambda d: d["inner"].update(place=[1]), "a list of 2 values"),
        (lambda d: d["inner"].update(place=[1, "nan"]), r"place\[1\] must be a number"),
        (lambda d: d["inner"].update(place=[1, float("inf")]), r"place\[1\] must be a number"),
        (lambda d: d["steps"].append({"is": "stranger"}), r"steps\[2\].is must be one of"),
        (lambda d: d["steps"][0].update(word="c"), "'a', 'b'"),
        (lambda d: d.update(array={"dtype": "O", "shape": [1], "zlib": ""}), "file.array"),
        (lambda d: d.update(array={"dtype": "<f4", "shape": [9], "zlib": "AAAA"}), "file.array"),
        (lambda d: d.update(array={"dtype": "<f4", "shape": [-1], "zlib": ""}), "file.array"),
    ],
)
def test_what_does_not_fit_is_named(change, words: str) -> None:
    content = encode(replace(GOOD, array=np.zeros(2)))
    change(content)
    with pytest.raises(ValueError, match=words):
        decode(Outer, content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["is", "name", "inner", "steps", "sizes", "array", "dtype", "shape"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_nothing_else_is_ever_raised(content: Any) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(decode(Outer, content), Outer)
