from __future__ import annotations

import gc
import gzip
import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from tests.stand_in import BoxPredictor, stand_in

# Other work on the machine may slow a single example down; that is not a failure.  A check of a
# change always tries the same examples, so that it fails because of the change; by hand new ones.
settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("here")

Layouts = dict[str, dict[str, list[int]]]


# Most of what tests make goes without the collector; what is imported is much to look at in vain.
gc.set_threshold(20_000, 20, 100)
_frozen = 0  # modules at the last freeze

_WINDOWS = {"make_napari_viewer", "make_napari_viewer_proxy", "qapp", "qtbot"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take how long a test of ``-m slow`` that can go on for ever shall go on."""
    parser.addoption("--minutes", type=float, default=1.0, help="for each reader of files")


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    """How long to go on."""
    return float(request.config.getoption("--minutes"))


@pytest.fixture
def qtbot(qtbot):
    """Wait longer than by default: on a slow machine a test takes longer, and does not fail."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=60_000)
    qtbot.waitSignal = partial(qtbot.waitSignal, timeout=60_000)
    return qtbot


@pytest.fixture(scope="session")
def layouts() -> Layouts:
    """Names and shapes of the tensors in the published checkpoints, by variant."""
    path = Path(__file__).parent / "data" / "checkpoint_layouts.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


@pytest.fixture
def predictor(monkeypatch: pytest.MonkeyPatch) -> type[BoxPredictor]:
    """A stand-in for the network, where tests have no predictor of their own."""
    return stand_in(monkeypatch)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small work is fastest, and bit for bit the same, on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def settings_of_this_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep what widgets remember away from the user's own settings, and from other tests."""
    path = tmp_path / "settings" / "settings.json"
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_SETTINGS", str(path))
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what opens a window where there is no display to open it on."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    skip = pytest.mark.skip(reason="opens a napari window, and there is no display")
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if _WINDOWS.intersection(fixtures):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def imported_modules_are_no_garbage() -> None:
    """Let the collector look no more at what is imported by now, which is most of what there is.

    Each window ends with several collections of everything; the first one imports a lot.
    """
    global _frozen
    if len(sys.modules) > _frozen + 50:
        gc.collect()
        gc.freeze()
        _frozen = len(sys.modules)
