from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import TiffFile, imread, imwrite

from napari_samv2_prompts.io.exports import write_labels
from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.pictures import label_image, read_image, read_picture, write_outlines
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import ItemMasks, Masks

GREY = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30)
RGB = np.stack([GREY, GREY.T.reshape(20, 30), 255 - GREY], axis=-1)


def square(number: int, top: int, left: int, side: int) -> ItemMasks:
    crop = MaskCrop(top, left, np.ones((side, side), dtype=bool))
    nothing = MaskCrop(0, 0, np.zeros((0, 0), dtype=bool))
    scores = np.array([0.1, 0.9], dtype=np.float32)
    return ItemMasks(number, (nothing, crop), scores, np.zeros((2, 4, 4), np.float32), 1.0)


@pytest.mark.parametrize("array", [GREY, RGB], ids=["grey", "rgb"])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_8_bit_pictures_are_read_as_they_are(tmp_path: Path, array, ending: str) -> None:
    path = tmp_path / f"picture.{ending}"
    Image.fromarray(array).save(path)
    np.testing.assert_array_equal(read_picture(path), array)


@pytest.mark.parametrize(("order", "name"), [("<", "little"), (">", "big")])
@pytest.mark.parametrize("big", [False, True], ids=["tiff", "bigtiff"])
def test_pages_that_lead_in_a_circle_are_refused(tmp_path: Path, order, name, big) -> None:
    path = tmp_path / "picture.tif"
    imwrite(path, np.stack([GREY] * 3), byteorder=order, bigtiff=big, photometric="minisblack")
    assert read_image(path).shape == (3, *GREY.shape)
    with TiffFile(path) as file:
        first, last = file.pages[1].offset, file.pages[2].offset
        tiff, tags = file.tiff, len(file.pages[2].tags)
    content = bytearray(path.read_bytes())
    end = last + tiff.tagnosize + tags * tiff.tagsize
    content[end : end + tiff.offsetsize] = first.to_bytes(tiff.offsetsize, name)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"picture\.tif is not a readable TIFF.*circle"):
        read_image(path)


def test_alpha_is_dropped_and_palettes_resolved(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, np.full(GREY.shape, 7, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "alpha.png"), RGB)
    flat = Image.fromarray((RGB // 64) * 64)
    flat.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    assert read_picture(tmp_path / "palette.png").shape == RGB.shape


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.int32, np.float64])
def test_other_numbers_are_stretch_contrast(tmp_path: Path, dtype) -> None:
    values = (1000 + 5 * np.arange(100 * 100)).reshape(100, 100).astype(dtype)
    imwrite(tmp_path / "picture.tif", values)
    picture = read_picture(tmp_path / "picture.tif")
    assert picture.dtype == np.uint8
    assert (picture.min(), picture.max()) == (0, 255)
    assert (np.diff(picture.astype(int).ravel()) >= 0).all()  # order is kept
    assert abs(float(picture.mean()) - 127.5) < 1


def test_missing_values_become_black(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    values[3, 4] = np.nan
    imwrite(tmp_path / "picture.tif", values)
    assert read_picture(tmp_path / "picture.tif")[3, 4] == 0
    imwrite(tmp_path / "picture.tif", np.full((20, 20), np.nan, np.float32))
    with pytest.raises(ValueError, match="no numbers"):
        read_picture(tmp_path / "picture.tif")


def test_constant_picture_is_no_error(tmp_path: Path) -> None:
    imwrite(tmp_path / "picture.tif", np.full((20, 20), 4000, np.uint16))
    assert (read_picture(tmp_path / "picture.tif") == 0).all()


def test_what_is_not_one_picture_is_refused(tmp_path: Path) -> None:
    imwrite(tmp_path / "stack.tif", np.zeros((5, 20, 30), np.uint8), photometric="minisblack")
    with pytest.raises(ValueError, match=r"shape \(5, 20, 30\), which is not one grey or RGB"):
        read_picture(tmp_path / "stack.tif")
    for name in ("text.tif", "text.png"):
        (tmp_path / name).write_text("no picture")
        with pytest.raises(ValueError, match="not a"):
            read_picture(tmp_path / name)
        with pytest.raises(FileNotFoundError, match="no file"):
            read_picture(tmp_path / f"no{name}")


def test_labels_are_the_objects_numbers() -> None:
    labels = label_image(Masks((square(4, 2, 3, 5), square(9, 10, 20, 6)), (20, 30)))
    assert labels.dtype == np.uint16
    assert labels[2:7, 3:8].min() == 4
    assert labels[10:16, 20:26].min() == 9
    assert np.count_nonzero(labels) == 25 + 36


@pytest.mark.parametrize("order", [1, -1])
def test_the_smaller_mask_stays_visible(order: int) -> None:
    items = (square(1, 0, 0, 12), square(2, 3, 3, 4))[::order]
    labels = label_image(Masks(items, (20, 30)))
    assert (labels[3:7, 3:7] == 2).all()
    assert np.count_nonzero(labels == 1) == 144 - 16


def test_high_numbers_get_more_bits(tmp_path: Path) -> None:
    labels = label_image(Masks((square(70_000, 0, 0, 3),), (20, 30)))
    assert labels.max() == 70_000
    write_labels(tmp_path / "labels.tif", labels)
    read = imread(tmp_path / "labels.tif")
    assert read.dtype == labels.dtype
    np.testing.assert_array_equal(read, labels)


@pytest.mark.parametrize("image", [GREY, RGB], ids=["grey", "rgb"])
def test_outlines_leave_the_background_alone(tmp_path: Path, image) -> None:
    labels = label_image(Masks((square(1, 2, 3, 9), square(2, 2, 14, 9)), (20, 30)))
    write_outlines(tmp_path / "picture.png", image, labels)
    with Image.open(tmp_path / "picture.png") as written:
        drawn = np.asarray(written)
    rgb = image if image.ndim == 3 else np.dstack([image] * 3)
    assert (drawn[labels == 0] == rgb[labels == 0]).all()
    first, second = drawn[2, 3], drawn[2, 14]  # corners of both squares: pure colours
    assert (drawn[2, 3:12] == first).all()
    assert (first != second).any()


@pytest.mark.parametrize("name", ["grey.png", "colours.png", "deep.tif", "planes.tif", "a.npy"])
def test_without_napari_itself_files_are_read_the_same(name, tmp_path, monkeypatch) -> None:
    """On a server without font libraries napari can't be imported."""
    rng = np.random.default_rng(0)
    path, shape = tmp_path / name, (5, 20, 30) if name == "planes.tif" else (20, 30)
    values = rng.integers(0, 255, (20, 30, 3) if name == "colours.png" else shape)
    if path.suffix == ".png":
        Image.fromarray(values.astype(np.uint8)).save(path)
    elif path.suffix == ".npy":
        np.save(path, values.astype(np.float32))
    else:
        imwrite(path, values.astype(np.uint16))
    usual = open_image(path)

    def unavailable(*_: object, **__: object) -> None:
        try:
            raise ImportError("fontconfig not found")
        except ImportError as error:
            raise RuntimeError("Failed to import command") from error

    monkeypatch.setattr("npe2.io_utils.read", unavailable)
    plain = open_image(path)
    np.testing.assert_array_equal(plain.data, usual.data)
    assert plain.rgb == usual.rgb
