"""All planes embedded from the command line: the window then has nothing to embed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from tests.ngff import image as ngff_image
from tifffile import imwrite

from napari_samv2_prompts import embed_stack
from napari_samv2_prompts.cli import main
from napari_samv2_prompts.engine import EmbeddingStore, Job, Task
from napari_samv2_prompts.engine.embed import embed
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import image_view
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

RNG = np.random.default_rng(0)
FILM = RNG.integers(100, 3000, (2, 3, 60, 80)).astype(np.uint16)


@pytest.fixture(scope="module")
def predictor() -> SAMV2ImagePredictor:
    return SAMV2ImagePredictor(device="cpu")


@pytest.fixture
def embedded(monkeypatch) -> list[tuple[int, ...]]:
    """What was embedded, by its shape, in no time."""
    done: list[tuple[int, ...]] = []
    real = SAMV2ImagePredictor.embed
    kept: list = []

    def quick(self, picture, progress=None, image_size=None):
        done.append(picture.shape)
        if not kept:
            kept.append(real(self, picture, progress, image_size))
        return kept[0]

    monkeypatch.setattr(SAMV2ImagePredictor, "embed", quick)
    return done


def all_planes(layer: Image):
    """Yield every plane of a layer as the window views it."""
    rgb = layer.rgb
    data = layer.data[0] if layer.multiscale else layer.data
    shape = data.shape[:-1] if rgb else data.shape
    ndim = len(shape)
    for place in np.ndindex(*shape[:-2]):
        yield Plane((ndim - 2, ndim - 1), (*place, None, None), shape[-2:])


def assert_nothing_to_embed(layer: Image, folder: Path, predictor, contrast="displayed") -> int:
    """Ask for each plane as the window does, with a model that embeds nothing."""
    store = EmbeddingStore(folder)
    count = 0
    for plane in all_planes(layer):
        view = image_view(layer, plane, contrast)
        view = view.within(Region.whole(plane.shape), predictor.variant.largest_side)
        found = embed(predictor, view, Task(Job(0, lambda task: None)), store, needed=False)
        assert found.on_disk
        assert found.embedding is None, "it was embedded again"
        count += 1
    return count


def written(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / ("a.zarr" if kind == "zarr" else "a.tif")
    if kind == "ome":
        path = tmp_path / "a.ome.tif"
        imwrite(path, FILM, metadata={"axes": "TZYX"})
    elif kind == "rgb":
        imwrite(path, RNG.integers(0, 255, (60, 80, 3)).astype(np.uint8))
    elif kind == "zarr":
        ngff_image(path, FILM, "tzyx", "0.4")
    else:
        imwrite(path, FILM[0], photometric="minisblack")
    return path


@pytest.mark.parametrize(("kind", "planes"), [("ome", 6), ("plain", 3), ("rgb", 1), ("zarr", 6)])
def test_the_window_has_nothing_to_embed(
    kind: str, planes: int, tmp_path, predictor, embedded, capsys
) -> None:
    path, store = written(tmp_path, kind), tmp_path / "store"
    arguments = ["embed", str(path), "-o", str(store), "--device", "cpu"]
    assert main(arguments) == 0
    done = "1 plane" if planes == 1 else f"{planes} planes"
    assert f"{done} embedded, 0 there before, 0 left out" in capsys.readouterr().out
    assert len(embedded) == planes
    (layer,) = ViewerModel().open(
        str(path), plugin="napari-ome-zarr" if kind == "zarr" else "napari"
    )
    assert assert_nothing_to_embed(layer, store, predictor) == planes
    assert len(embedded) == planes
    assert main(arguments) == 0
    assert f"0 planes embedded, {planes} there before" in capsys.readouterr().out


def test_percentiles_and_limits_are_the_other_contrasts(tmp_path, predictor, embedded) -> None:
    path = written(tmp_path, "ome")
    list(embed_stack(path, tmp_path / "own", contrast="percentiles", device="cpu"))
    list(embed_stack(path, tmp_path / "set", contrast=(500, 2000), device="cpu"))
    (layer,) = ViewerModel().open(str(path), plugin="napari")
    assert_nothing_to_embed(layer, tmp_path / "own", predictor, "percentiles")
    layer.contrast_limits = (500, 2000)
    assert_nothing_to_embed(layer, tmp_path / "set", predictor)


def test_an_array_is_embedded_here_and_not_sent_to_workers(tmp_path, predictor, embedded) -> None:
    found = list(embed_stack(FILM[0], tmp_path / "store", device="cpu"))
    assert sum(outcome.objects for outcome in found) == 3
    assert_nothing_to_embed(Image(FILM[0]), tmp_path / "store", predictor)
    with pytest.raises(ValueError, match="give the path, not the array"):
        next(embed_stack(FILM[0], tmp_path / "store", client=object()))


def test_what_can_not_be_done_is_a_sentence(tmp_path, embedded, capsys) -> None:
    path = written(tmp_path, "plain")
    for arguments, said in (
        ([str(tmp_path / "gone.tif"), "-o", str(tmp_path / "s")], "There is no file"),
        ([str(path), "-o", str(tmp_path / "no" / "s")], "There is no folder"),
        (
            [str(path), "-o", str(tmp_path / "s"), "--layer", "4"],
            "opens as 1 layer, counted from 0: there is no 4",
        ),
    ):
        assert main(["embed", *arguments]) == 1
        assert said in capsys.readouterr().err
    imwrite(tmp_path / "complex.tif", np.ones((9, 9), np.complex64))
    assert main(["embed", str(tmp_path / "complex.tif"), "-o", str(tmp_path / "s")]) == 1
    assert "complex.tif has values of type complex64, which are no" in capsys.readouterr().err
    (tmp_path / "s").write_text("a file where the folder should be")
    assert main(["embed", str(path), "-o", str(tmp_path / "s"), "--device", "cpu"]) == 1
    assert "is a file: name a folder for the embeddings" in capsys.readouterr().err
    (outcome,) = embed_stack(path, tmp_path / "s", device="cpu")
    assert "Embeddings can't be kept" in outcome.error


def test_a_file_that_no_reader_takes_is_no_readable_image(tmp_path, monkeypatch, capsys) -> None:
    def refuse(path: Path) -> None:
        raise OSError(f"Could not find a backend to open `{path}`: pip install imageio[pyav]")

    monkeypatch.setattr("napari_samv2_prompts.units.embeddings.window_layers", refuse)
    (tmp_path / "text.tif").write_text("hello")
    assert main(["embed", str(tmp_path / "text.tif"), "-o", str(tmp_path / "s")]) == 1
    said = capsys.readouterr().err
    assert "text.tif is not a readable image." in said
    assert "pip install" not in said


@pytest.mark.parametrize("contrast", [(5, 1), (5, 5), "bright", (1, 2, 3)])
def test_a_contrast_that_means_nothing_is_refused(contrast, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither 'displayed' nor 'percentiles' nor the values"):
        list(embed_stack(np.zeros((9, 9), np.uint8), tmp_path / "e", contrast=contrast))
