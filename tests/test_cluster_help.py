"""A cluster does what the window was asked for, which neither waits for it nor needs it.

Not in tests/qt, where the readers that napari comes with are not to be had.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from tests.fakes import Factory, SyncRunner, place
from tests.propagation.fakes import BrightEmbedding
from tests.qt.stack_bench import Bright
from tifffile import imwrite

from napari_samv2_prompts._qt import cluster as qt_cluster
from napari_samv2_prompts._qt.cluster import ClusterHelp, seen_file
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.engine import (
    EmbeddingCache,
    EmbeddingStore,
    Generation,
    Job,
    ModelChoice,
    Propagation,
    Request,
    Session,
    Task,
    Tools,
)
from napari_samv2_prompts.io.opening import choose_reader
from napari_samv2_prompts.layers import image_view
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import PromptBatch
from napari_samv2_prompts.propagation import Wanted
from napari_samv2_prompts.regions import InputSides
from napari_samv2_prompts.tile_search import TileSearches
from napari_samv2_prompts.tiles import tiles_of
from napari_samv2_prompts.units.cluster import LOST
from napari_samv2_prompts.units.embeddings import planes_of
from napari_samv2_prompts.units.parts import Failure
from napari_samv2_prompts.units.unit import Outcome

NANO = ModelChoice()
FILM = np.full((20, 60, 70), 40, np.uint8)
ROWS, COLUMNS = np.mgrid[:60, :70]
for number in range(20):  # a bright disc that moves right
    FILM[number][(ROWS - 20) ** 2 + (COLUMNS - 20 - number) ** 2 <= 49] = 200
FILM += np.random.default_rng(0).integers(0, 20, FILM.shape).astype(np.uint8)
PLANES = planes_of(FILM.shape)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    imwrite(tmp_path / "film.tif", FILM, photometric="minisblack")
    choose_reader(tmp_path / "film.tif")  # finds the readers that napari comes with
    (layer,) = ViewerModel().open(str(tmp_path / "film.tif"), plugin="napari")
    return layer


@pytest.fixture
def told(monkeypatch) -> list[str]:
    said: list[str] = []
    for name in ("show_info", "show_warning"):
        monkeypatch.setattr(qt_cluster, name, said.append)
    return said


class Cluster:
    """A cluster that does everything at once; `leaves` after so many parts."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.units: list = []
        self.stores: list = []
        self.models: list = []
        self.leaves, self.fails = 1000, ""

    @contextmanager
    def client(self, scheduler: str) -> Iterator[None]:
        self.addresses.append(scheduler)
        if self.leaves < 0:
            raise OSError(f"There is no dask scheduler at {scheduler} (timed out).")
        yield

    def run_on(self, client, units, settings, *, check):
        self.models.append(settings)
        for unit in units:
            self.units.append(unit)
            yield Outcome(unit, objects=len(unit.planes))

    def parts_on(self, client, units, settings, *, store=None, check):
        self.stores.append(store)
        self.models.append(settings)
        for unit in units:
            self.units.append(pickle.loads(pickle.dumps(unit)))
            if self.fails:
                yield Failure(f"{unit.name}: {self.fails}")
                continue
            tools = Tools(Bright(), EmbeddingCache(0), None, NANO, Task(Job(0, lambda task: None)))
            for part in self.units[-1].parts(tools):
                if not self.leaves:
                    raise OSError(LOST)
                self.leaves -= 1
                yield part


@pytest.fixture
def cluster(monkeypatch) -> Cluster:
    cluster, package = Cluster(), "napari_samv2_prompts.units.cluster"
    monkeypatch.setattr(f"{package}.cluster_client", cluster.client)
    monkeypatch.setattr(f"{package}.run_on", cluster.run_on)
    monkeypatch.setattr("napari_samv2_prompts.units.parts.parts_on", cluster.parts_on)
    return cluster


def help_at(image: Image, address: str = "host:8786", rendering: str = "displayed") -> ClusterHelp:
    seen = partial(seen_file, image, rendering, [image])
    return ClusterHelp(SyncRunner(), lambda: address, seen)


# --- planes to embed ---


def test_nothing_is_connected_to_unless_an_address_was_typed(image, cluster, told, tmp_path):
    help_at(image, "").embed_planes(image, NANO, EmbeddingStore(tmp_path / "s"))
    assert cluster.addresses == told == []


