"""Files from anywhere: cut, changed, huge or made to hurt, they are read or refused in a sentence.

Each reader is fed with valid files in which something was changed, and with bytes of any kind.  The
examples of the suite take seconds; ``-m slow --minutes 10`` feeds each reader for that long.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save
from tifffile import imwrite

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.io.pictures import read_picture
from napari_samv2_prompts.io.prompt_files import gather_prompts, table_kind
from napari_samv2_prompts.io.record_files import read_record, write_record
from napari_samv2_prompts.io.records import (
    Accept,
    Picture,
    Point,
    Predict,
    Record,
    Remove,
    Shape,
)
from napari_samv2_prompts.io.settings import Choice, Remembered
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2.video.frames import open_frames
from napari_samv2_prompts.samv2.video.memory import Memory
from napari_samv2_prompts.samv2.video.state import (
    Answer,
    PointPrompts,
    TrackedObject,
    VideoState,
)
from napari_samv2_prompts.samv2.video.state_file import read_state as read_state_of_film
from napari_samv2_prompts.samv2.video.state_file import write_state
from napari_samv2_prompts.samv2.weights.checkpoints import read_state
from napari_samv2_prompts.samv2.weights.registry import CheckpointError

Reader = Callable[[Path], object]
Readers = dict[str, tuple[Reader, Callable[[Path], st.SearchStrategy[bytes]], Any]]

CHUNK = 200  # files of which none is like another; after them any may come again

# Words that stand for what would be too long to show.
LONG = {
    b"HUGE": b"9" * 140_000,  # longer than the csv module takes
    b"DEEP": b"[" * 100_000,  # deeper than the json module goes
}


def some_record() -> Record:
    mask = np.zeros((8, 8), np.float32)
    batch = PromptBatch((Prompt(1, points=[[3, 4]], box=(1, 1, 6, 6), mask=mask),))
    plane = Plane((1, 2), (0, None, None), (10, 12))
    steps = (Predict(plane, batch, Picture((0.0, 1.0))), Remove((1,), plane), Accept((1,)))
    vertices = ((0.0, 1.0, 2.0), (0.0, 3.0, 4.0))
    return Record(
        "cells", (3, 10, 12), steps, (Point(1, (0.0, 2.0, 3.0)),), (Shape(1, "line", vertices),)
    )


def boxes(path: Path) -> object:
    prompts = gather_prompts((40, 50), boxes=path)
    assert all(note.endswith(".") for note in prompts.all_notes)
    return [prompts.batch(plane) for plane in prompts.planes]


def points(path: Path) -> object:
    prompts = gather_prompts((40, 50), points=path)
    return [prompts.batch(plane) for plane in prompts.planes]


def remembered(path: Path) -> object:
    taken: list[Any] = []
    note = Remembered({"live": Choice(lambda: True, taken.append)}, path).restore()
    assert isinstance(note, str)
    return note


def refuses(reader: Reader, path: Path, errors: tuple[type[Exception], ...]) -> None:
    """Read a file; every refusal is one of these errors, and a sentence."""
    try:
        reader(path)
    except errors as refusal:
        message = "" if isinstance(refusal, OSError) else str(refusal)
    else:
        return
    assert not message or len(message.split()) > 2


# --- what files are made of ---


def bytes_like(valid: bytes) -> st.SearchStrategy[bytes]:
    """A valid file with parts of it cut out, changed or doubled; or bytes of any kind."""
    cuts = st.integers(0, len(valid))
    return st.builds(
        lambda a, junk, b: valid[:a] + junk + valid[b:], cuts, st.binary(max_size=9), cuts
    ) | st.binary(max_size=200)


NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -1, 2**63, 2**31, 1e308])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.just("../../etc/passwd\0"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def changed_json(draw: st.DrawFn, valid: Any) -> Any:
    """JSON in which one value, at any depth, is another."""
    if not isinstance(valid, dict | list) or not valid or draw(st.integers(0, 5)) == 0:
        return draw(JSON)
    key = draw(st.sampled_from(sorted(valid) if isinstance(valid, dict) else range(len(valid))))
    copy = valid.copy()
    copy[key] = draw(changed_json(valid[key]))
    return copy


CELLS = st.text("0123456789.-+eE,;\t\"'\0nxifa\u0663\u2028", max_size=12) | st.sampled_from(
    ["1e308", "1_0", "nan", "-0", "HUGE", "positive", '"', "99999999999999999999"]
)


def tables(head: str) -> st.SearchStrategy[bytes]:
    rows = st.lists(st.lists(CELLS, max_size=6).map(",".join), max_size=4)
    text = st.builds(lambda rows: "\n".join([head, *rows]), rows)
    return text.map(lambda t: t.encode()) | bytes_like(f"{head}\n1,2,3,4,5\n".encode())


def pictures(kind: str) -> st.SearchStrategy[bytes]:
    out = io.BytesIO()
    array = np.arange(12 * 14, dtype=np.uint8).reshape(12, 14)
    if kind == "tif":
        imwrite(out, array.astype(np.uint16), compression="zlib")
    else:
        Image.fromarray(array).save(out, {"png": "PNG", "jpg": "JPEG"}[kind])
    return bytes_like(out.getvalue())


def safetensors_with(header: Any) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(64)


def weights() -> st.SearchStrategy[bytes]:
    tensors = {"a": torch.zeros(4), "b": torch.ones(2, 2)}
    out = io.BytesIO()
    torch.save({"model": tensors}, out)
    legacy = io.BytesIO()
    torch.save({"model": tensors}, legacy, _use_new_zipfile_serialization=False)
    header = {
        "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        "__metadata__": {"k": "v"},
    }
    return (
        bytes_like(save(tensors)) | bytes_like(out.getvalue()) | bytes_like(legacy.getvalue())
        | changed_json(header).map(safetensors_with)
    )  # fmt: skip


OLD_RECORD = Path(__file__).parent / "data" / "prompts_version_1.json"


# --- the readers ---


def table_files(tmp: Path) -> st.SearchStrategy[bytes]:
    return tables("object,x0,y0,x1,y1")


def point_files(tmp: Path) -> st.SearchStrategy[bytes]:
    return tables("object,x,y,polarity")


def saved_points(tmp: Path) -> st.SearchStrategy[bytes]:
    return tables("index,axis-0,axis-1,object,polarity")


def saved_shapes(tmp: Path) -> st.SearchStrategy[bytes]:
    head = "index,shape-type,vertex-index,axis-0,axis-1"
    lines = "\n".join(f"0,polygon,{i},{i * i},{7 - i}" for i in range(5))
    return tables(head) | bytes_like(f"{head}\n{lines}\n".encode())


def excel_files(tmp: Path) -> st.SearchStrategy[bytes]:
    text = 'sep=;\r\n# a note\r\nobject;x0;y0;x1;y1;größe\r\n1;"1.234,5";2;3,5;4;x\r\n'
    codecs = ("utf-8-sig", "utf-16", "utf-16-le", "latin-1")
    return st.sampled_from(codecs).flatmap(lambda codec: bytes_like(text.encode(codec)))


def coco_files(tmp: Path) -> st.SearchStrategy[bytes]:
    polygon = [[1, 1, 9, 1, 9, 9]]
    valid = {
        "images": [{"id": 1, "file_name": "a.tif"}],
        "annotations": [
            {"image_id": 1, "bbox": [1, 2, 3, 4]},
            {"image_id": 1, "segmentation": polygon},
        ],
    }
    return changed_json(valid).map(lambda value: json.dumps(value).encode()) | st.just(b"DEEP")


def geojson_files(tmp: Path) -> st.SearchStrategy[bytes]:
    ring = [[1, 1], [9, 1], [9, 9], [1, 1]]
    shapes = {"Polygon": [ring], "MultiPolygon": [[ring]], "Point": [3, 4], "LineString": ring}
    features = [
        {
            "type": "Feature",
            "geometry": {"type": kind, "coordinates": at, "plane": {"z": 1, "t": 0}},
        }
        for kind, at in shapes.items()
    ]
    valid = {"type": "FeatureCollection", "features": features}
    return changed_json(valid).map(lambda value: json.dumps(value).encode())


def yolo_files(tmp: Path) -> st.SearchStrategy[bytes]:
    row = st.lists(CELLS | st.sampled_from(["0.1", "0.5", "0"]), max_size=8).map(" ".join)
    text = st.lists(row, max_size=4).map("\n".join).map(str.encode)
    return text | bytes_like(b"0 0.1 0.2 0.3 0.4\n1 0.1 0.1 0.9 0.1 0.5 0.9\n")


def record_files(tmp: Path) -> st.SearchStrategy[bytes]:
    write_record(tmp / "valid.json", some_record())
    valid = json.loads((tmp / "valid.json").read_text())
    keys = {"format": valid.pop("format"), "version": valid.pop("version")}
    written = changed_json(valid).map(
        lambda r: json.dumps({**r, **keys} if isinstance(r, dict) else r)
    )
    whole = json.dumps({**valid, **keys}).encode()
    return written.map(str.encode) | bytes_like(whole) | st.just(b"DEEP")


def old_record_files(tmp: Path) -> st.SearchStrategy[bytes]:
    valid = json.loads(OLD_RECORD.read_text("utf-8"))
    return changed_json(valid["record"]).map(
        lambda record: json.dumps({**valid, "record": record}).encode()
    )


def setting_files(tmp: Path) -> st.SearchStrategy[bytes]:
    text = changed_json({"live": True, "model": "nano"}).map(json.dumps) | st.just("DEEP")
    return text.map(str.encode) | bytes_like(b'{"live": true}')


def some_film() -> VideoState:
    return VideoState(open_frames(np.zeros((3, 8, 10), np.uint8)), "nano", torch.device("cpu"))


def film_state(path: Path) -> object:
    state = some_film()
    read_state_of_film(state, path)
    return state


def film_state_files(tmp: Path) -> st.SearchStrategy[bytes]:
    state = some_film()
    item = state.objects.setdefault(4, TrackedObject())
    item.prompts[0] = PointPrompts(np.zeros((1, 2), np.float32), np.ones(1, np.int64))
    item.prompts[1] = np.ones((8, 10), bool)
    memory = Memory(torch.zeros(4), torch.zeros(3, 2, dtype=torch.bfloat16), 1.0)
    item.keep(0, Answer(torch.zeros(2, 2), 0.9, 1.0, True), memory, conditioning=True)
    write_state(state, tmp / "valid.state")
    whole = (tmp / "valid.state").read_bytes()
    film_state(tmp / "valid.state")  # or nothing below it is tried
    with safe_open(tmp / "valid.state", framework="pt") as file:
        described = json.loads(file.metadata()["state"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    lost = st.sampled_from([*tensors, None])
    changed = st.builds(
        lambda value, gone: save(
            {n: t for n, t in tensors.items() if n != gone}, {"state": json.dumps(value)}
        ),
        changed_json(described),
        lost,
    )
    return changed | bytes_like(whole)


def frames_of_folder(path: Path) -> object:
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    path.replace(folder / "10.png")
    Image.new("L", (14, 12)).save(folder / "9.png")
    frames = open_frames(folder)
    return [frames.read(number) for number in range(len(frames))]


USUAL = (ValueError, OSError)
READERS = {
    "boxes.csv": (boxes, table_files, USUAL),
    "points.csv": (points, point_files, USUAL),
    "kind.csv": (table_kind, point_files, USUAL),
    "saved-points.csv": (points, saved_points, USUAL),
    "saved-shapes.csv": (boxes, saved_shapes, USUAL),
    "excel.csv": (boxes, excel_files, USUAL),
    "coco.json": (boxes, coco_files, USUAL),
    "qupath.geojson": (boxes, geojson_files, USUAL),
    "yolo.txt": (boxes, yolo_files, USUAL),
    "prompts.json": (read_record, record_files, USUAL),
    "old-prompts.json": (read_record, old_record_files, USUAL),
    "film.state": (film_state, film_state_files, USUAL),
    "frames.png": (frames_of_folder, lambda tmp: pictures("png"), USUAL),
    "settings.json": (remembered, setting_files, ()),
    "weights.pt": (read_state, lambda tmp: weights(), (CheckpointError,)),
    "weights.safetensors": (read_state, lambda tmp: weights(), (CheckpointError,)),
    "picture.png": (read_picture, lambda tmp: pictures("png"), USUAL),
    "picture.jpg": (read_picture, lambda tmp: pictures("jpg"), USUAL),
    # It may say that it is larger than the memory.
    "picture.tif": (read_picture, lambda tmp: pictures("tif"), (*USUAL, MemoryError)),
}


def feed(readers: Readers, name: str, tmp_path: Path, examples: int) -> None:
    """Give a reader so many files, of names that a file can have."""
    reader, files, errors = readers[name]

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(files(tmp_path))
    def check(content: bytes) -> None:
        path = tmp_path / name.replace("/", "_").replace(": ", "-")
        for word, meant in LONG.items():
            content = content.replace(word, meant)
        path.write_bytes(content)
        refuses(reader, path, errors)

    check()


def feed_for(readers: Readers, name: str, tmp_path: Path, minutes: float) -> None:
    """Give a reader ever new files for so long; print how many."""
    end, given_files = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        folder = tmp_path / str(given_files)
        folder.mkdir()
        feed(readers, name, folder, CHUNK)
        shutil.rmtree(folder)
        given_files += CHUNK
    sys.stdout.write(f"{name}: {given_files} files\n")


@pytest.mark.parametrize("name", READERS)
def test_any_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    feed(READERS, name, tmp_path, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_files_are_read_or_refused(name: str, tmp_path: Path, minutes: float) -> None:
    feed_for(READERS, name, tmp_path, minutes)
