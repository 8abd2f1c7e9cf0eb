"""What detectors and other programs write: COCO, YOLO, GeoJSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tests.io.file_kinds.common import Desk, row
from tifffile import imread, imwrite

from napari_samv2_prompts.io.exports import LabelledImage, write_coco
from napari_samv2_prompts.io.geojson import write_geojson
from napari_samv2_prompts.io.pixel_size import FileWarning
from napari_samv2_prompts.io.prompt_files import gather_prompts, read_prompts
from napari_samv2_prompts.prompts import PromptBatch

OTHERS = "Boxes and polygons from other programs"
SIZE = (200, 400)
DIAMOND = [[50.0, 20.0], [80.0, 50.0], [50.0, 80.0], [20.0, 50.0]]
FLAT = [value for pair in DIAMOND for value in pair]
BOX, OTHER = (10, 20, 30, 60), (300, 100, 350, 120)


def read(desk: Desk, name: str, content: Any, image: str = "a.tif") -> PromptBatch:
    path = desk.write(name, content if isinstance(content, str) else json.dumps(content))
    return read_prompts(SIZE, path, image=image)


def is_diamond(prompt: Any) -> bool:
    """Tell whether a prompt is the diamond: its box, and a mask of half of it."""
    assert prompt.box == prompt.mask_box == (19.5, 19.5, 79.5, 79.5)
    return bool(abs((prompt.mask > 0).mean() - 0.5) < 0.01)


def coco(**annotation: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "a.tif"}, {"id": 8, "file_name": "sub/b.tif"}],
        "annotations": [
            {"id": 1, "image_id": 8, "bbox": [1, 2, 3, 4]},
            {"id": 2, "image_id": 7, "bbox": [10, 20, 20, 40]},
            {"id": 3, "image_id": 7, **annotation},
        ],
    }


@row(OTHERS, "outlines of COCO, YOLO and GeoJSON",
     "counted from the edge of the image, half a pixel before the centre of its first pixel; boxes "
     "and places are taken as they stand")  # fmt: skip
def _(desk: Desk) -> None:
    whole = [[0, 0], [400, 0], [400, 200], [0, 200]]
    flat = [value for pair in whole for value in pair]
    shares = " ".join(f"{x / 400:g} {y / 200:g}" for x, y in whole)
    cut = feature("Polygon", [[*whole, whole[0]], [[9, 9], [12, 9], [9, 12], [9, 9]]])
    for name, content in (
        ("a.json", coco(segmentation=[flat])), ("a.txt", f"0 {shares}"), ("a.geojson", [cut]),
    ):  # fmt: skip
        assert read(desk, name, content)[-1].mask_box == (-0.5, -0.5, 399.5, 199.5)
    assert read(desk, "a.json", coco(bbox=[0, 0, 40, 20]))[1].box == (0, 0, 40, 20)
    assert read(desk, "a.geojson", [feature("Point", [5, 6])])[0].points.tolist() == [[5, 6]]


@row(OTHERS, "COCO: a data set", "the boxes and polygons of the image by its file name")
def _(desk: Desk) -> None:
    first, second = read(desk, "coco.json", coco(segmentation=[FLAT], bbox=[1, 1, 2, 2]))
    assert (first.object, first.box, second.object) == (1, BOX, 2)
    assert first.mask is None
    assert is_diamond(second)
    assert read(desk, "coco.json", coco(bbox=[1, 1, 2, 2]), "b.tif")[0].box == (1, 2, 4, 6)
    runs = coco(segmentation={"size": [200, 400], "counts": "x"}, bbox=[5, 6, 7, 8])
    assert read(desk, "coco.json", runs)[1].box == (5, 6, 12, 14)
    with pytest.raises(ValueError, match=r"coco\.json lists 2 images, but not c\.tif"):
        read(desk, "coco.json", coco(bbox=[1, 1, 2, 2]), "c.tif")


@row(OTHERS, "COCO: a data set of one image with another name", "taken, with a warning")
def _(desk: Desk) -> None:
    one = {"images": [{"id": 1, "file_name": "b.tif"}], "annotations": [
        {"image_id": 1, "bbox": [10, 20, 20, 40]},
    ]}  # fmt: skip
    with pytest.warns(FileWarning, match=r"coco\.json is of b\.tif, and not of a\.tif: taken as"):
        assert read(desk, "coco.json", one)[0].box == BOX


@row(OTHERS, "COCO: a list of results, as detectors write", "the boxes, if it is of one image")
def _(desk: Desk) -> None:
    found = [{"image_id": 3, "category_id": 1, "bbox": [10, 20, 20, 40], "score": 0.9}]
    assert read(desk, "results.json", found)[0].box == BOX
    assert len(read(desk, "results.json", [])) == 0
    assert len(read(desk, "results.json", {"annotations": found, "images": 1})) == 1
    with pytest.raises(ValueError, match="lists 2 images"):
        read(desk, "results.json", [*found, {**found[0], "image_id": 4}])


@row(OTHERS, "COCO that this program wrote", "each object with the number of its label")
def _(desk: Desk) -> None:
    labels = np.zeros(SIZE, np.uint16)
    labels[20:60, 10:30], labels[100:120, 300:350] = 9, 4
    for polygons in (False, True):
        path = desk.path("coco.json")
        write_coco(path, [LabelledImage("a.tif", labels)], polygons=polygons)
        found = {p.object: p.box for p in read_prompts(SIZE, path, image="a.tif")}
        edge = -0.5 if polygons else 0  # from which outlines are counted
        assert found == {4: tuple(at + edge for at in OTHER), 9: tuple(at + edge for at in BOX)}


@row(OTHERS, "one COCO file for a folder (`--boxes FILE.json`)", "each picture that it lists")
def _(desk: Desk) -> None:
    for name in ("a.tif", "b.tif", "c.tif"):
        imwrite(desk.path(name), np.zeros(SIZE, np.uint8))
    path = desk.write("all.json", json.dumps(coco(bbox=[100, 50, 40, 40])))
    status, told = desk.segment(desk.folder, "--boxes", path, "-o", desk.path("out"))
    assert (status, "c.tif is left out: all.json does not list it" in told) == (1, True)
    a, b = (imread(desk.path("out") / f"{stem}.labels.tif") for stem in "ab")
    assert (a[20:60, 10:30] == 1).all()
    assert (a[50:90, 100:140] == 2).all()
    assert np.count_nonzero(a) == 20 * 40 + 40 * 40
    assert np.count_nonzero(b) == 12


@row(OTHERS, "YOLO text: boxes, boxes with a score, outlines, `#` lines; an empty file",
     "in their order; an empty one is a picture without objects")  # fmt: skip
def _(desk: Desk) -> None:
    shares = " ".join(
        str(value / scale) for x, y in DIAMOND for value, scale in ((x, 400), (y, 200))
    )
    found = read(desk, "a.txt", f"0 0.05 0.2 0.05 0.2\n\n3 0.3 0.35 0.1 0.2 0.87\n1 {shares}\n")
    assert found.objects == (1, 2, 3)
    np.testing.assert_allclose(found[0].box, BOX)
    np.testing.assert_allclose(found[1].box, (100, 50, 140, 90))
    np.testing.assert_allclose(found[2].box, (19.5, 19.5, 79.5, 79.5))
    assert abs((found[2].mask > 0).mean() - 0.5) < 0.01
    assert len(read(desk, "a.txt", "")) == 0
    assert len(read(desk, "a.txt", "# no object here\n")) == 0
    commented = "# class x y w h\n0 0.05 0.2 0.05 0.2\n"
    np.testing.assert_allclose(read(desk, "a.txt", commented)[0].box, BOX)
    for between in (" ", "\t"):  # as numpy writes tables
        table = "#object x0 y0 x1 y1\n5 1.0e+01 2.0e+01 30 60\n".replace(" ", between)
        assert read(desk, "a.txt", table)[0].box == (10, 20, 30, 60)
    for text, words in {
        "0 0.1 0.2 0.3": "line 1: behind the class there must be 4 or 5 numbers, or pairs, not 3",
        "0 10 20 30 60": "line 1: shares of the image are expected",
        "0 0.1 0.2 0.3 0.4\n0 a b c d": "line 2: a class and numbers are expected",
    }.items():
        with pytest.raises(ValueError, match=rf"a\.txt, {words}"):
            read(desk, "a.txt", text)


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


SQUARE = [[10, 20], [30, 20], [30, 60], [10, 60], [10, 20]]


@row(OTHERS, "GeoJSON, as QuPath writes it: rectangles, polygons, points, lines",
     "boxes, outlines, clicks, scribbles, in their order or by a property `object` or `label`",
     )  # fmt: skip
def _(desk: Desk) -> None:
    closed = [*DIAMOND, DIAMOND[0]]
    hole = [[49, 49], [50, 49], [50, 50], [49, 49]]
    features = [
        feature("Polygon", [SQUARE]), feature("Polygon", [closed, hole]),
        feature("MultiPolygon", [[SQUARE], [[[x + 100, y] for x, y in SQUARE]]]),
        feature("Point", [200, 100]), feature("MultiPoint", [[5, 6], [7, 8]]),
        feature("LineString", [[0, 0], [100, 100]]),
    ]  # fmt: skip
    for content in ({"type": "FeatureCollection", "features": features}, features):
        found = read(desk, "a.geojson", content)
        assert found.objects == (1, 2, 3, 4, 5, 6)
        assert found[0].box == BOX
        assert found[0].mask is None
        assert is_diamond(found[1])
        assert found[2].box == (10, 20, 130, 60)
        assert found[3].points.tolist() == [[200, 100]]
        assert len(found[4].points) == 2
        assert found[5].box is None
        assert len(found[5].points) > 1
    named = [feature("Polygon", [SQUARE], object=8), feature("Point", [9, 9], object=8)]
    (both,) = read(desk, "a.geojson", named)
    assert (both.object, both.box, len(both.points)) == (8, BOX, 1)


@row(OTHERS, "GeoJSON that this program wrote", "each object with the number of its label")
def _(desk: Desk) -> None:
    labels = np.zeros(SIZE, np.uint16)
    labels[20:60, 10:30], labels[100:120, 300:350] = 9, 4
    write_geojson(desk.path("a.geojson"), labels)
    found = {p.object: p.box for p in read_prompts(SIZE, desk.path("a.geojson"))}
    assert found == {4: tuple(at - 0.5 for at in OTHER), 9: tuple(at - 0.5 for at in BOX)}


@row(OTHERS, "COCO and GeoJSON with the outlines of masks",
     "the same pixels, as masks to be refined; holes too where there are any")  # fmt: skip
def _(desk: Desk) -> None:
    labels = np.zeros((64, 64), np.uint16)
    rows, columns = np.mgrid[:64, :64]
    away = np.hypot(rows - 31.5, columns - 31.5)
    labels[away < 30], labels[away < 15], labels[away < 6] = 5, 0, 5
    write_geojson(desk.path("a.geojson"), labels)
    write_coco(desk.path("a.json"), [LabelledImage("a.tif", labels)], polygons=True)
    for name, filled in {"a.geojson": labels > 0, "a.json": away < 30}.items():
        (prompt,) = read_prompts((64, 64), desk.path(name))
        assert prompt.mask_box == (1.5, 1.5, 61.5, 61.5)
        # The middle of each pixel, in the cells of the mask.
        at = ((np.arange(2, 62) - 1.5) / 60 * len(prompt.mask)).astype(int)
        np.testing.assert_array_equal(prompt.mask[np.ix_(at, at)] > 0, filled[2:62, 2:62])


@row(OTHERS, "GeoJSON with planes", "each plane's; with an image of one plane refused")
def _(desk: Desk) -> None:
    features = [feature("Polygon", [SQUARE]), feature("Polygon", [SQUARE])]
    features[1]["geometry"]["plane"] = {"c": -1, "z": 3, "t": 0}
    path = desk.write("a.json", json.dumps(features))
    assert set(gather_prompts(SIZE, path).planes) == {(), (3,)}
    with pytest.raises(ValueError, match="--through"):
        read_prompts(SIZE, path)


@row(OTHERS, "boxes and shapes outside the image, of no size, or of kinds that mean no prompt",
     "left out, and counted in a warning")  # fmt: skip
def _(desk: Desk) -> None:
    features = [
        feature("Polygon", [SQUARE]), feature("Polygon", [[[x + 900, y] for x, y in SQUARE]]),
        feature("Point", [500, 5]), feature("LineString", [[5, 5], [5, 5]]),
        feature("GeometryCollection", []), {"type": "Feature", "geometry": None},
    ]  # fmt: skip
    imwrite(desk.path("a.tif"), np.zeros(SIZE, np.uint8))
    path = desk.write("a.geojson", json.dumps(features))
    status, told = desk.segment(desk.path("a.tif"), "--boxes", path, "-o", desk.path("o.tif"))
    assert (status, "1 object in" in told) == (0, True)
    for words in ("2 prompts outside the image", "1 shape too small", "2 shapes of a kind"):
        assert told.count(words) == 1


@row(OTHERS, "`cells.geojson`, `cells.json` or `cells.txt` beside `cells.tif` in a folder", "used")
def _(desk: Desk) -> None:
    for name in ("a", "b", "c"):
        imwrite(desk.path(f"{name}.tif"), np.zeros((32, 64), np.uint8))
    desk.write("a.geojson", json.dumps([feature("Polygon", [[[1, 2], [9, 2], [9, 8], [1, 8]]])]))
    desk.write("b.json", json.dumps([{"image_id": 1, "bbox": [1, 2, 8, 6]}]))
    desk.write("c.txt", "0 0.078125 0.15625 0.125 0.1875")
    assert desk.segment(desk.folder, "-o", desk.path("out"))[0] == 0
    for name in "abc":
        labels = imread(desk.path("out") / f"{name}.labels.tif")
        assert (labels[2:8, 1:9] == 1).all(), name
        assert np.count_nonzero(labels) == 48


@row(OTHERS, "damaged or other JSON", "refused with the place and what was seen")
def _(desk: Desk) -> None:
    cases = {
        "{": r"a\.json is not readable JSON",
        "[" * 100_000: r"a\.json is not readable JSON \(nested too deep\)",
        "{}": "neither COCO nor GeoJSON",
        json.dumps(coco(bbox=[1, 2, "x", 4])): "annotation 2: bbox must be 4 numbers, not",
        json.dumps(coco(bbox=[1, 2, float("nan"), 4])): "annotation 2: bbox must be 4 numbers",
        json.dumps(coco()): "annotation 2: it has neither a polygon nor a bbox",
        json.dumps(coco(segmentation=[[1, 2, 3]])): "annotation 2: a polygon has 3 numbers",
        json.dumps({"type": "FeatureCollection", "features": True}): "no list of features",
        json.dumps([feature("Polygon", [])]): "feature 1: its coordinates are empty",
        json.dumps([feature("Polygon", [[[1, 2], [3, 4]]])]): "feature 1: it has 2 vertices",
        json.dumps([feature("Point", ["a", 2])]): "feature 1: a vertex must be 2 or 3 numbers",
    }
    for content, words in cases.items():
        with pytest.raises(ValueError, match=words):
            read(desk, "a.json", content)
