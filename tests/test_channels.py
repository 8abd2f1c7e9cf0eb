"""One channel of several: of files of many kinds, on the command line and in scripts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.ngff import image as ngff_image
from tests.stand_in import BoxPredictor, Embedded
from tifffile import imread, imwrite

from napari_samv2_prompts import samv2, segment, segment_folder, segment_stack
from napari_samv2_prompts.cli import main
from napari_samv2_prompts.io.channels import channel_of
from napari_samv2_prompts.io.file_views import StackFile
from napari_samv2_prompts.io.opening import _told_channels, open_image
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import ItemMasks, Masks

RNG = np.random.default_rng(5)
BOX = "object,x0,y0,x1,y1\n1,0,0,40,30\n"


def discs(count: int, dtype: type = np.uint16) -> np.ndarray:
    """Channels of which each has a bright square of its own."""
    channels = RNG.integers(0, 30, (count, 30, 40)).astype(dtype)
    for n in range(count):
        channels[n, 5:15, 5 * n : 5 * n + 5] = 200
    return channels


class Bright(BoxPredictor):
    """Answers with what is bright, so that it can be told what was seen."""

    def embed(self, image):
        return Embedded(size=image.shape[:2], logits_size=64, image=image)

    def decode(self, embedding, batch):
        grey = embedding.image if embedding.image.ndim == 2 else embedding.image.max(axis=2)
        crop = MaskCrop(0, 0, grey > 150)
        logits = np.zeros((1, 4, 4), np.float32)
        item = ItemMasks(batch[0].object, (crop,), np.ones(1, np.float32), logits, 0.0)
        return Masks((item,), embedding.size)


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(samv2, "SAMV2ImagePredictor", Bright, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boxes.csv").write_text(BOX)


def files(folder: Path) -> dict[str, np.ndarray]:
    """Write files with two channels, and with three as colours; return the channels of each."""
    two, three = discs(2), discs(3, np.uint8)
    names = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    imwrite(folder / "a.ome.tif", two, metadata=names)
    imwrite(folder / "b.tif", two, imagej=True, metadata={"axes": "CYX"})
    imwrite(
        folder / "c.tif", np.moveaxis(two, 0, -1), photometric="minisblack", planarconfig="contig"
    )
    imwrite(folder / "d.tif", two, photometric="minisblack", planarconfig="separate")
    ngff_image(folder / "e.zarr", two, "cyx", "0.4", ("DAPI", "GFP"))
    Image.fromarray(np.moveaxis(three, 0, -1)).save(folder / "f.png")
    ngff_image(folder / "g.zarr", three, "cyx", "0.5")
    imwrite(folder / "h.tif", three, imagej=True, metadata={"axes": "CYX"})
    return {name: two if name < "f" else three for name in "abcdefgh"}


def path_of(name: str) -> Path:
    return next(path for path in Path().iterdir() if path.name.startswith(f"{name}."))


def square(channel: int) -> np.ndarray:
    expected = np.zeros((30, 40))
    expected[5:15, 5 * channel : 5 * channel + 5] = 1
    return expected


def test_the_channel_that_is_named_is_segmented(bright, tmp_path: Path, capsys) -> None:
    for name, channels in files(tmp_path).items():
        path = path_of(name)
        for n in range(len(channels)):
            asked = ["--boxes", "boxes.csv", "--channel", str(n), "-o", "o.tif"]
            assert main(["segment", str(path), *asked]) == 0, capsys.readouterr().err
            np.testing.assert_array_equal(imread("o.tif"), square(n))
            np.testing.assert_array_equal(segment(path, boxes="boxes.csv", channel=n), square(n))
        if len(channels) == 3:  # in colours unless one is named
            assert main(["segment", str(path), "--boxes", "boxes.csv", "-o", "o.tif"]) == 0
            np.testing.assert_array_equal(imread("o.tif"), sum(map(square, range(3))))
    for path in ("a.ome.tif", "e.zarr"):
        np.testing.assert_array_equal(
            segment(path, boxes="boxes.csv", channel="GFP"), square(1), path
        )


def test_without_a_name_it_is_asked_for_and_wrong_ones_are_refused(
    bright, tmp_path: Path, capsys
) -> None:
    files(tmp_path)
    imwrite("grey.tif", discs(1)[0])
    np.save("any.npy", discs(2))
    listed = {"a": "0 (DAPI), 1 (GFP)", "b": "0, 1", "c": "0, 1", "d": "0, 1"}
    for name, words in listed.items():
        assert main(["segment", str(path_of(name)), "--boxes", "boxes.csv", "-o", "o.tif"]) == 1
        told = capsys.readouterr().err
        assert f"it has 2 channels: say which one (--channel): {words}." in told
    for path, wanted, words in (
        ("b.tif", "2", "b.tif: it has no channel '2', but 0, 1."),
        ("a.ome.tif", "Cy5", "a.ome.tif: it has no channel 'Cy5', but 0 (DAPI), 1 (GFP)."),
        ("f.png", "3", "f.png: it has no channel '3', but 0 (red), 1 (green), 2 (blue)."),
        ("grey.tif", "0", "grey.tif: it has no channels, and so no '0': leave that out."),
        ("any.npy", "0", "any.npy does not say which of its axes is that of channels: save the"),
    ):
        asked = ["--boxes", "boxes.csv", "--channel", wanted, "-o", "o.tif"]
        assert main(["segment", path, *asked]) == 1
        assert words in capsys.readouterr().err
    with pytest.raises(ValueError, match="A channel is chosen of a file"):
        segment(discs(2)[0], boxes="boxes.csv", channel=1)
    assert not Path("o.tif").exists()


def test_a_folder_has_one_for_all_and_another_one_is_another_result(bright, capsys) -> None:
    Path("p").mkdir()
    for name in ("a", "b"):
        imwrite(f"p/{name}.tif", discs(2), imagej=True, metadata={"axes": "CYX"})
        Path(f"p/{name}.csv").write_text(BOX)
    for n in ("1", "0"):
        assert main(["segment", "p", "--channel", n]) == 0
        assert "2 segmented, 0 done before" in capsys.readouterr().out
        np.testing.assert_array_equal(imread("p/labels/b.labels.tif"), square(int(n)))
    assert [outcome.skipped for outcome in segment_folder("p", channel=0)] == [True, True]


def test_prompts_that_were_saved_are_done_again_in_the_channel(bright, monkeypatch, capsys) -> None:
    imwrite("a.tif", discs(2), imagej=True, metadata={"axes": "CYX"})
    asked = ["segment", "a.tif", "--channel", "1"]
    assert main([*asked, "--boxes", "boxes.csv", "--save-prompts", "-o", "o.tif"]) == 0
    seen = []
    monkeypatch.setattr(
        "napari_samv2_prompts.scripting.replay",
        lambda image, *more, **named: seen.append(image) or np.zeros(image.shape, np.uint16),
    )
    assert main([*asked, "--prompts", "o.prompts.json", "-o", "again.tif"]) == 0
    np.testing.assert_array_equal(seen[0], imread("a.tif")[1])


def test_all_objects_of_a_channel(bright, monkeypatch, capsys) -> None:
    imwrite("a.tif", discs(2), imagej=True, metadata={"axes": "CYX"})
    seen = []
    monkeypatch.setattr(
        "napari_samv2_prompts.units.files.found_in_tiles",
        lambda predictor, picture, selection: seen.append(picture) or [],
    )
    assert main(["segment", "a.tif", "--all", "--channel", "1", "-o", "o.tif"]) == 0
    np.testing.assert_array_equal(seen[0] > 150, square(1))


def test_a_stack_is_followed_in_its_channel(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("planes.csv").write_text("object,plane,x0,y0,x1,y1\n1,0,10,10,30,30\n")
    stack = RNG.integers(0, 40, (3, 2, 48, 48)).astype(np.uint16)
    stack[:, 1, 10:30, 10:30] += 150
    imwrite("both.ome.tif", stack, photometric="minisblack", metadata={"axes": "ZCYX"})
    ngff_image(tmp_path / "both.zarr", stack, "zcyx", "0.5", ("a", "b"))
    imwrite("one.tif", stack[:, 1], photometric="minisblack", metadata={"axes": "ZYX"})
    asked = ["--through", "z", "--boxes", "planes.csv", "-o"]
    assert main(["segment", "one.tif", *asked, "expected.tif"]) == 0
    expected = imread("expected.tif")
    assert expected.shape == (3, 48, 48)
    for name in ("both.ome.tif", "both.zarr"):
        assert main(["segment", name, *asked, "o.tif"]) == 1
        assert "2 channels: say which one" in capsys.readouterr().err
        assert main(["segment", name, "--channel", "1", *asked, "o.tif"]) == 0
        np.testing.assert_array_equal(imread("o.tif"), expected)
        labels = segment_stack(name, boxes="planes.csv", channel=1)
        np.testing.assert_array_equal(labels, expected)
        # as workers open it
        opened = open_image(name).of_channel("1")
        seen = SimpleNamespace(planes=np.asarray(opened.data), limits=None)
        with StackFile.of(opened.path, (0, 1, 2), seen, opened.channel).opened() as there:
            np.testing.assert_array_equal(there.planes[1, 0:48, 0:48], stack[1, 1])


def test_what_a_reader_plugin_says_of_channels() -> None:
    assert _told_channels({"channel_axis": 0, "name": ["a", "b"]}, 3) == ("cyx", ("a", "b"))
    assert _told_channels({"channel_axis": 1}, 4) == ("?cyx", ())
    assert _told_channels({"channel_axis": -1}, 3) == ("yxc", ())
    for meta in ({}, {"channel_axis": 7}, {"channel_axis": None}):
        assert _told_channels(meta, 3) == ("", ())


def test_numbers_and_names() -> None:
    assert channel_of(None, 0, (), bytes_=True) is None
    assert channel_of(None, 1, (), bytes_=False) == 0
    assert channel_of(None, 3, (), bytes_=True) == channel_of("RGB", 3, (), bytes_=False)
    assert channel_of("1", 3, ("1", "0"), bytes_=True) == 0  # a name is one before a number is
    assert channel_of(2, 3, (), bytes_=True) == 2
    with pytest.raises(ValueError, match="say which one"):
        channel_of(None, 3, (), bytes_=False)


def test_what_is_beside_the_colours_and_no_alpha_is_told(bright, capsys) -> None:
    pixels = RNG.integers(0, 255, (30, 40, 4)).astype(np.uint8)
    imwrite("nir.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    imwrite("alpha.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    for name, words in (("nir.tif", "nir.tif has 1 channel beside its colours"), ("alpha.tif", "")):
        assert main(["segment", name, "--boxes", "boxes.csv", "-o", "o.tif"]) == 0
        told = capsys.readouterr().err
        assert words in told
        assert ("beside" in told) == (words != "")
    np.testing.assert_array_equal(open_image("nir.tif").of_channel(3).data, pixels[..., 3])
