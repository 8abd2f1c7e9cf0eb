"""A cluster embeds planes beside the window, which neither waits for it nor needs it.

Not in tests/qt, where the readers that napari comes with are not to be had.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from tests.fakes import Factory, SyncRunner
from tifffile import imwrite

from napari_samv2_prompts._qt import cluster_help
from napari_samv2_prompts._qt.cluster_help import ClusterHelp
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.engine import EmbeddingStore, ModelChoice
from napari_samv2_prompts.io.opening import choose_reader
from napari_samv2_prompts.units import Outcome

FILM = np.random.default_rng(0).integers(0, 4000, (20, 30, 40)).astype(np.uint16)


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
        monkeypatch.setattr(cluster_help, name, said.append)
    return said


@pytest.fixture
def sent(monkeypatch) -> list:
    """What was sent, and to where: a cluster that does everything at once."""
    units: list = []

    @contextmanager
    def client(scheduler: str):
        units.append(scheduler)
        yield None

    def run_on(client, wanted, settings):
        for unit in wanted:
            units.append(unit)
            yield Outcome(unit, objects=len(unit.planes))

    monkeypatch.setattr("napari_samv2_prompts.cluster.cluster_client", client)
    monkeypatch.setattr("napari_samv2_prompts.cluster.run_on", run_on)
    return units


def test_nothing_is_connected_to_unless_an_address_was_typed(image, sent, told, tmp_path) -> None:
    help_ = ClusterHelp(SyncRunner())
    help_.start("", image, "displayed", ModelChoice(), EmbeddingStore(tmp_path / "s"))
    assert sent == told == []


def test_all_planes_go_out_in_the_contrast_of_the_window_the_last_first(
    image, sent, told, tmp_path
) -> None:
    image.contrast_limits = (100, 2000)
    store = EmbeddingStore(tmp_path / "store")
    ClusterHelp(SyncRunner()).start("host:8786", image, "displayed", ModelChoice(), store)
    address, *units = sent
    assert address == "host:8786"
    assert [unit.limits for unit in units] == [(100, 2000)] * 3
    assert [unit.planes[0].index[0] for unit in units] == [16, 8, 0]
    assert {unit.folder for unit in units} == {tmp_path / "store"}
    assert told == ["SAMV2 Prompts: The cluster has embedded 20 planes."]


def test_a_lost_cluster_is_a_sentence_and_this_computer_goes_on(
    image, told, tmp_path, monkeypatch
) -> None:
    @contextmanager
    def lost(scheduler: str):
        raise OSError(f"There is no dask scheduler at {scheduler} (timed out).")
        yield

    monkeypatch.setattr("napari_samv2_prompts.cluster.cluster_client", lost)
    store = EmbeddingStore(tmp_path / "store")
    ClusterHelp(SyncRunner()).start("nowhere:1", image, "displayed", ModelChoice(), store)
    assert len(told) == 1
    assert "There is no dask scheduler at nowhere:1" in told[0]
    assert told[0].endswith("Planes are embedded on this computer alone.")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("no folder", "needs a folder for embeddings"),
        ("no file", "was not opened from a file"),
        ("channels", "one channel"),
        ("gamma", "no gamma"),
    ],
)
def test_what_workers_can_not_do_is_a_sentence(change, said, image, sent, told, tmp_path) -> None:
    store = None if change == "no folder" else EmbeddingStore(tmp_path / "s")
    image.gamma = 0.5 if change == "gamma" else 1
    shown = Image(FILM) if change == "no file" else image
    look = "channels" if change == "channels" else "displayed"
    with pytest.raises(ValueError, match=said):
        ClusterHelp(SyncRunner()).start("host:1", shown, look, ModelChoice(), store)
    assert sent == []


def test_the_button_sends_planes_to_the_address_that_was_typed(
    make_napari_viewer, monkeypatch
) -> None:
    asked = []
    monkeypatch.setattr(ClusterHelp, "start", lambda self, *given: asked.append(given))
    viewer = make_napari_viewer()
    image = viewer.add_image(np.zeros((3, 40, 50)), name="film")
    widget = SAMV2PromptsWidget(viewer, make_predictor=Factory())
    viewer.window.add_dock_widget(widget)
    widget.embed_all_planes()
    assert asked[-1][0] == "", "an address that nobody typed"
    widget._form.embeddings.cluster.setText(" host:8786 ")
    widget.embed_all_planes()
    assert asked[-1][:3] == ("host:8786", image, "displayed")
    widget.embed_all_planes(False)
    assert asked[-1][0] == ""
