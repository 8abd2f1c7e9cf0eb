"""Slides in pieces: each object once, the same labels whoever does the tiles, however often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from tests.ngff import VERSIONS, image, read_labels
from tifffile import imread, imwrite
from zarr import open_array

from napari_samv2_prompts import cli
from napari_samv2_prompts.candidates import Candidate, Selection
from napari_samv2_prompts.everything import found_in_tiles, labels_from
from napari_samv2_prompts.io.ome_zarr_labels import sources
from napari_samv2_prompts.io.pixel_size import PixelSize, read_pixel_size
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.units import slides
from napari_samv2_prompts.units.cluster import run_on
from napari_samv2_prompts.units.files import AllUnit
from napari_samv2_prompts.units.ome_zarr import FieldUnit
from napari_samv2_prompts.units.slides import plan_slide
from napari_samv2_prompts.units.unit import ModelSettings, run_units

SIDE = 100
RNG = np.random.default_rng(0)
CPU = ModelSettings(device="cpu")


@dataclass
class Looker:
    """Stands in for the model: tells tiles their size."""

    largest_side: int = SIDE

    @property
    def variant(self) -> Looker:
        return self


def slide() -> np.ndarray:
    """Bright discs everywhere, on the borders of tiles too."""
    picture = np.zeros((330, 270), np.uint8)
    y, x = np.mgrid[:330, :270]
    for row in range(12, 320, 21):
        for column in range(11, 260, 22):
            radius = RNG.integers(4, 9)
            picture[(y - row) ** 2 + (x - column) ** 2 < radius**2] = 200
    return picture


SLIDE = slide()
COUNT = ndimage.label(SLIDE)[1]


def bright(predictor, pixels, tile, selection, taken=None) -> list[Candidate]:
    """Stand in for the search: what is bright and hangs together is an object."""
    labels, _ = ndimage.label(pixels > 100)
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        mask = labels[rows, columns] == number
        crop = MaskCrop(rows.start, columns.start, mask)
        item = Candidate(crop, (columns.start, rows.start), 0.9, 0.9, int(mask.sum()))
        item = item.moved(tile.region.top, tile.region.left)
        if tile.keeps(item.crop.box):
            found.append(item)
    return found


@pytest.fixture(autouse=True)
def quick_search(monkeypatch) -> list[int]:
    """Search in no time; return the tiles that were searched."""
    searched: list[int] = []

    def search(*arguments):
        searched.append(1)
        return bright(*arguments)

    for module in ("everything", "units.slides"):
        monkeypatch.setattr(f"napari_samv2_prompts.{module}.candidates_in", search)
    return searched


def here(units):
    return run_units(units, Looker, "weights")


def tiff(tmp_path: Path, name: str = "labels.tif") -> AllUnit:
    path = tmp_path / "slide.tif"
    if not path.exists():
        imwrite(path, SLIDE, tile=(64, 64), compression="zlib")
    return AllUnit(path, tmp_path / name, Selection(), settings=CPU)


def zarr(tmp_path: Path, version: str) -> FieldUnit:
    path = tmp_path / f"slide-{version}.zarr"
    if not path.exists():
        image(path, SLIDE[None], "cyx", version)
    return FieldUnit(path, path.name, selection=Selection(), settings=CPU)


def work_of(unit):
    work = plan_slide(unit, SIDE, unit.key("weights"))
    assert work is not None
    return work


def segment(unit, run=here):
    work = work_of(unit)
    assert not [outcome.error for outcome in work.find(run) if outcome.error]
    outcome = work.write(run)
    assert not work.parts.exists()
    return outcome


def files(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_each_object_of_a_slide_is_found_once_and_as_in_one_go(tmp_path) -> None:
    outcome = segment(tiff(tmp_path))
    labels = imread(tmp_path / "labels.tif")
    assert outcome.objects == COUNT == labels.max()
    once = labels_from(found_in_tiles(Looker(), SLIDE, Selection()), SLIDE.shape)
    np.testing.assert_array_equal(labels, once)
    np.testing.assert_array_equal(labels > 0, SLIDE > 100)
    true, _ = ndimage.label(SLIDE)
    pairs = {(int(a), int(b)) for a, b in zip(true.ravel(), labels.ravel(), strict=True)}
    assert len(pairs) == COUNT + 1, "an object has two numbers, or a number two objects"


@pytest.mark.parametrize("version", VERSIONS)
def test_blocks_and_levels_of_labels_are_those_of_all_in_one(
    tmp_path, version, monkeypatch
) -> None:
    monkeypatch.setattr(slides, "BLOCK", 64)
    monkeypatch.setattr("napari_samv2_prompts.io.ome_zarr_labels.CHUNK", 64)
    unit = zarr(tmp_path, version)
    assert segment(unit).objects == COUNT
    once = labels_from(found_in_tiles(Looker(), SLIDE, Selection()), SLIDE.shape)
    full = read_labels(unit.image, "samv2")
    assert full.chunks == (64, 64)
    np.testing.assert_array_equal(full, once)
    level = open_array(unit.image / "labels" / "samv2" / "1", mode="r")
    rows, columns = (sources(a, b) for a, b in zip(once.shape, level.shape, strict=True))
    np.testing.assert_array_equal(level, once[np.ix_(rows, columns)])
    assert unit.standing(unit.key("weights")) == "done"


def test_a_tiff_file_has_the_pixel_size_of_a_slide_in_ome_zarr(tmp_path) -> None:
    image(tmp_path / "slide.zarr", SLIDE, "yx", "0.5")
    unit = AllUnit(tmp_path / "slide.zarr", tmp_path / "labels.tif", Selection(), settings=CPU)
    segment(unit)
    assert read_pixel_size(tmp_path / "labels.tif") == PixelSize(0.5, 0.25)


def test_workers_find_the_same_bit_for_bit(tmp_path) -> None:
    from distributed import Client, LocalCluster

    segment(tiff(tmp_path))
    segment(zarr(tmp_path, "0.5"))
    expected = (tmp_path / "labels.tif").read_bytes(), files(tmp_path / "slide-0.5.zarr" / "labels")
    for workers in (1, 2, 4):
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=":0"
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):

            def there(units, client=client):
                return run_on(client, units, CPU)

            segment(tiff(tmp_path), there)
            segment(zarr(tmp_path, "0.5"), there)
        assert (tmp_path / "labels.tif").read_bytes() == expected[0]
        assert files(tmp_path / "slide-0.5.zarr" / "labels") == expected[1]


def test_a_slide_that_was_left_in_the_middle_goes_on(tmp_path, quick_search) -> None:
    work = work_of(tiff(tmp_path))
    tiles = work.find(here)
    for _ in range(5):
        next(tiles)
    tiles.close()
    damaged = next(work.parts.glob("2.npz"))
    damaged.write_bytes(damaged.read_bytes()[:40])
    assert not (tmp_path / "labels.tif").exists()
    quick_search.clear()
    segment(tiff(tmp_path))
    assert len(quick_search) == len(work.tiles) - 4
    whole = (tmp_path / "labels.tif").read_bytes()
    segment(tiff(tmp_path))
    assert (tmp_path / "labels.tif").read_bytes() == whole


def test_other_options_are_other_tiles(tmp_path, quick_search) -> None:
    list(work_of(tiff(tmp_path)).find(here))
    quick_search.clear()
    imwrite(tmp_path / "slide.tif", SLIDE // 2 + 100)
    list(work_of(tiff(tmp_path)).find(here))
    assert quick_search


def test_a_slide_that_is_not_there_is_a_sentence(tmp_path, capsys) -> None:
    missing = str(tmp_path / "gone.tif")
    assert cli.main(["segment", missing, "--all", "-o", str(tmp_path / "x.tif")]) == 1
    assert f"There is no file {missing}." in capsys.readouterr().err


def test_the_command_line_goes_by_tiles(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(cli.segment_all, "find_variant", lambda name: Looker())
    monkeypatch.setattr(cli.workers, "predictor", lambda options: Looker())
    unit = tiff(tmp_path, "x.tif")
    assert cli.main(["segment", str(unit.image), "--all", "-o", str(tmp_path / "x.tif")]) == 0
    assert f"{COUNT} objects in 20 tiles" in capsys.readouterr().out
    assert imread(tmp_path / "x.tif").max() == COUNT
    field = zarr(tmp_path, "0.4")
    assert cli.main(["segment", str(field.image), "--all"]) == 0
    assert f"{COUNT} objects in 20 tiles" in capsys.readouterr().out
    assert cli.main(["segment", str(field.image), "--all"]) == 0
    assert "1 done before" in capsys.readouterr().out
    real = slides.write_candidates

    def full_disk(path, found, key):
        if path.name == "3.npz":
            raise OSError(28, "No space left on device")
        real(path, found, key)

    monkeypatch.setattr(slides, "write_candidates", full_disk)
    assert cli.main(["segment", str(unit.image), "--all", "-o", str(tmp_path / "y.tif")]) == 1
    told = capsys.readouterr().err
    assert "slide.tif, tile 4: [Errno 28] No space left on device" in told
    assert "1 of 20 tiles not done: run it again to go on." in told
    assert not (tmp_path / "y.tif").exists()
    monkeypatch.setattr(slides, "write_candidates", real)
    assert cli.main(["segment", str(unit.image), "--all", "-o", str(tmp_path / "y.tif")]) == 0
    assert (tmp_path / "y.tif").read_bytes() == (tmp_path / "x.tif").read_bytes()
