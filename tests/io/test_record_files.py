"""The file of prompts: today's, and those of older versions, as values and back."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.io import records
from napari_samv2_prompts.io.packed_arrays import PackedArray
from napari_samv2_prompts.io.record_files import (
    packed_step,
    read_record,
    unpacked_step,
    write_record,
)
from napari_samv2_prompts.io.records import (
    Accept,
    Choose,
    Divide,
    EndHere,
    Follow,
    Picture,
    Point,
    Predict,
    Record,
    Remove,
    Shape,
)
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.propagation import Wanted
from napari_samv2_prompts.regions import Region

OLD = Path(__file__).parents[1] / "data" / "prompts_version_1.json"


def plane(z: int) -> Plane:
    return Plane((1, 2), (z, None, None), (40, 60))


def click(number: int, x: float, y: float) -> PromptBatch:
    return PromptBatch((Prompt(number, ((x, y),), (1,)),))


MASK = np.where(np.add.outer(np.arange(16), np.arange(16)) > 15, 10, -10).astype(np.float32)
STEPS = (
    Predict(
        plane(0),
        PromptBatch(
            (
                Prompt(1, ((3.25, 4.0), (10.0, 12.5)), (1, 0), (1.0, 2.0, 30.0, 35.5)),
                Prompt(7, box=(2.0, 3.0, 20.0, 30.0), mask=MASK, mask_box=(2.0, 3.0, 20.0, 30.0)),
            )
        ),
        Picture((10.0, 200.5), 0.75, Region(0, 8, 32, 60), 1024),
        ModelChoice("tiny"),
        "replace",
    ),
    Predict(
        plane(2),
        click(2, 20, 20),
        model=ModelChoice(None, Path("mine.pt")),
    ),
    Predict(
        plane(2),
        click(3, 30, 20),
        Picture(channels=True),
        policy="background",
    ),
    Choose(plane(2), 2, 1),
    Remove((7,), plane(0)),
    Remove((3,)),
    Accept((1, 2)),
)
SINCE_VERSION_3 = (
    Follow(
        plane(1), 0, Wanted(0, 2, "back", frozenset({2, 3}), stop_when_lost=False), 2, False,
        Picture((10.0, 200.5), 0.75), ModelChoice("tiny"), "replace", "memory",
    ),
    EndHere(plane(2), 0, 3),
    Divide(plane(1), 0, 2, (8, 9)),
)  # fmt: skip
RECTANGLE = ((0.0, 1.0, 2.0), (0.0, 1.0, 30.0), (0.0, 35.0, 30.0), (0.0, 35.0, 2.0))
RECORD = Record(
    "cells \u00fc",
    (3, 40, 60),
    STEPS,
    (Point(2, (2.0, 20.0, 20.5)), Point(4, (1.0, 3.0, 5.0), False)),
    (Shape(1, "rectangle", RECTANGLE),),
)


def plain(value: Any) -> Any:
    """Return a value as what can be compared, arrays as bytes."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if is_dataclass(value):
        return type(value), tuple(plain(getattr(value, f.name)) for f in fields(value))
    return value


def test_a_file_of_version_1_says_what_it_said() -> None:
    assert plain(read_record(OLD)) == plain(RECORD)


def test_a_record_comes_back(tmp_path: Path) -> None:
    record = replace(RECORD, steps=STEPS + SINCE_VERSION_3)
    write_record(tmp_path / "p.json", record)
    assert plain(read_record(tmp_path / "p.json")) == plain(record)


def test_a_file_of_version_2_is_read(tmp_path: Path) -> None:
    write_record(tmp_path / "p.json", RECORD)
    content = json.loads((tmp_path / "p.json").read_text("utf-8"))
    (tmp_path / "p.json").write_text(json.dumps(content | {"version": 2}))
    assert plain(read_record(tmp_path / "p.json")) == plain(RECORD)


@pytest.mark.parametrize(
    "step", [replace(SINCE_VERSION_3[0], axis=1), replace(SINCE_VERSION_3[0], wanted=Wanted(1, 3))]
)
def test_following_where_there_are_no_planes_is_refused(tmp_path: Path, step) -> None:
    write_record(tmp_path / "p.json", replace(RECORD, steps=(step,)))
    with pytest.raises(ValueError, match="along an axis, or planes, that the image does not have"):
        read_record(tmp_path / "p.json")


