"""Keeping what was asked of the model, so that it can be saved: which steps led to which labels.

Not here: the file (``records``), doing the steps again (``replaying``, ``saving.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from napari_samv2_prompts.engine import (
    ModelChoice,
    Place,
    Removal,
    Request,
    Results,
    Session,
)
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.io.records import Accept, Ask, Choose, Picture, Predict, Remove, Step
from napari_samv2_prompts.masks import Policy

from .events import Connections

__all__ = ["Recorder", "unpacked"]

# The models of the file are built when they are imported, which takes a sixth of the time that
# the window opens in: they wait for the first step.


def _packed(step: Step) -> str:
    """Return a step in few bytes: masks are large."""
    from napari_samv2_prompts.io.record_files import packed_step

    return packed_step(step)


def unpacked(noted: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps that a recorder noted."""
    from napari_samv2_prompts.io.record_files import unpacked_step

    return tuple(unpacked_step(step) for step in noted)


class Recorder:
    """Listens to a session and remembers the steps for each Labels layer.

    Parameters
    ----------
    session : Session
    policy : callable
        What masks do to labels now.
    """

    def __init__(self, session: Session, policy: Callable[[], Policy]) -> None:
        self._policy = policy
        self._steps: dict[UUID | None, list[str]] = {}  # packed: masks are large
        self._links = Connections()
        self._links.add(self._on_decoded, session.decoded)
        self._links.add(self._on_removed, session.removed)

    def noted(self, labels: UUID) -> tuple[str, ...]:
        """Return the steps that led to the labels of a layer, for :func:`unpacked`."""
        return tuple(self._steps.get(labels, ()))

    def resume(self, labels: UUID, steps: Iterable[Step]) -> None:
        """Go on from steps that were done without the session."""
        self._steps[labels] = [_packed(step) for step in steps]

    def accepted(self, objects: Iterable[int]) -> None:
        """Take note that labels were kept and their prompts cleared."""
        gone = frozenset(objects)
        for steps in self._steps.values():
            steps.append(_packed(Accept(tuple(sorted(gone)))))

    def close(self) -> None:
        """Listen no more; idempotent."""
        self._links.close()

    def _on_decoded(self, results: Results) -> None:
        plane = results.place.plane
        if results.is_choice:
            for item in results.items:
                self._add(results.place, Choose(plane, item.object, item.chosen))
        elif results.request is not None:
            self._add(results.place, self._predict(plane, results.request))

    def _predict(self, plane: Plane, request: Request) -> Predict:
        view = request.view
        limits, gamma = view.contrast or (None, 1.0)
        return Predict(
            plane,
            tuple(Ask.of(prompt) for prompt in request.prompts),
            Picture(limits, gamma, view.region, view.side, channels=view.contrast is None),
            # Where the model ran, and where its file lay, is another machine's business.
            ModelChoice(request.model.name, request.model.checkpoint),
            self._policy(),
        )

    def _on_removed(self, removal: Removal) -> None:
        self._add(removal.place, Remove(removal.objects, removal.place.plane))

    def _add(self, place: Place, step: Step) -> None:
        self._steps.setdefault(place.labels, []).append(_packed(step))
