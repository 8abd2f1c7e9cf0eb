"""Folders of pictures, whatever is in them."""

from __future__ import annotations

import json

import numpy as np
from tests.io.file_kinds.common import GREY, RGB, Desk, row
from tests.stand_in import BoxPredictor
from tifffile import imread, imwrite

FOLDERS = "Folders and pictures without objects"
ONE = "object,x0,y0,x1,y1\n1,2,3,12,9\n"


@row(FOLDERS, "a table with only its first line",
     "labels of zeros; the picture is in the COCO list")  # fmt: skip
def _(desk: Desk) -> None:
    for name in ("empty", "full"):
        imwrite(desk.path(f"{name}.tif"), GREY)
    desk.write("empty.csv", "object,x0,y0,x1,y1\n")
    desk.write("full.csv", ONE)
    status, _ = desk.segment(desk.folder, "-o", desk.path("out"), "--coco", desk.path("all.json"))
    assert status == 0
    labels = imread(desk.path("out") / "empty.labels.tif")
    assert labels.shape == GREY.shape
    assert not labels.any()
    coco = json.loads(desk.path("all.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["empty.tif", "full.tif"]
    assert [found["image_id"] for found in coco["annotations"]] == [2]
    for option, head in (("--boxes", "object,x0,y0,x1,y1"), ("--points", "object,x,y,polarity")):
        nothing = desk.write("nothing.csv", f"{head}\n")
        out = desk.path("one.tif")
        BoxPredictor.made.clear()
        assert desk.segment(desk.path("empty.tif"), option, nothing, "-o", out)[0] == 0
        assert not imread(out).any()
        assert not BoxPredictor.made, "no model is needed for it"


@row(FOLDERS, "damaged pictures, metadata and tables among good ones; a failure of any kind",
     "named and left out; only Ctrl+C ends a run")  # fmt: skip
def _(desk: Desk) -> None:
    for name in "abcd":
        imwrite(desk.path(f"{name}.tif"), RGB if name == "c" else GREY)
        desk.write(f"{name}.csv", ONE)
    desk.write("a.tif", b"II*\0junk")
    desk.write("b.csv", "object,x0,y0,x1,y1\n1,2,three,12,9\n")
    broken = BoxPredictor.embed

    def embed(self: BoxPredictor, image: np.ndarray) -> object:
        if image.ndim == 3:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return broken(self, image)

    desk.monkeypatch.setattr(BoxPredictor, "embed", embed)
    status, told = desk.segment(desk.folder, "-o", desk.path("out"))
    assert status == 1
    assert "1 segmented, 0 done before, 3 left out" in told
    for words in ("a.tif", "b.csv, line 2: y0 is 'three'", "c.tif: RuntimeError: CUDA error"):
        assert words in told
    assert [path.name for path in desk.path("out").iterdir()] == ["d.labels.tif"]

    def interrupted(self: BoxPredictor, image: np.ndarray) -> object:
        raise KeyboardInterrupt

    desk.monkeypatch.setattr(BoxPredictor, "embed", interrupted)
    assert desk.segment(desk.folder, "-o", desk.path("again"))[0] == 130


@row(FOLDERS, "COCO asked for without pycocotools", "said before anything is computed")
def _(desk: Desk) -> None:
    import sys

    imwrite(desk.path("a.tif"), GREY)
    desk.write("a.csv", ONE)
    desk.monkeypatch.setitem(sys.modules, "pycocotools", None)
    status, told = desk.segment(desk.folder, "--coco", desk.path("all.json"))
    assert status == 1
    assert 'pip install "napari-samv2-prompts[coco]"' in told
    assert not BoxPredictor.made
