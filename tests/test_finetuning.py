"""Teaching a model from a script: what of the open layers is learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels
from PIL import Image as Picture
from tifffile import imwrite

from napari_samv2_prompts import pairs_of_layers, train
from napari_samv2_prompts.finetuning import pairs_of_arrays, pairs_of_folder
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor


def discs(planes: int = 3, side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A stack of planes, each with four bright discs, and its labels."""
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((planes, side, side), np.uint8)
    for number, (row, column) in enumerate([(24, 24), (24, 72), (72, 24), (72, 72)], 1):
        labels[:, (y - row) ** 2 + (x - column) ** 2 < 15**2] = number
    return 100.0 + 900.0 * (labels > 0), labels


def test_every_plane_with_labels_is_a_picture_in_the_shown_contrast() -> None:
    image, labels = discs()
    labels[1] = 0
    shown = Image(image, name="cells", contrast_limits=(100, 1900))
    first, last = pairs_of_layers(shown, Labels(labels))
    assert (first.name, last.name) == ("cells 0", "cells 2")
    np.testing.assert_array_equal(last.labels, labels[2])
    assert set(np.unique(last.image)) == {0, 128}


def test_colours_are_no_axis_of_planes() -> None:
    image, labels = discs(2)
    colours = np.repeat((image / 4).astype(np.uint8)[..., None], 3, -1)
    pairs = pairs_of_layers(Image(colours, rgb=True), Labels(labels))
    assert [pair.image.shape for pair in pairs] == [(96, 96, 3)] * 2


def test_of_a_pyramid_the_full_size_is_learnt_from() -> None:
    image, labels = discs(2, 128)
    pyramid = Image([image, image[:, ::2, ::2]], multiscale=True)
    assert [pair.image.shape for pair in pairs_of_layers(pyramid, Labels(labels))] == [
        (128, 128)
    ] * 2


def test_a_single_plane_is_cut_in_four_and_quarters_without_objects_left_out() -> None:
    image, labels = discs(1)
    labels[labels == 4] = 0
    pairs = pairs_of_layers(Image(image[0]), Labels(labels[0]))
    assert [pair.objects().tolist() for pair in pairs] == [[1], [2], [3]]
    assert {pair.image.shape for pair in pairs} == {(48, 48)}


@pytest.mark.parametrize("lowest", [0, 2_000_000_000, 2**63])
def test_numbers_of_objects_may_be_of_any_height(lowest: int) -> None:
    image, labels = discs(2)
    numbers = np.where(labels > 0, labels + np.uint64(lowest), np.uint64(0))
    for pair in pairs_of_layers(Image(image), Labels(numbers)):
        assert pair.objects().tolist() == [lowest + n for n in (1, 2, 3, 4)]
        np.testing.assert_array_equal(pair.counted(), labels[0])


def test_layers_that_do_not_fit_are_refused_in_a_sentence() -> None:
    image, labels = discs()
    with pytest.raises(ValueError, match="as large as their image"):
        pairs_of_layers(Image(image[0]), Labels(labels))
    with pytest.raises(ValueError, match="no labels"):
        pairs_of_layers(Image(image), Labels(np.zeros_like(labels)))


def test_open_layers_become_weights_that_the_list_of_models_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_CACHE", str(tmp_path / "models"))
    image, labels = discs()
    pairs = pairs_of_layers(Image(image), Labels(labels))
    told: list[int] = []
    result = train(
        pairs, tmp_path / "mine.safetensors", steps=2, report=lambda each: told.append(each.step)
    )
    assert result.steps == 2
    assert told == [0, 1, 2]
    assert (tmp_path / "models" / "mine.safetensors").exists()
    assert SAMV2ImagePredictor(checkpoint=tmp_path / "mine.safetensors").variant.name == "nano"