def test_all_planes_go_out_in_the_contrast_of_the_window_the_last_first(
    image, cluster, told, tmp_path
):
    image.contrast_limits, image.gamma = (10, 200), 0.5
    help_at(image).embed_planes(image, NANO, EmbeddingStore(tmp_path / "store"))
    assert cluster.addresses == ["host:8786"]
    assert [(unit.seen.limits, unit.seen.gamma) for unit in cluster.units] == [((10, 200), 0.5)] * 3
    assert {unit.seen.reader for unit in cluster.units} == {"napari"}, "as the window read it"
    assert [unit.planes[0].index[0] for unit in cluster.units] == [16, 8, 0]
    assert {unit.folder for unit in cluster.units} == {tmp_path / "store"}
    assert told == ["SAMV2 Prompts: The cluster has embedded 20 planes."]


def test_a_lost_cluster_is_a_sentence_and_this_computer_goes_on(image, cluster, told, tmp_path):
    cluster.leaves = -1
    store = EmbeddingStore(tmp_path / "store")
    help_at(image, "nowhere:1").embed_planes(image, NANO, store)
    assert len(told) == 1
    assert "There is no dask scheduler at nowhere:1" in told[0]
    assert told[0].endswith("Planes are embedded on this computer alone.")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("no folder", "needs a folder for embeddings"),
        ("no file", "was not opened from a file"),
        ("channels", "one channel"),
    ],
)
def test_what_workers_can_not_do_is_a_sentence(change, said, image, cluster, told, tmp_path):
    store = None if change == "no folder" else EmbeddingStore(tmp_path / "s")
    shown = Image(FILM) if change == "no file" else image
    look = "channels" if change == "channels" else "displayed"
    help_at(shown, rendering=look).embed_planes(shown, NANO, store)
    assert cluster.addresses == []
    assert len(told) == 1
    assert said in told[0]
    assert told[0].endswith("It is done on this computer alone.")


# --- tiles to search, objects to follow: as if the session did it ---


@pytest.fixture
def window(image) -> SimpleNamespace:
    """A session that shows plane 0 of the film, and how many pictures it embedded itself."""
    image.contrast_limits = (0, 255)
    factory = Factory()
    factory.predictor = Bright()
    session = Session(factory, SyncRunner())
    views = [image_view(image, plane) for plane in PLANES]
    session.update(Request(views[0], place(), NANO, PromptBatch(())))
    factory.predictor.sizes.clear()
    return SimpleNamespace(
        session=session, views=views, image=image, embedded=factory.predictor.sizes
    )


def propagation(window: SimpleNamespace) -> Propagation:
    disc = (ROWS - 20) ** 2 + (COLUMNS - 20) ** 2 <= 49
    anchors = {3: {0: MaskCrop(13, 13, disc[13:28, 13:28])}}
    return Propagation(
        window.views, NANO, InputSides(64, 1024), lambda: anchors, Wanted(0, 19)
    )  # fmt: skip


def boxes(request: Propagation) -> dict:
    return {p: (s.crop.box, s.score, s.doubt) for p, s in request.found.sections[3].items()}


@pytest.mark.parametrize("leaves", [1000, 7, 0, -1])
def test_objects_are_followed_there_as_here_and_what_is_left_is_followed_here(
    leaves, window, cluster, told
):
    here, there = propagation(window), propagation(window)
    window.session.propagate(here)
    assert len(boxes(here)) == 19
    window.embedded.clear()
    news = []
    window.session.propagated.connect(news.append)
    cluster.leaves = leaves
    help_at(window.image).follow(window.session, there, PLANES)
    assert boxes(there) == boxes(here)
    assert [update.finished for update in news].index(True) == len(news) - 1
    assert news[-2].done == news[-2].total
    assert len(window.embedded) == (0 if leaves == 1000 else 19 - max(0, leaves))
    said = ["SAMV2 Prompts: " + LOST + " This computer goes on with it."]
    assert told == ([] if leaves == 1000 else said) or leaves < 0
    assert window.session.propagation is None


