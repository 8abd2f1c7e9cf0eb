"""Files of pictures: how numbers and colours are stored."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from npe2.io_utils import read as read_as_the_window
from PIL import Image
from tests.io.file_kinds.common import GREY, GREY16, RGB, Desk, row
from tifffile import TiffWriter, imread, imwrite

from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.pictures import read_image, read_picture
from napari_samv2_prompts.io.pixel_size import FileWarning

# --- numbers ---

NUMBERS = "How numbers are stored"


def same(path: Path, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(read_image(path), expected)


@row(NUMBERS, "TIFF with LZW, deflate, PackBits, LZMA, Zstandard, LERC or PNG inside",
     "the same numbers as without")  # fmt: skip
def _(desk: Desk) -> None:
    for kind in ("lzw", "zlib", "packbits", "lzma", "zstd", "png", "lerc"):
        path = desk.path(f"{kind}.tif")
        imwrite(path, GREY16, compression=kind)
        same(path, GREY16)


@row(NUMBERS, "TIFF with JPEG or WebP inside", "decoded, in its colours")
def _(desk: Desk) -> None:
    smooth = np.dstack([np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))] * 3)
    smooth[..., 2] = 80
    for kind in ("jpeg", "webp"):
        path = desk.path(f"{kind}.tif")
        imwrite(path, smooth, photometric="rgb", compression=kind)
        assert np.abs(read_picture(path).astype(int) - smooth).mean() < 8
    ycbcr = desk.path("ycbcr.tif")
    Image.fromarray(smooth).convert("YCbCr").save(ycbcr, compression="jpeg")
    assert np.abs(read_picture(ycbcr).astype(int) - smooth).mean() < 8


def packed_12_bit(path: Path, values: np.ndarray) -> None:
    """Write a TIFF whose rows are 12-bit numbers without gaps, as cameras do."""
    height, width = values.shape
    bits = (values[..., None] >> np.arange(11, -1, -1) & 1).astype(np.uint8).reshape(height, -1)
    content = np.packbits(bits, axis=1).tobytes()
    tags = [(256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1),
            (278, height), (279, len(content))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(content))
    path.write_bytes(head + content + struct.pack("<H", len(tags)) + entries + bytes(4))


@row(NUMBERS, "packed 12 bit", "numbers up to 4095")
def _(desk: Desk) -> None:
    packed_12_bit(desk.path("camera.tif"), GREY16 + 5)
    same(desk.path("camera.tif"), GREY16 + 5)


@row(NUMBERS, "horizontal and floating-point predictors", "undone")
def _(desk: Desk) -> None:
    imwrite(desk.path("a.tif"), GREY16, compression="lzw", predictor=2)
    same(desk.path("a.tif"), GREY16)
    reals = GREY.astype(np.float32) / 7
    imwrite(desk.path("b.tif"), reals, compression="zlib", predictor=3)
    same(desk.path("b.tif"), reals)


@row(NUMBERS, "big-endian, BigTIFF, tiles, strips", "the same numbers")
def _(desk: Desk) -> None:
    options: list[dict[str, Any]] = [
        {"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)}, {"rowsperstrip": 3},
        {"byteorder": ">", "bigtiff": True, "tile": (16, 16), "compression": "lzw"},
    ]  # fmt: skip
    for number, option in enumerate(options):
        imwrite(desk.path(f"{number}.tif"), GREY16, **option)
        same(desk.path(f"{number}.tif"), GREY16)


@row(NUMBERS, "tiled pyramids", "the full size")
def _(desk: Desk) -> None:
    large = np.random.default_rng(1).integers(0, 256, (128, 192, 3)).astype(np.uint8)
    options: dict[str, Any] = {"tile": (32, 32), "photometric": "rgb"}
    with TiffWriter(desk.path("pyramid.tif")) as file:
        file.write(large, subifds=2, **options)
        for step in (2, 4):
            file.write(large[::step, ::step], subfiletype=1, **options)
    same(desk.path("pyramid.tif"), large)


@row(NUMBERS, "1 bit: PNG, TIFF, with fax compression by imagecodecs 2026.3.6 and newer",
     "black and white")  # fmt: skip
def _(desk: Desk) -> None:
    bits = Image.fromarray(GREY > 120)
    kinds: dict[str, dict[str, str]] = {"a.png": {}, "b.tif": {}}
    if hasattr(imagecodecs, "CCITTFAX4"):
        kinds["c.tif"] = {"compression": "group4"}
    for name, options in kinds.items():
        bits.save(desk.path(name), **options)
        np.testing.assert_array_equal(read_picture(desk.path(name)), (GREY > 120) * np.uint8(255))


@row(NUMBERS, "8 bit", "as they are")
def _(desk: Desk) -> None:
    for ending in ("png", "tif", "bmp", "gif", "webp"):
        path = desk.path(f"picture.{ending}")
        Image.fromarray(GREY).save(path, **({"lossless": True} if ending == "webp" else {}))
        picture = read_picture(path)
        expected = GREY if picture.ndim == 2 else np.dstack([GREY] * 3)
        np.testing.assert_array_equal(picture, expected)


@row(NUMBERS, "other numbers: 12, 16 and 32 bit, negative and real ones, with NaN",
     "stretched between percentiles; NaN is black")  # fmt: skip
def _(desk: Desk) -> None:
    for dtype in (np.uint16, np.int16, np.int32, np.float32, np.float64):
        least = 0 if dtype == np.uint16 else -3000
        values = np.maximum(np.arange(10_000).reshape(100, 100) - 3000, least)
        imwrite(desk.path("picture.tif"), values.astype(dtype))
        picture = read_picture(desk.path("picture.tif"))
        assert (picture.min(), picture.max()) == (0, 255)
        assert (np.diff(picture.astype(int).ravel()) >= 0).all()
    hole = values.astype(np.float32)
    hole[3, 4] = np.nan
    imwrite(desk.path("picture.tif"), hole)
    assert read_picture(desk.path("picture.tif"))[3, 4] == 0


@row(NUMBERS, "axes of size 1, pictures of one row, one column or one pixel", "read; such axes go")
def _(desk: Desk) -> None:
    imwrite(desk.path("a.tif"), GREY[None, None], metadata={"axes": "ZCYX"})
    imwrite(desk.path("b.ome.tif"), GREY[None, None, None], metadata={"axes": "TCZYX"})
    imwrite(desk.path("c.tif"), RGB[None], photometric="rgb")
    for name, expected in (("a.tif", GREY), ("b.ome.tif", GREY), ("c.tif", RGB)):
        np.testing.assert_array_equal(read_picture(desk.path(name)), expected)
    for part in (GREY[:1], GREY[:, :1], GREY[:1, :1]):
        imwrite(desk.path("thin.tif"), part)
        np.testing.assert_array_equal(read_picture(desk.path("thin.tif")), part)
        Image.fromarray(part).save(desk.path("thin.png"))
        np.testing.assert_array_equal(read_picture(desk.path("thin.png")), part)


@row(NUMBERS, "a stack", "refused with its shape by what takes one plane")
def _(desk: Desk) -> None:
    imwrite(desk.path("stack.tif"), np.stack([GREY] * 5), photometric="minisblack")
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(desk.path("film.gif"), save_all=True, append_images=frames[1:])
    for name in ("stack.tif", "film.gif"):
        with pytest.raises(ValueError, match="which is not one grey or RGB picture"):
            read_picture(desk.path(name))


# --- colours ---

COLOURS = "How colours are stored"


@row(COLOURS, "RGB in separate planes", "in colour")
def _(desk: Desk) -> None:
    planes = np.moveaxis(RGB, 2, 0)
    for name, options in (("a.tif", {}), ("b.tif", {"compression": "lzw"}), ("c.ome.tif", {})):
        imwrite(desk.path(name), planes, photometric="rgb", planarconfig="separate", **options)
        np.testing.assert_array_equal(read_picture(desk.path(name)), RGB)


@row(COLOURS, "palettes: PNG, GIF, BMP and TIFF", "the palette's colours")
def _(desk: Desk) -> None:
    indexed = Image.fromarray(RGB).quantize(16)
    shown = np.asarray(indexed.convert("RGB"))
    for ending in ("png", "tif", "gif", "bmp"):
        indexed.save(desk.path(f"p.{ending}"))
        np.testing.assert_array_equal(read_picture(desk.path(f"p.{ending}")), shown)
    indexed.save(desk.path("t.png"), transparency=3)
    np.testing.assert_array_equal(read_picture(desk.path("t.png")), shown)


@row(COLOURS, "an alpha channel beside grey or colours", "left out")
def _(desk: Desk) -> None:
    alpha = Image.fromarray(GREY.T.reshape(20, 30).copy())
    for ending in ("png", "tif"):
        Image.merge("LA", (Image.fromarray(GREY), alpha)).save(desk.path(f"g.{ending}"))
        np.testing.assert_array_equal(read_picture(desk.path(f"g.{ending}")), GREY)
        rgba = Image.fromarray(RGB)
        rgba.putalpha(alpha)
        rgba.save(desk.path(f"c.{ending}"))
        np.testing.assert_array_equal(read_picture(desk.path(f"c.{ending}")), RGB)


@row(COLOURS, "RGB in TIFF with more values a pixel that the file does not call an alpha",
     "the colours, and a warning; `--channel 3` is the first of the others")  # fmt: skip
def _(desk: Desk) -> None:
    near = np.dstack([RGB, GREY])
    imwrite(desk.path("a.tif"), near, photometric="rgb", extrasamples=["unspecified"])
    with pytest.warns(FileWarning, match=r"a\.tif has 1 channel beside its colours"):
        np.testing.assert_array_equal(read_picture(desk.path("a.tif")), RGB)
    np.testing.assert_array_equal(open_image(desk.path("a.tif")).of_channel(3).data, GREY)


@row(COLOURS,
     "several channels: an axis in OME-TIFF, ImageJ or OME-Zarr, or several values a pixel",
     "the one that `--channel` names, refused without; three of 8 bit are colours")  # fmt: skip
def _(desk: Desk) -> None:
    imwrite(desk.path("a.tif"), np.stack([GREY16, GREY16.T.reshape(20, 30)]), imagej=True,
            metadata={"axes": "CYX"})  # fmt: skip
    values = np.dstack([GREY, RGB, GREY])
    imwrite(desk.path("b.tif"), values, photometric="minisblack", planarconfig="contig")
    imwrite(desk.path("c.tif"), np.moveaxis(RGB, -1, 0), imagej=True, metadata={"axes": "CYX"})
    for name, count in (("a.tif", 2), ("b.tif", 5)):
        with pytest.raises(ValueError, match=rf"{name}: it has {count} channels: say which one"):
            read_picture(desk.path(name))
    np.testing.assert_array_equal(read_picture(desk.path("b.tif"), 4), GREY)
    np.testing.assert_array_equal(read_picture(desk.path("c.tif")), RGB)


@row(COLOURS, "TIFF in which 0 is white", "0 is white, as in Pillow and Fiji")
def _(desk: Desk) -> None:
    imwrite(desk.path("fax.tif"), GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_picture(desk.path("fax.tif")), 255 - GREY)


@row(COLOURS, "CMYK: JPEG and TIFF", "in colour")
def _(desk: Desk) -> None:
    flat = Image.new("RGB", (30, 20), (200, 90, 40)).convert("CMYK")
    for name in ("a.jpg", "b.tif"):
        flat.save(desk.path(name))
        shown = np.asarray(flat.convert("RGB")).astype(int)
        assert np.abs(read_picture(desk.path(name)) - shown).max() <= 4


@row(COLOURS, "EXIF orientation 1 to 8: JPEG, PNG and TIFF",
     "as napari shows it, and said where another program would turn it")  # fmt: skip
def _(desk: Desk) -> None:
    table = desk.write("boxes.csv", "object,x0,y0,x1,y1\n1,2,3,12,9\n")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for ending in ("jpg", "png", "tif"):
            path = desk.path(f"phone.{ending}")
            Image.fromarray(RGB).save(path, exif=exif)
            ((window, *_), *_) = read_as_the_window([str(path)], stack=False)
            opened = open_image(path)
            np.testing.assert_array_equal(opened.data, window)
            about = f"phone.{ending} asks to be turned (EXIF orientation {orientation})"
            assert [note.startswith(about) for note in opened.notes] == [True] * (orientation > 1)
    status, told = desk.segment(path, "--boxes", table, "-o", desk.path("labels.tif"))
    assert (status, imread(desk.path("labels.tif")).shape) == (0, window.shape[:2])
    assert told.count(about) == 1