def test_steps_that_a_session_keeps_come_back() -> None:
    for step in STEPS + SINCE_VERSION_3:
        assert plain(unpacked_step(packed_step(step))) == plain(step)


def test_the_file_holds_no_name_of_a_class(tmp_path: Path) -> None:
    write_record(tmp_path / "p.json", replace(RECORD, steps=STEPS + SINCE_VERSION_3))
    content = json.loads((tmp_path / "p.json").read_text("utf-8"))
    assert (content["format"], content["version"]) == ("napari-samv2-prompts", 4)
    classes = [name for name, value in vars(records).items() if isinstance(value, type)]
    words = {name.lower() for name in classes}

    def values(part: Any) -> list[Any]:
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return [part, *(value for item in inner for value in values(item))]

    said = {value.lower() for value in values(content) if isinstance(value, str)}
    assert {"predicted", "chosen", "removed", "accepted", "followed", "divided"} <= said
    assert not said & words


@given(st_np.arrays(st.sampled_from(["<f4", "u1", "?"]), st_np.array_shapes(min_side=0)))
def test_arrays_come_back_exactly(array: np.ndarray) -> None:
    back = PackedArray.model_validate_json(PackedArray.of(array).model_dump_json()).value()
    assert (back.tobytes(), back.shape, back.dtype) == (array.tobytes(), array.shape, array.dtype)


@pytest.mark.parametrize("path", [OLD, None], ids=["version 1", "today"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("image"), r"image field required"),
        (lambda d: d.update(extra=1), "extra extra inputs are not permitted, not 1"),
        (lambda d: d.update(image=3), "image should be a valid string, not 3"),
        (lambda d: d.update(shape=[3, True]), r"shape\[1\]"),
        (lambda d: d.update(shape=3), "shape should be a valid"),
        (lambda d: d["points"][0].update(at=[1, "nan"]), r"points\[0\]\.at\[1\] .*'nan'"),
        (lambda d: d["points"][0].update(at=[1, float("inf")]), r"points\[0\]\.at\[1\]"),
        (lambda d: d["points"][1].update(positive=1), r"points\[1\]\.positive"),
        (lambda d: d["steps"].append({}), r"steps\[7\]"),
        (lambda d: d["steps"][0].update(policy="c"), r"steps\[0\]\.policy .*'keep', 'replace'"),
        (lambda d: d["steps"][3].update(plane=None), r"steps\[3\]\.plane"),
        (lambda d: d["steps"][4].update(plane={"axes": [0, 1]}), r"steps\[4\]\.plane\.index"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, path: Path | None, change, words: str) -> None:
    if path is None:
        path = tmp_path / "p.json"
        write_record(path, RECORD)
    content = json.loads(path.read_text("utf-8"))
    change(content.get("record", content))
    (tmp_path / "changed.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"^changed\.json is damaged: .*{words}"):
        read_record(tmp_path / "changed.json")


@pytest.mark.parametrize(
    "mask",
    [
        {"dtype": "O", "shape": [1], "zlib": ""},
        {"dtype": "<f4", "shape": [9], "zlib": "AAAA"},
        {"dtype": "<f4", "shape": [-1], "zlib": ""},
        {"dtype": "<f4", "shape": [10**9, 10**9], "zlib": "eAEDAAAAAAE="},
    ],
)
def test_arrays_that_are_none_are_refused(tmp_path: Path, mask: dict[str, Any]) -> None:
    write_record(tmp_path / "p.json", RECORD)
    content = json.loads((tmp_path / "p.json").read_text("utf-8"))
    content["steps"][0]["prompts"][1]["mask"] = mask
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"steps\[0\]\.prompts\[1\]\.mask it is not a packed"):
        read_record(tmp_path / "p.json")


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read_record(tmp_path / "away.json")
    with pytest.raises(IsADirectoryError, match="is a folder: name a file"):
        read_record(tmp_path)
