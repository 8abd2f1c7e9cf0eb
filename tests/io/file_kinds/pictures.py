"""Files of pictures: how numbers and colours are stored, and what files say about themselves."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import psutil
import pytest
import zarr
from npe2 import DynamicPlugin
from npe2 import PluginManager as Plugins
from npe2.io_utils import read as read_as_the_window
from PIL import Image
from tests.io.file_kinds.common import GREY, GREY16, RGB, Desk, row
from tifffile import TiffFile, TiffWriter, imread, imwrite

from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.pictures import read_image, read_picture
from napari_samv2_prompts.io.pixel_size import FileWarning, PixelSize, read_pixel_size

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


# --- readers ---

READERS = "Readers and size"


@row(READERS, "a format of a reader plugin that is installed in napari",
     "opened by it, with its scale and units as pixel size")  # fmt: skip
def _(desk: Desk) -> None:
    desk.write("a.weird", b"anything")
    table = desk.write("boxes.csv", "object,x0,y0,x1,y1\n1,2,3,12,9\n")
    manager = Plugins.instance()
    with DynamicPlugin("weird-reader", plugin_manager=manager) as plugin:

        @plugin.contribute.reader(filename_patterns=["*.weird"])
        def get_reader(path: str) -> Any:
            meta = {"scale": (0.5, 250), "units": ("micrometer", "nm")}
            return lambda paths, stack=False: [(GREY16, meta, "image")]

        opened = open_image(desk.path("a.weird"))
        np.testing.assert_array_equal(opened.data, GREY16)
        assert opened.pixel_size == PixelSize(0.5, 0.25)
        out = desk.path("labels.ome.tif")
        assert desk.segment(desk.path("a.weird"), "--boxes", table, "-o", out)[0] == 0
    assert read_pixel_size(out) == PixelSize(0.5, 0.25)
    assert imread(out).shape == GREY.shape


@row(READERS, "a plugin and napari both read the format", "the plugin; a pyramid's full size")
def _(desk: Desk) -> None:
    imwrite(desk.path("a.tif"), GREY)
    with DynamicPlugin("other-reader", plugin_manager=Plugins.instance()) as plugin:

        @plugin.contribute.reader(filename_patterns=["*.tif"])
        def get_reader(path: str) -> Any:
            levels = [GREY16, GREY16[::2, ::2]]
            return lambda paths, stack=False: [(levels, {"multiscale": True}, "image")]

        same(desk.path("a.tif"), GREY16)
        np.testing.assert_array_equal(open_image(desk.path("a.tif"), "napari").data, GREY)
        with pytest.raises(ValueError, match="the reader 'x' does not take it; what does: napari"):
            open_image(desk.path("a.tif"), "x")


def ome_zarr(path: Path, version: str, scale: object = 0.25, unit: str = "micrometer") -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    levels = []
    for number, step in enumerate((1, 2)):
        data = GREY16[None, None, ::step, ::step]
        group.create_array(f"s{number}", shape=data.shape, dtype=data.dtype)[...] = data
        change = {"type": "scale", "scale": [1, 1, *([scale] * 2)]}
        levels.append({"path": f"s{number}", "coordinateTransformations": [change]})
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": unit} for name in "zyx"]
    told = {"multiscales": [{"version": version, "axes": axes, "datasets": levels}]}
    group.attrs.update(told if version == "0.4" else {"ome": {"version": version, **told}})
    labels = group.create_group("labels").create_group("nuclei")
    labels.create_array("0", shape=(1, 1, 5, 5), dtype="u1")
    return path


@row(READERS, "OME-Zarr images, NGFF 0.4 and 0.5, with labels beside the image",
     "the full size of the image, with its pixel size; nonsense in it is a warning")  # fmt: skip
def _(desk: Desk) -> None:
    table = desk.write("boxes.csv", "object,x0,y0,x1,y1\n1,2,3,12,9\n")
    out = desk.path("labels.ome.tif")
    for version in ("0.4", "0.5"):
        path = ome_zarr(desk.path(f"v{version}.zarr"), version)
        np.testing.assert_array_equal(read_image(path)[0, 0], GREY16)
        assert desk.segment(path, "--boxes", table, "-o", out)[0] == 0
        assert read_pixel_size(out) == PixelSize(0.25, 0.25)
        assert (imread(out)[3:9, 2:12] == 1).all()
        nonsense = ome_zarr(desk.path("bad.zarr"), version, "wide")
        status, told = desk.segment(nonsense, "--boxes", table, "-o", out)
        assert (status, told.count("bad.zarr: its pixel size is left out")) == (0, 1)
        assert read_pixel_size(out) is None
    assert open_image(ome_zarr(desk.path("n.zarr"), "0.5", 250, "nanometer")).pixel_size == (
        PixelSize(0.25, 0.25, 0.001)
    )


@row(READERS, "TIFF with several images of one size, positions for instance",
     "the first, and a warning that says how many there are")  # fmt: skip
def _(desk: Desk) -> None:
    with TiffWriter(desk.path("positions.ome.tif"), ome=True) as file:
        for pixels in (GREY, GREY[::-1], GREY[:, ::-1]):
            file.write(pixels, photometric="minisblack")
    with pytest.warns(FileWarning, match=r"positions\.ome\.tif holds 3 images: the first one is"):
        np.testing.assert_array_equal(read_picture(desk.path("positions.ome.tif")), GREY)


@row(READERS, "zarr arrays without OME's metadata", "read")
def _(desk: Desk) -> None:
    for version in (2, 3):
        path = desk.path(f"plain{version}.zarr")
        zarr.create_array(path, data=GREY16, zarr_format=version)
        same(path, GREY16)
        level = desk.path(f"group{version}.zarr") / "0"
        group = zarr.open_group(level.parent, mode="w", zarr_format=version)
        group.create_array("0", data=GREY16)
        table = desk.write("boxes.csv", "object,x0,y0,x1,y1\n1,2,3,12,9\n")
        assert desk.segment(level, "--boxes", table, "-o", desk.path("o.tif"))[0] == 0


@row(READERS, "a format that no reader takes, damaged files, files that are something else",
     "refused in a sentence with the file's name")  # fmt: skip
def _(desk: Desk) -> None:
    names = ("a.unknown", "b.tif", "c.png", "d.jpg", "e")
    for name in names:
        desk.write(name, b"nothing of the kind")
        with pytest.raises(ValueError, match=rf"^{name} is not a readable [\s\S]*\)\.$"):
            read_picture(desk.path(name))
    imwrite(desk.path("cut.tif"), GREY, compression="zlib")
    content = desk.path("cut.tif").read_bytes()
    desk.write("cut.tif", content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cut\.tif is not a readable TIFF file"):
        read_picture(desk.path("cut.tif"))


@row(READERS, "a picture of more pixels than Pillow trusts (179 million)", "read")
def _(desk: Desk) -> None:
    Image.fromarray(GREY).save(desk.path("giant.png"))
    desk.monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(desk.path("giant.png"))
    np.testing.assert_array_equal(read_picture(desk.path("giant.png")), GREY)
    assert Image.MAX_IMAGE_PIXELS == 10, "nobody else's limit is changed"


@row(READERS, "a picture larger than the memory that is free", "refused with both sizes")
def _(desk: Desk) -> None:
    Image.fromarray(GREY).save(desk.path("giant.png"))
    imwrite(desk.path("giant.tif"), GREY)
    free = psutil.virtual_memory()._replace(available=900)
    desk.monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    for name in ("giant.png", "giant.tif"):
        with pytest.raises(MemoryError, match=rf"{name}: it takes .* GB to read, and .* are free"):
            read_picture(desk.path(name))


# --- what files say about themselves ---

METADATA = "What files say about themselves"


def ome(path: Path, *, name: str = "cells", size: str = "0.25", unit: str = "µm") -> None:
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0" Name="{name}"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        'Type="uint8" SizeX="30" SizeY="20" SizeC="1" SizeZ="1" SizeT="1" '
        f'PhysicalSizeX="{size}" PhysicalSizeY="{size}" PhysicalSizeXUnit="{unit}" '
        f'PhysicalSizeYUnit="{unit}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        "<TiffData/></Pixels></Image></OME>"
    )
    imwrite(path, GREY, description=xml.encode(), metadata=None)


def segmented(desk: Desk, name: str) -> tuple[PixelSize | None, str]:
    table = desk.write("boxes.csv", "object,x0,y0,x1,y1\n1,2,3,12,9\n")
    out = desk.path("labels.ome.tif")
    status, told = desk.segment(desk.path(name), "--boxes", table, "-o", out)
    assert status == 0
    assert (imread(out)[3:9, 2:12] == 1).all()
    return read_pixel_size(out), told


@row(METADATA, "a pixel size: OME, ImageJ, resolution per centimetre", "goes into the labels")
def _(desk: Desk) -> None:
    ome(desk.path("a.ome.tif"))
    ome(desk.path("b.ome.tif"), size="250", unit="nm")
    imwrite(desk.path("c.tif"), GREY, imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    imwrite(desk.path("d.tif"), GREY, resolution=(4e4, 4e4), resolutionunit="CENTIMETER")
    for name in ("a.ome.tif", "b.ome.tif", "c.tif", "d.tif"):
        size, told = segmented(desk, name)
        assert size == PixelSize(0.25, 0.25), name
        assert "pixel size" not in told


@row(METADATA, 'OME-XML with a bare `&`; a size of 0, `"0,25"`, NaN, infinite, negative or empty',
     "labels without a pixel size, and one warning that names the file")  # fmt: skip
def _(desk: Desk) -> None:
    cases = [{"name": "a & b"}, *({"size": s} for s in ("0", "0,25", "NaN", "inf", "-1", ""))]
    for case in cases:
        ome(desk.path("a.ome.tif"), **case)
        size, told = segmented(desk, "a.ome.tif")
        assert size is None
        assert told.count("a.ome.tif") == told.count("its pixel size is left out") == 1, case


@row(METADATA, "a resolution of 0, or per inch", "labels without a pixel size; no warning")
def _(desk: Desk) -> None:
    imwrite(desk.path("a.tif"), GREY, resolution=((0, 1), (0, 1)), resolutionunit="CENTIMETER")
    imwrite(desk.path("b.tif"), GREY, resolution=(72, 72), resolutionunit="INCH")
    for name in ("a.tif", "b.tif"):
        size, told = segmented(desk, name)
        assert size is None
        assert "pixel size" not in told


@row(METADATA, "pages that lead in a circle", "refused")
def _(desk: Desk) -> None:
    path = desk.path("circle.tif")
    imwrite(path, np.stack([GREY] * 3), photometric="minisblack")
    with TiffFile(path) as file:
        first, last, n_tags = file.pages[1].offset, file.pages[2].offset, len(file.pages[2].tags)
    content = bytearray(path.read_bytes())
    end = last + 2 + n_tags * 12
    content[end : end + 4] = first.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="circle"):
        read_picture(path)