def test_pictures_and_labels_of_a_script_are_pairs(tmp_path: Path) -> None:
    image, labels = discs(2)
    imwrite(tmp_path / "a.tif", image[0])
    imwrite(tmp_path / "a.labels.tif", labels[0].astype(np.float32))
    named, arrays = pairs_of_arrays(
        [(tmp_path / "a.tif", tmp_path / "a.labels.tif"), (image[1].tolist(), labels[1].tolist())]
    )
    assert (named.name, arrays.name) == ("a.tif", "picture 2")
    np.testing.assert_array_equal(named.image, arrays.image)
    np.testing.assert_array_equal(named.labels, arrays.labels)
    assert len(pairs_of_arrays([(image[0], labels[0])])) == 4  # something is to be kept back
    assert pairs_of_arrays([named]) == [named]
    for wrong in ([image[0]], [(image[0],)], [5]):
        with pytest.raises(ValueError, match="Item 1 is no picture with its labels: give pairs"):
            train(wrong, tmp_path / "mine.safetensors")
    with pytest.raises(ValueError, match="The labels of picture 1 are not whole numbers"):
        train([(image[0], labels[0] + 0.5)], tmp_path / "mine.safetensors")


def test_hidden_files_are_neither_pictures_nor_labels(tmp_path: Path) -> None:
    image, labels = discs(1)
    for name, pixels in (("a.tif", image[0]), ("a.labels.tif", labels[0])):
        imwrite(tmp_path / name, pixels)
        (tmp_path / f"._{name}").write_bytes(b"of macOS")
    assert [pair.name for pair in pairs_of_folder(tmp_path)] == ["a"]


def test_labels_that_were_written_beside_ome_tiff_belong_to_them(tmp_path: Path) -> None:
    image, labels = discs(2)
    for n, (name, own) in enumerate((("a.ome.tif", "a.labels.tif"), ("b.tif", "b.labels.ome.tif"))):
        imwrite(tmp_path / name, image[n])
        imwrite(tmp_path / own, labels[n])
    assert [pair.name for pair in pairs_of_folder(tmp_path)] == ["a", "b"]


def test_pictures_of_several_channels_are_learnt_in_one(tmp_path: Path) -> None:
    image, labels = discs(1)
    both = np.stack([image[0].T, image[0] * 2]).astype(np.uint16)
    imwrite(tmp_path / "a.tif", both, imagej=True, metadata={"axes": "CYX"})
    imwrite(tmp_path / "a.labels.tif", labels[0])
    (pair,) = pairs_of_folder(tmp_path, "1")
    assert pair.image[labels[0] > 0].min() > pair.image[labels[0] == 0].max()
    named = (tmp_path / "a.tif", tmp_path / "a.labels.tif")
    np.testing.assert_array_equal(pairs_of_arrays([named, named], 1)[0].image, pair.image)
    with pytest.raises(ValueError, match="it has 2 channels: say which one"):
        list(pairs_of_folder(tmp_path))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_labels_with_a_palette_are_its_entries(ending: str, tmp_path: Path) -> None:
    image, labels = discs(1)
    imwrite(tmp_path / "a.tif", image[0])
    path = tmp_path / f"a.labels.{ending}"
    colours = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)
    if ending == "png":
        picture = Picture.fromarray(labels[0]).convert("P")
        picture.putdata(labels[0].ravel().tolist())
        picture.putpalette(colours.ravel().tolist())
        picture.save(path)
    else:
        table = colours.T.astype(np.uint16) * 257
        imwrite(path, labels[0], photometric="palette", colormap=table)
    (pair,) = pairs_of_folder(tmp_path)
    np.testing.assert_array_equal(pair.labels, labels[0])


def test_weights_that_are_there_are_not_written_over(tmp_path: Path) -> None:
    there = tmp_path / "mine.safetensors"
    there.write_bytes(b"an hour of training")
    with pytest.raises(ValueError, match="is there already: choose another name"):
        train(tmp_path, there, steps=1)
    assert there.read_bytes() == b"an hour of training"
