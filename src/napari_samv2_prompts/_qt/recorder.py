"""Keeping what was asked of the model, so that it can be saved: which steps led to which labels.

Not here: the file (``records``), doing the steps again (``replaying``, ``saving.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from napari_samv2_prompts.engine import ModelChoice, Removal, Results, Session
from napari_samv2_prompts.io.records import Accept, Ask, Choose, Picture, Predict, Remove, Step
from napari_samv2_prompts.io.strict_json import decode, encode
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.prompts import ItemMasks

from .binding import Connections
from .wishes import Place

if TYPE_CHECKING:
    from napari_samv2_prompts.images import ImageView

__all__ = ["Recorder", "unpacked"]


def unpacked(noted: Iterable[Any]) -> tuple[Step, ...]:
    """Return the steps that a recorder noted."""
    return tuple(decode(Step, step) for step in noted)


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
        self._steps: dict[UUID | None, list[Any]] = {}  # packed: masks are large
        self._masks: dict[tuple[object, int], ItemMasks] = {}  # the last ones, to tell a choice
        self._links = Connections()
        self._links.add(self._on_decoded, session.decoded)
        self._links.add(self._on_removed, session.removed)

    def noted(self, labels: UUID) -> tuple[Any, ...]:
        """Return the steps that led to the labels of a layer, for :func:`unpacked`."""
        return tuple(self._steps.get(labels, ()))

    def resume(self, labels: UUID, steps: Iterable[Step]) -> None:
        """Go on from steps that were done without the session."""
        self._steps[labels] = [encode(step) for step in steps]

    def accepted(self, objects: Iterable[int]) -> None:
        """Take note that labels were kept and their prompts cleared."""
        gone = frozenset(objects)
        self._masks = {key: masks for key, masks in self._masks.items() if key[1] not in gone}
        for steps in self._steps.values():
            steps.append(encode(Accept(tuple(sorted(gone)))))

    def close(self) -> None:
        """Listen no more; idempotent."""
        self._links.close()
        self._masks.clear()

    def _on_decoded(self, results: Results) -> None:
        place = results.snapshot.place
        if not isinstance(place, Place):
            return
        chosen = [i for i in results.items if self._masks.get((place, i.object)) is i.masks]
        self._masks.update({(place, item.object): item.masks for item in results.items})
        for item in chosen:
            self._add(place, Choose(place.plane, item.object, item.chosen))
        asked = {i.object for i in results.items} - {i.object for i in chosen}
        if asked:
            self._add(place, self._predict(place, results, asked))

    def _predict(self, place: Place, results: Results, asked: set[int]) -> Predict:
        snapshot = results.snapshot
        view: ImageView = snapshot.view  # type: ignore[assignment]
        limits, gamma = view.contrast or (None, 1.0)
        return Predict(
            place.plane,
            tuple(Ask.of(prompt) for prompt in snapshot.prompts if prompt.object in asked),
            Picture(limits, gamma, view.region, view.side, channels=view.contrast is None),
            # Where the model ran, and where its file lay, is another machine's business.
            ModelChoice(snapshot.model.name, snapshot.model.checkpoint),
            self._policy(),
        )

    def _on_removed(self, removal: Removal) -> None:
        if isinstance(removal.place, Place):
            self._add(removal.place, Remove(removal.objects, removal.place.plane))

    def _add(self, place: Place, step: Step) -> None:
        self._steps.setdefault(place.labels, []).append(encode(step))