@pytest.fixture
def generation(window, monkeypatch) -> Generation:
    """A search of two tiles that finds how bright a tile is, how much of it is taken, the like."""

    def find(predictor, embedding, search, *, taken, example, known):
        if not known:
            covered = None if taken is None else int(taken.sum())
            yield float(embedding.image.mean()), covered, int(example.area)
        yield ("more",)

    monkeypatch.setattr("napari_samv2_prompts.samv2.find_all.find_all", find)
    monkeypatch.setattr(BrightEmbedding, "image_size", (60, 40), raising=False)
    tiles = tiles_of((60, 70), 40, 10)
    assert len(tiles) == 2
    covered = np.zeros((60, 70), bool)
    covered[10:20, 0:5] = True

    def taken(region):
        return covered[region.top : region.bottom, region.left : region.right]

    square = MaskCrop(0, 2, np.ones((4, 4), bool))
    searches = TileSearches(Selection(), tuple(tiles), taken, square)
    views = [window.views[5].within(tile.region, 64) for tile in tiles]
    return Generation(views, place(), NANO, searches)


@pytest.mark.parametrize("leaves", [1000, 4, 1])
def test_tiles_are_searched_there_as_here(leaves, window, generation, cluster, told):
    here, there = replace(generation, found={}, done=set()), generation
    window.session.generate(here)
    cluster.leaves = leaves
    help_at(window.image).search_tiles(window.session, there, PLANES[5])
    assert there.found == here.found
    assert here.found[0][1:] == [50, 16, "more"]
    assert there.done == here.done == {0, 1}
    assert len(cluster.units) == 2 if leaves == 1000 else told


def test_another_picture_than_the_one_in_the_window_is_not_searched(
    window, generation, cluster, told
):
    window.image.data[:] = 7  # the user's own doing, not in the file
    help_at(window.image).search_tiles(window.session, generation, PLANES[5])
    assert "film.tif holds another picture than the window shows" in told[0]
    assert told[0].endswith("This computer goes on with it.")
    assert generation.found[0][0] < 30, "what the window shows was searched"


def test_what_fails_there_is_named_and_done_here(window, generation, cluster, told):
    cluster.fails = "its pixels can't be read."
    help_at(window.image).search_tiles(window.session, generation, PLANES[5])
    assert told == [
        "SAMV2 Prompts: film.tif, tile 1: its pixels can't be read. And 1 more. "
        "This computer goes on with it."
    ]
    assert generation.done == {0, 1}


def test_what_was_stopped_takes_nothing_more(window, generation, cluster):
    cluster_help = help_at(window.image)
    window.session.generated.connect(lambda update: cluster_help.stop())
    cluster_help.search_tiles(window.session, generation, PLANES[5])
    assert len(generation.found[0]) == 3, "one part, then the stop"
    assert window.session.generation is generation


def test_workers_stand_elsewhere_so_they_are_told_whole_paths(
    window, cluster, told, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (film,) = ViewerModel().open("film.tif", plugin="napari")
    own, store = replace(NANO, checkpoint=Path("own.pt")), EmbeddingStore(Path("store"))
    window.session.set_store(store)
    request = replace(propagation(window), model=own)
    help_at(film).embed_planes(film, own, store)
    help_at(film).follow(window.session, request, PLANES)
    assert told == ["SAMV2 Prompts: The cluster has embedded 20 planes."]
    assert {unit.seen.image for unit in cluster.units} == {tmp_path / "film.tif"}
    assert {unit.folder for unit in cluster.units[:-1]} == {*cluster.stores} == {tmp_path / "store"}
    assert {model.checkpoint for model in cluster.models} == {tmp_path / "own.pt"}


# --- in the window ---


def test_the_buttons_send_work_to_the_address_that_was_typed(
    make_napari_viewer, image, monkeypatch, tmp_path
):
    asked: list[str] = []
    monkeypatch.setattr(ClusterHelp, "start", lambda self, *given: asked.append(self._address()))
    viewer = make_napari_viewer()
    viewer.add_layer(image)
    widget = SAMV2PromptsWidget(viewer, make_predictor=Factory())
    viewer.window.add_dock_widget(widget)
    widget.new_prompt_layers()
    widget.labels.value.data[0, 20:30, 20:30] = 1
    widget._form.embeddings.folder = tmp_path / "store"
    widget._open.controller.refresh()
    for address in ("", " host:8786 "):
        widget._form.embeddings.cluster.setText(address)
        widget.embed_all_planes()
        widget.find_all()
        widget._open.find_all.cancel()
        widget.propagate([1])
        widget.cancel_propagation()
        widget.embed_all_planes(False)
        assert asked == ["host:8786"] * 3 if address else asked == []
    widget.close()
