"""Results and OME-Zarr images from anywhere: read or refused in a sentence, as in the other module.

What the program wrote may have been changed by another since: tracks, candidates, tables of
objects, labels; so may any folder that calls itself an OME-Zarr image.
"""

from __future__ import annotations

import io
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import strategies as st
from tests.ngff import image as write_image
from tests.ngff import plate as write_plate
from tests.test_hostile_files import (
    JSON,
    Reader,
    bytes_like,
    changed_json,
    feed,
    feed_for,
    refuses,
    tables,
)

from napari_samv2_prompts.candidates import Candidate
from napari_samv2_prompts.io.exports import read_key, read_scores, write_labels
from napari_samv2_prompts.io.found_files import (
    found_key,
    read_candidates,
    write_candidates,
)
from napari_samv2_prompts.io.lineage_files import (
    read_ctc,
    read_geff,
    read_lineage_table,
    write_ctc,
    write_geff,
)
from napari_samv2_prompts.io.ome_zarr import find_images
from napari_samv2_prompts.io.ome_zarr_labels import labels_standing
from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.pixel_size import FileWarning, read_pixel_size
from napari_samv2_prompts.io.prompt_files import gather_prompts
from napari_samv2_prompts.io.slides import slide_of
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import Lineage

Files = st.SearchStrategy[bytes]
USUAL = (ValueError, OSError)
MUCH = 10_000_000
"""Pixels of an image that nobody would read whole."""

FILM = np.zeros((3, 12, 14), np.int32)
FILM[:2, 2:6, 2:6] = 7
FILM[2, 2:6, 0:3] = 8
PICTURE = np.arange(2 * 12 * 14, dtype=np.uint16).reshape(2, 12, 14)


def stack_prompts(path: Path) -> object:
    prompts = gather_prompts((40, 50), boxes=path, depth=6)
    assert all(note.endswith(".") for note in prompts.all_notes)
    return prompts.by_plane()


def candidates(path: Path) -> object:
    key = found_key(path)  # never fails
    assert key is None or isinstance(key, str)
    return read_candidates(path)


def labels(path: Path) -> object:
    assert read_key(path) is None or isinstance(read_key(path), str)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        size = read_pixel_size(path)
    assert all(str(one.message).endswith(".") for one in said if one.category is FileWarning)
    return size


# --- what the files hold ---


def stack_tables(tmp: Path) -> Files:
    return tables("object,plane,x0,y0,x1,y1")


def track_tables(tmp: Path) -> Files:
    return tables("object,first,last,parent") | bytes_like(
        b"object,first,last,parent\n7,0,1,0\n8,2,2,7\n"
    )


def object_tables(tmp: Path) -> Files:
    return tables("object,score,area,x,y") | bytes_like(b"object,score,area,x,y\n7,0.5,9,1.5,2\n")


def challenge_tables(tmp: Path) -> Files:
    numbers = st.lists(st.integers(-9, 99999).map(str), max_size=6).map(" ".join)
    text = st.lists(numbers, max_size=4).map("\n".join).map(str.encode)
    return text | bytes_like(b"7 0 1 0\n8 2 2 7\n")


def tiffs(tmp: Path) -> Files:
    out = io.BytesIO()
    tifffile.imwrite(out, FILM[0].astype(np.uint16), compression="zlib")
    return bytes_like(out.getvalue())


def label_files(tmp: Path) -> Files:
    write_labels(tmp / "valid.ome.tif", FILM[0], key="a key")
    return bytes_like((tmp / "valid.ome.tif").read_bytes())


def candidate_files(tmp: Path) -> Files:
    item = Candidate(MaskCrop(1, 2, np.ones((3, 4), bool)), (2.0, 3.0), 0.9, 0.8, 12)
    write_candidates(tmp / "valid.npz", [item, item], "a key")
    with np.load(tmp / "valid.npz") as file:
        arrays = dict(file)
    numbers = st.integers(-(2**40), 2**40) | st.integers(-9, 9)

    def with_boxes(name: str, values: list[int]) -> bytes:
        out = io.BytesIO()
        changed = arrays[name].astype(np.int64).ravel()
        changed[: len(values)] = values[: len(changed)]
        np.savez(out, **{**arrays, name: changed.reshape(arrays[name].shape)})
        return out.getvalue()

    def without(name: str) -> bytes:
        out = io.BytesIO()
        np.savez(out, **{key: value for key, value in arrays.items() if key != name})
        return out.getvalue()

    return (
        bytes_like((tmp / "valid.npz").read_bytes())
        | st.builds(
            with_boxes, st.sampled_from(["boxes", "lengths"]), st.lists(numbers, max_size=8)
        )
        | st.sampled_from(sorted(arrays)).map(without)
    )


