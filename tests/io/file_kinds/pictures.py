"""Files of pictures: which reader takes them, and what they say about themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import zarr
from npe2 import DynamicPlugin
from npe2 import PluginManager as Plugins
from PIL import Image
from tests.io.file_kinds.common import GREY, GREY16, Desk, row
from tests.io.file_kinds.numbers import same
from tifffile import TiffFile, TiffWriter, imread, imwrite

from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.pictures import read_image, read_picture
from napari_samv2_prompts.io.pixel_size import FileWarning, PixelSize, read_pixel_size

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
