"""A session that embeds planes ahead, and what tests see of that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tests.engine.watched import NANO
from tests.fakes import Factory, FakeView, ManualRunner, place

from napari_samv2_prompts.engine import AllPlanes, Request, Session, Status
from napari_samv2_prompts.engine.cache import EmbeddingKey
from napari_samv2_prompts.prompts import Prompt, PromptBatch


class Plane(FakeView):
    """A view whose pixels differ from those of the others."""

    edited = 0

    def read(self) -> np.ndarray:
        return super().read() + np.uint8(self.picture + self.edited)


class Work:
    """A session on planes 0, 1, 2, ...; each embedding takes 1 MB."""

    def __init__(self, runner=None, planes: int = 6, **arguments) -> None:
        self.runner = runner or ManualRunner()
        self.factory = Factory()
        self.session = Session(self.factory, self.runner, **arguments)
        self.views = tuple(Plane(i, (8, 8)) for i in range(planes))
        self.statuses: list[Status] = []
        self.session.status_changed.connect(self.statuses.append)

    def show(
        self, at: int, *prompts: Prompt, ahead: Sequence[int] = (), all_: bool = False,
        live: bool = True,
    ) -> None:  # fmt: skip
        views = tuple(self.views[i] for i in ahead)
        planes = self.views if all_ else ()
        self.session.update(
            Request(self.views[at], place(at), NANO, PromptBatch(prompts), live, views, planes)
        )

    def ready(self, at: int, **wishes) -> None:
        """Show a plane and let model and plane be done, and nothing ahead."""
        self.show(at, **wishes)
        while self.session.status.busy:
            self.runner.finish(0)

    @property
    def kept(self) -> set[int]:
        cache = self.session.cache
        return {v.picture for v in self.views if EmbeddingKey.of(v, NANO) in cache}

    @property
    def embedded(self) -> list[int]:
        """Planes that the model saw, in order."""
        return [int(image[0, 0, 0]) for image in self.factory.predictor.images]

    @property
    def planes(self) -> AllPlanes:
        planes = self.session.status.planes
        assert planes is not None
        return planes
