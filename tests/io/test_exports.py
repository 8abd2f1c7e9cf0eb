"""What other programs read of our label files, with their own readers."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from skimage.draw import polygon2mask

from napari_samv2_prompts.io.exports import (
    LabelledImage,
    PixelSize,
    read_pixel_size,
    write_coco,
    write_labels,
)
from napari_samv2_prompts.io.pixel_size import FileWarning, pixel_size_of_layer

# of the reader, which is not of this year
READER = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIZE = PixelSize(0.65, 0.325)


def sample() -> np.ndarray:
    labels = np.zeros((40, 60), np.uint16)
    rows, columns = np.ogrid[:40, :60]
    labels[(rows - 15) ** 2 + (columns - 20) ** 2 < 90] = 3
    labels[25:38, 30:55] = 700
    labels[29:33, 38:45] = 0  # a hole
    labels[2:4, 50:53] = 9
    return labels


@pytest.mark.parametrize("name", ["labels.tif", "labels.ome.tif"])
def test_labels_and_pixel_size_come_back(tmp_path, name: str) -> None:
    write_labels(tmp_path / name, sample(), pixel_size=SIZE)
    back = tifffile.imread(tmp_path / name)
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, sample())
    read = read_pixel_size(tmp_path / name)
    assert (read.y, read.x) == pytest.approx((SIZE.y, SIZE.x), rel=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_ome_tiff_says_axes_and_units_to_ome_readers(tmp_path) -> None:
    stack = np.arange(2 * 5 * 6, dtype=np.uint32).reshape(2, 5, 6)
    write_labels(tmp_path / "stack.ome.tif", stack, pixel_size=SIZE)
    with tifffile.TiffFile(tmp_path / "stack.ome.tif") as file:
        assert file.is_ome
        assert file.series[0].axes == "ZYX"
        assert 'PhysicalSizeX="0.325" PhysicalSizeXUnit="µm"' in file.ome_metadata
        np.testing.assert_array_equal(file.asarray(), stack)


@pytest.mark.parametrize("planes", [3, 4])
@pytest.mark.parametrize("name", ["stack.tif", "stack.ome.tif"])
def test_a_few_planes_are_no_colours(tmp_path, planes: int, name: str) -> None:
    stack = np.arange(planes * 5 * 6, dtype=np.uint16).reshape(planes, 5, 6)
    write_labels(tmp_path / name, stack)
    with tifffile.TiffFile(tmp_path / name) as file:
        assert len(file.pages) == planes
        assert file.pages[0].photometric.name == "MINISBLACK"
        assert file.series[0].axes == "ZYX"
        np.testing.assert_array_equal(file.asarray(), stack)


def test_the_pixel_size_of_imagej_and_of_nothing(tmp_path) -> None:
    path = tmp_path / "imagej.tif"
    image = np.zeros((4, 5), np.uint8)
    tifffile.imwrite(path, image, imagej=True, resolution=(2, 4), metadata={"unit": "um"})
    read = read_pixel_size(path)
    assert (read.y, read.x) == pytest.approx((0.25, 0.5))
    tifffile.imwrite(path, image)
    assert read_pixel_size(path) is None
    tifffile.imwrite(path, image, resolution=(72, 72), resolutionunit="INCH")
    assert read_pixel_size(path) is None
    assert read_pixel_size(tmp_path / "photo.png") is None


def test_the_depth_is_told_by_ome_imagej_and_layers(tmp_path) -> None:
    path = tmp_path / "stack.tif"
    stack = np.zeros((3, 4, 5), np.uint8)
    tifffile.imwrite(
        path, stack, imagej=True, resolution=(2, 4),
        metadata={"axes": "ZYX", "unit": "um", "spacing": 1.5},
    )  # fmt: skip
    assert read_pixel_size(path) == PixelSize(0.25, 0.5, 1.5)
    for depth, expected in ((1.5, 1.5), (0, None), (-1, None), ("nan", None), ("deep", None)):
        told = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
        path = tmp_path / "stack.ome.tif"
        tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "ZYX", **told})
        told = f'PhysicalSizeZ="{depth}" PhysicalSizeX'
        xml = tifffile.tiffcomment(path).replace("PhysicalSizeX", told, 1)
        tifffile.tiffcomment(path, xml)
        assert read_pixel_size(path) == PixelSize(0.25, 0.5, expected)
    micron, second = "micrometer", "second"
    for scale, units, expected in (
        ([9, 2, 0.5, 0.25], [second, micron, micron, micron], 2),
        ([9, 0.5, 0.25], [second, micron, micron], None),
        ([9, 0.5, 0.25], [None, micron, micron], None),
        ([9, 0.5, 0.25], micron, None),
        ([0.5, 0.25], [micron, micron], None),
    ):
        assert pixel_size_of_layer(scale, units) == PixelSize(0.5, 0.25, expected)


def test_metadata_that_would_grow_without_bound_is_not_parsed(tmp_path) -> None:
    path = tmp_path / "laughs.ome.tif"
    tifffile.imwrite(path, np.zeros((4, 5), np.uint8))
    xml = '<!DOCTYPE OME [<!ENTITY a "ha">]><OME xmlns="http://www.openmicroscopy.org/">&a;</OME>'
    tifffile.tiffcomment(path, xml)
    with pytest.warns(FileWarning, match=r"laughs\.ome\.tif.*entities"):
        assert read_pixel_size(path) is None


def test_another_ending_is_refused_and_a_failed_write_leaves_the_old_file(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"labels\.png"):
        write_labels(tmp_path / "labels.png", sample())
    path = tmp_path / "labels.tif"
    write_labels(path, sample())
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the writer raises
        write_labels(path, np.array([[object()]]), axes="YX")
    np.testing.assert_array_equal(tifffile.imread(path), sample())
    assert [p.name for p in tmp_path.iterdir()] == ["labels.tif"]


def coco(tmp_path, *images: LabelledImage, polygons: bool):
    """Open the file with the reference reader of the format."""
    from pycocotools.coco import COCO

    path = tmp_path / "coco.json"
    write_coco(path, images, polygons=polygons)
    return COCO(str(path)), json.loads(path.read_text())


@READER
def test_run_lengths_are_exact_for_the_reference_reader(tmp_path, capsys) -> None:
    labels = sample()
    other = LabelledImage("b.tif", np.eye(7, dtype=np.uint16) * 2)
    found, content = coco(tmp_path, LabelledImage("a.tif", labels), other, polygons=False)
    assert [image["file_name"] for image in content["images"]] == ["a.tif", "b.tif"]
    by_label = {a["label"]: a for a in found.imgToAnns[1]}
    assert set(by_label) == {3, 9, 700}
    for number, annotation in by_label.items():
        mask = labels == number
        np.testing.assert_array_equal(found.annToMask(annotation).astype(bool), mask)
        assert annotation["area"] == mask.sum()
    assert by_label[9]["bbox"] == [50, 2, 3, 2]
    (diagonal,) = found.imgToAnns[2]
    np.testing.assert_array_equal(found.annToMask(diagonal), np.eye(7))


@READER
def test_polygons_are_the_masks_without_their_holes(tmp_path, capsys) -> None:
    labels = sample()
    found, _ = coco(tmp_path, LabelledImage("a.tif", labels), polygons=True)
    by_label = {a["label"]: a for a in found.imgToAnns[1]}
    filled = {number: labels == number for number in by_label}
    filled[700][29:33, 38:45] = True
    for number, annotation in by_label.items():
        (outline,) = annotation["segmentation"]
        corners = np.reshape(outline, (-1, 2))[:, ::-1] - 0.5  # to pixel centres
        np.testing.assert_array_equal(polygon2mask(labels.shape, corners), filled[number])
        read = found.annToMask(annotation).astype(bool)
        assert (read & filled[number]).sum() / (read | filled[number]).sum() > 0.8
    assert len(by_label) == 3


@settings(max_examples=25)
@given(st_np.arrays(np.uint8, (9, 11), elements=st.integers(0, 2)))
def test_every_outline_of_any_mask_fills_to_it(labels) -> None:
    from scipy.ndimage import binary_fill_holes

    from napari_samv2_prompts.io.exports import _polygons

    mask = labels == 1
    drawn = np.zeros_like(mask)
    for outline in _polygons(mask, 0, 0):
        drawn |= polygon2mask(mask.shape, np.reshape(outline, (-1, 2))[:, ::-1] - 0.5)
    np.testing.assert_array_equal(drawn, binary_fill_holes(mask))


def test_without_pycocotools_it_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("pycocotools"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"napari-samv2-prompts\[coco\]"):
        write_coco(tmp_path / "coco.json", [LabelledImage("a.tif", sample())])
    assert list(tmp_path.iterdir()) == []


def test_pairs_of_name_and_labels_are_labelled_images(tmp_path) -> None:
    path = tmp_path / "coco.json"
    pair = LabelledImage("a.tif", sample())
    for images in ([pair], pair, [("a.tif", sample())], [("pictures/a.tif", sample().tolist())]):
        write_coco(path, images, polygons=True)
        (image,) = json.loads(path.read_text())["images"]
        assert image == {"id": 1, "file_name": "a.tif", "height": 40, "width": 60}
    for wrong in ([sample()], sample(), [("a.tif",)]):
        with pytest.raises(ValueError, match="name the picture of labels"):
            write_coco(path, wrong, polygons=True)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"^There is no folder .*nowhere to write a\.tif to"
    ):
        write_labels(tmp_path / "nowhere" / "a.tif", np.ones((4, 5), np.uint16))
