"""Reading and writing the file of prompts, of this version and of older ones.

Here also: single steps as text, in which a long session keeps them small.  Not here: the format
(``record_models.py``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from napari_samv2_prompts.files import read_named, written_whole
from napari_samv2_prompts.io.record_models import FORMAT, VERSION, RecordFile, StepFile, step_file
from napari_samv2_prompts.io.records import Accept, Divide, EndHere, Follow, Record, Step
from napari_samv2_prompts.propagation import Wanted

_STEPS_OF_VERSION_1 = {
    "predict": "predicted", "choose": "chosen", "remove": "removed", "accept": "accepted",
}  # fmt: skip
_KINDS = {*_STEPS_OF_VERSION_1.values(), "followed", "ended", "divided"}


def packed_step(step: Step) -> str:
    """Return a step as text, its masks compressed."""
    return step_file(step).model_dump_json()


def unpacked_step(text: str) -> Step:
    """Return the step that :func:`packed_step` packed."""
    adapter: TypeAdapter[StepFile] = TypeAdapter(StepFile)
    step: Step = adapter.validate_json(text).value()
    return step


def write_record(path: str | Path, record: Record) -> None:
    """Write a record as JSON, whole or not at all; of paths the last part.

    Raises OSError if the file can't be written.
    """
    from importlib.metadata import version

    content = RecordFile.of_record(record, version("napari-samv2-prompts")).model_dump_json()
    with written_whole(path) as part:
        part.write_text(content, "utf-8")


def read_record(path: str | Path) -> Record:
    """Read a record that :func:`write_record` wrote, whatever the version of the format.

    - raises ValueError if it is something else, damaged or of a newer version; the message says
      what and where
    - raises OSError if the file can't be read
    """
    path = Path(path)
    try:
        content = json.loads(read_named(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not a file of prompts: it is no JSON.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path.name} is not a file of prompts that this plugin saved.")
    version = content.get("version")
    if version == 1 and not isinstance(version, bool):
        content = _from_version_1(content)
    elif version not in (2, 3, VERSION):
        raise ValueError(
            f"{path.name} has version {version!r} of the format, and version {VERSION} is known "
            "here: update napari-samv2-prompts."
        )
    try:
        record = RecordFile.model_validate_json(json.dumps(content)).value()
        for step in record.steps:
            _check_step(step, record.shape)
        return record
    except ValidationError as error:
        raise ValueError(f"{path.name} is damaged: {_worded(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error


def _worded(error: ValidationError) -> str:
    """Return the first thing that is wrong: where, what is expected, and what was seen."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ""
    for part in first["loc"]:
        if isinstance(part, int):
            where += f"[{part}]"
        elif part not in _KINDS:  # which kind of step it is read as
            where += f".{part}" if where else part
    shown = repr(first["input"])
    shown = shown if len(shown) < 40 else f"{shown[:37]}..."
    expected = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"{where} {expected[:1].lower()}{expected[1:]}, not {shown}"


def _check_step(step: Step, shape: tuple[int, ...]) -> None:
    """Refuse planes that the image does not have."""
    plane = None if isinstance(step, Accept) else step.plane
    if plane is None:
        return
    fits = plane.ndim == len(shape) and plane.shape == tuple(shape[axis] for axis in plane.axes)
    if isinstance(step, Follow | EndHere | Divide):
        size = shape[step.axis] if fits and step.axis in plane.hidden else 0
        wanted = step.wanted if isinstance(step, Follow) else Wanted(0, 0)
        if not 0 <= wanted.first <= wanted.last < size:
            raise ValueError("a step goes along an axis, or planes, that the image does not have.")
    if not fits or any(
        i is not None and not 0 <= i < n for i, n in zip(plane.index, shape, strict=True)
    ):
        by = " x ".join(map(str, shape))
        raise ValueError(f"a step has a plane that an image of {by} pixels does not have.")


# --- version 1 ---


def _from_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """Return a file of version 1 as one of today's; what is damaged in it stays so.

    It had all in a group ``record``, the kind of each value under ``is``, and of models where they
    ran and lay, which is not kept.
    """
    record = content.get("record")
    new = {"format": FORMAT, "version": VERSION, "written_by": content.get("written_by", "")}
    if not isinstance(record, dict):
        return new
    plain = _without_kinds(record)
    if isinstance(plain.get("steps"), list) and isinstance(record.get("steps"), list):
        pairs = zip(record["steps"], plain["steps"], strict=True)
        plain["steps"] = [_step_from_version_1(old, step) for old, step in pairs]
    return {**plain, **new}


def _without_kinds(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_kinds(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_kinds(item) for key, item in value.items() if key != "is"}
    return value


def _step_from_version_1(old: Any, step: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(step, dict):
        return step
    kind = old.get("is")
    step["step"] = _STEPS_OF_VERSION_1.get(kind, kind) if isinstance(kind, str) else kind
    if "asks" in step:
        step["prompts"] = step.pop("asks")
    model = step.get("model")
    if isinstance(model, dict):
        step["model"] = {key: model[key] for key in model.keys() - {"device", "folder"}}
    return step
