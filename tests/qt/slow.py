"""A model that takes as long as a test wants, in worker threads that end with it."""

from __future__ import annotations

import threading
import time

from qtpy.QtWidgets import QApplication
from tests.fakes import Factory, FakePredictor


class SlowPredictor(FakePredictor):
    """Embeds until it is told to stop, or until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.go = threading.Event(), threading.Event()

    def embed(self, image, progress=None, image_size=None):
        self.started.set()
        while not self.go.wait(0.005):
            progress(0.5)
        return super().embed(image, None, image_size)


def slow() -> Factory:
    factory = Factory()
    factory.predictor = SlowPredictor()
    return factory


def workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("samv2-prompts")]


def wait_for(event: threading.Event, timeout: float = 60) -> bool:
    end = time.monotonic() + timeout
    while not event.is_set() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.002)
    return event.is_set()
