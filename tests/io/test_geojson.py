"""Labels as GeoJSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.draw import polygon2mask

from napari_samv2_prompts.io.exports import LabelledImage, write_coco
from napari_samv2_prompts.io.geojson import write_geojson


def filled(geometry: dict, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels inside a geometry, by an independent filling of its rings."""
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [
        geometry["coordinates"]
    ]  # fmt: skip
    mask = np.zeros(shape, bool)
    for outer, *holes in parts:
        assert outer[0] == outer[-1]
        inside = polygon2mask(shape, np.array(outer)[:, ::-1] - 0.5)
        for hole in holes:
            inside &= ~polygon2mask(shape, np.array(hole)[:, ::-1] - 0.5)
        mask |= inside
    return mask


@settings(max_examples=40)
@given(data=arrays(np.uint16, (9, 11), elements=st.sampled_from([0, 0, 1, 3])))
def test_the_outlines_enclose_the_pixels_of_each_label(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("geojson") / "labels.geojson"
    write_geojson(path, data, {3: "nucleus"})
    features = json.loads(path.read_text())["features"]
    assert {f["properties"]["label"] for f in features} == set(np.unique(data).tolist()) - {0}
    for feature in features:
        number = feature["properties"]["label"]
        # Outlines cut the corners of single pixels: all centres are on the right side.
        np.testing.assert_array_equal(filled(feature["geometry"], data.shape), data == number)
        kind = feature["properties"].get("classification", {}).get("name")
        assert kind == ("nucleus" if number == 3 else None)


def test_more_than_a_plane_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one plane"):
        write_geojson(tmp_path / "a.geojson", np.zeros((2, 3, 4), np.uint8))
    assert not list(tmp_path.iterdir())


def test_classes_become_categories_of_a_coco_file(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(1, 5, dtype=np.uint8), 3)[None].repeat(3, axis=0)
    images = [
        LabelledImage("a.tif", labels, classes={1: "cell", 2: "nucleus", 3: ""}),
        LabelledImage("b.tif", labels, classes={4: "cell"}),
    ]
    write_coco(tmp_path / "all.json", images, polygons=True)
    content = json.loads((tmp_path / "all.json").read_text())
    names = {row["id"]: row["name"] for row in content["categories"]}
    found = [names[row["category_id"]] for row in content["annotations"]]
    assert found == ["cell", "nucleus", "object", "object", "object", "object", "object", "cell"]
