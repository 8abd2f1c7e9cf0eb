"""A region of a slide is what the whole picture has there, whatever the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.ngff import image
from tifffile import TiffWriter, imwrite

from napari_samv2_prompts.io.pictures import read_picture
from napari_samv2_prompts.io.slides import open_slide, slide_of
from napari_samv2_prompts.regions import Region

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (90, 70)).astype(np.uint8)
WIDE = RNG.integers(0, 4000, (90, 70)).astype(np.uint16)
RGB = RNG.integers(0, 256, (90, 70, 3)).astype(np.uint8)
PART = Region(11, 20, 50, 61)


def written(path: Path, kind: str) -> Path:
    if kind == "pyramid":
        with TiffWriter(path) as writer:
            writer.write(GREY, tile=(32, 32), subifds=1)
            writer.write(GREY[::2, ::2], tile=(32, 32), subfiletype=1)
    elif kind == "palette":
        table = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)
        imwrite(path, GREY, photometric="palette", colormap=table)
    elif kind == "white is 0":
        imwrite(path, GREY, photometric="miniswhite")
    elif kind == "bool":
        imwrite(path, GREY > 100)
    elif kind == "alpha":
        imwrite(path, np.dstack([RGB, GREY]), photometric="rgb")
    elif kind == "wide alpha":
        colours = np.dstack([WIDE] * 3 + [np.full_like(WIDE, 65535)])
        imwrite(path, colours, photometric="rgb")
    elif kind == "png":
        from PIL import Image

        Image.fromarray(RGB).save(path := path.with_suffix(".png"))
    elif kind == "stack of one":
        imwrite(path, WIDE[None], photometric="minisblack")
    else:
        data = {"grey": GREY, "wide": WIDE, "float": WIDE / 7.0, "rgb": RGB}[kind]
        imwrite(path, data, tile=(32, 32), photometric="rgb" if kind == "rgb" else "minisblack")
    return path


@pytest.mark.parametrize(
    "kind",
    ["grey", "wide", "float", "rgb", "pyramid", "palette", "white is 0", "bool", "alpha", "png",
     "wide alpha",
     "stack of one"],
)  # fmt: skip
def test_a_region_is_cut_out_of_the_picture(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", kind)
    slide = slide_of(path)
    whole = read_picture(path)
    assert slide.shape == whole.shape[:2]
    with open_slide(path) as opened:
        part = opened.read(PART, slide.limits)
    assert part.dtype == np.uint8
    np.testing.assert_array_equal(part, whole[PART.top : PART.bottom, PART.left : PART.right])


@pytest.mark.parametrize("pixels", [GREY[None], WIDE[None], np.moveaxis(RGB, -1, 0)])
def test_a_region_of_an_ome_zarr_image(pixels: np.ndarray, tmp_path: Path) -> None:
    image(tmp_path / "a.zarr", pixels, "cyx", "0.5")
    slide = slide_of(tmp_path / "a.zarr")
    from napari_samv2_prompts.io.pictures import as_picture

    whole = as_picture(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
    with open_slide(slide.image) as opened:
        part = opened.read(PART, slide.limits)
    np.testing.assert_array_equal(part, whole[PART.top : PART.bottom, PART.left : PART.right])


@pytest.mark.parametrize("channel", ["0", "1"])
def test_a_region_of_a_channel(channel: str, tmp_path: Path) -> None:
    both = np.stack([WIDE, WIDE[::-1]])
    imwrite(tmp_path / "a.tif", both, imagej=True, metadata={"axes": "CYX"})
    colours = tmp_path / "b.tif"
    imwrite(colours, RGB, photometric="rgb", tile=(32, 32))
    for path in (tmp_path / "a.tif", colours):
        slide = slide_of(path, channel)
        whole = read_picture(path, channel)
        assert whole.ndim == 2
        with open_slide(path, slide.channel) as opened:
            part = opened.read(PART, slide.limits)
        np.testing.assert_array_equal(part, whole[PART.top : PART.bottom, PART.left : PART.right])