# --- folders in which one file is another ---


def in_folder(make: Callable[[Path], object], name: str, read: Reader) -> Reader:
    """Return a reader of a folder like `make` makes it, but for the file `name`."""

    def reader(path: Path) -> object:
        valid, folder = path.with_name("valid"), path.with_name("changed")
        if not valid.exists():
            make(valid)
            read(valid)  # or nothing below it is tried
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(valid, folder)
        (folder / name).write_bytes(path.read_bytes())
        return read(folder)

    return reader


def challenge(folder: Path) -> None:
    write_ctc(folder, FILM, {8: 7})


def graph(folder: Path) -> None:
    write_geff(folder, Lineage.of(FILM, {8: 7}))


def picture_0_5(folder: Path) -> None:
    write_image(folder, PICTURE, "cyx", "0.5", ("dna", "actin"))


def picture_0_4(folder: Path) -> None:
    write_image(folder, PICTURE, "cyx", "0.4", ("dna", "actin"))


def a_plate(folder: Path) -> None:
    write_plate(folder, {"A/1/0": PICTURE, "B/2/0": PICTURE}, "0.5")


def opened(folder: Path) -> object:
    """Read an image in all ways in which an OME-Zarr image is read, the labels beside it too."""
    folder = folder.rename(folder.with_suffix(".zarr")) if folder.name == "changed" else folder
    try:
        assert labels_standing(folder, "labels", "key") == "absent"
        refuses(find_images, folder, USUAL)
        refuses(lambda path: slide_of(path, "dna"), folder, USUAL)
        data = open_image(folder).data
        return None if data.size > MUCH else np.asarray(data).sum()
    finally:
        if folder.suffix == ".zarr":
            shutil.rmtree(folder)


def part_of(make: Callable[[Path], object], name: str) -> Callable[[Path], Files]:
    """Return what a file of such a folder may be: JSON with another value, or other bytes."""

    def contents(tmp: Path) -> Files:
        make(tmp / "made")
        whole = (tmp / "made" / name).read_bytes()
        if name.rpartition("/")[2] not in ("zarr.json", ".zattrs", ".zarray", ".zgroup"):
            return bytes_like(whole)
        changed = changed_json(json.loads(whole)) | JSON
        return changed.map(lambda value: json.dumps(value).encode()) | bytes_like(whole)

    return contents


def parts(make: Callable[[Path], object], read: Reader, *names: str) -> dict[str, tuple]:
    """Return a row of the table below for each file of a folder."""
    kind = make.__name__
    return {f"{kind}: {n}": (in_folder(make, n, read), part_of(make, n), USUAL) for n in names}


READERS = {
    "stack.csv": (stack_prompts, stack_tables, USUAL),
    "tracks.csv": (read_lineage_table, track_tables, USUAL),
    "objects.csv": (read_scores, object_tables, USUAL),
    "labels.ome.tif": (labels, label_files, USUAL),
    "candidates.npz": (candidates, candidate_files, USUAL),
    "res_track.txt": (in_folder(challenge, "res_track.txt", read_ctc), challenge_tables, USUAL),
    "mask001.tif": (in_folder(challenge, "mask001.tif", read_ctc), tiffs, USUAL),
    **parts(graph, read_geff, ".zattrs", "nodes/ids/.zarray", "edges/ids/0.0"),
    **parts(picture_0_5, opened, "zarr.json", "s0/zarr.json", "s0/c/0/0/0"),
    **parts(picture_0_4, opened, ".zattrs", "s0/.zarray", ".zgroup"),
    **parts(a_plate, opened, "zarr.json", "A/1/zarr.json"),
}


@pytest.mark.parametrize("name", READERS)
def test_any_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    feed(READERS, name, tmp_path, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_files_are_read_or_refused(name: str, tmp_path: Path, minutes: float) -> None:
    feed_for(READERS, name, tmp_path, minutes)
