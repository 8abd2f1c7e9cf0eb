"""What a session does, noted as the steps of a record while it is done.

Records and their models are imported with the first step: a window opens without them.

Not here: what a record is (``records``), values as steps (``recording``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from napari_samv2_prompts.engine import Removal, Results, Session
from napari_samv2_prompts.masks import Policy

if TYPE_CHECKING:
    from napari_samv2_prompts.engine import Propagation
    from napari_samv2_prompts.geometry import Plane
    from napari_samv2_prompts.io.records import Follow, Step


class Recorder:
    """Listens to a session and remembers the steps for each Labels layer.

    - `policy`: what masks do to labels now
    """

    def __init__(self, session: Session, policy: Callable[[], Policy]) -> None:
        self._session, self._policy = session, policy
        self._steps: dict[UUID | None, list[str]] = {}  # packed: masks are large
        self._following: tuple[UUID, Follow] | None = None
        session.decoded.connect(self._on_decoded)
        session.removed.connect(self._on_removed)

    def noted(self, labels: UUID) -> tuple[str, ...]:
        """Return the packed steps that led to the labels of a layer."""
        self._note_following()
        return tuple(self._steps.get(labels, ()))

    def resume(self, labels: UUID, steps: Iterable[Step]) -> None:
        """Go on from steps that were done without the session."""
        self._steps[labels] = []
        self.add(labels, *steps)

    def add(self, labels: UUID | None, *steps: Step) -> None:
        """Take note of steps that led to the labels of a layer."""
        from napari_samv2_prompts.io.record_files import packed_step

        self._note_following()
        self._steps.setdefault(labels, []).extend(map(packed_step, steps))

    def accepted(self, labels: Iterable[UUID], objects: Iterable[int]) -> None:
        """Take note that labels of some layers were kept and their prompts cleared."""
        from napari_samv2_prompts.io.records import Accept

        step = Accept(tuple(sorted(objects)))
        self._note_following()
        for key in self._steps.keys() & {*labels}:
            self.add(key, step)

    def follow(
        self, labels: UUID, plane: Plane, axis: int, request: Propagation, policy: Policy
    ) -> None:
        """Take note that objects are followed from now on."""
        from napari_samv2_prompts.io.recording import following_step

        self._note_following()
        self._following = labels, following_step(plane, axis, request, policy)

    def followed(self) -> None:
        """Take note that a part of it was written."""
        if self._following is not None:
            labels, step = self._following
            self._following = labels, replace(step, parts=step.parts + 1)

    def follow_no_more(self) -> None:
        """Take note that following has come to an end."""
        self._note_following()
        self._following = None

    def _note_following(self) -> None:
        """Note what was followed so far, before something else is: the rest is another step."""
        if self._following is not None and self._following[1].parts:
            labels, step = self._following
            self._following = labels, replace(step, parts=0, begun=False)
            self.add(labels, step)

    def close(self) -> None:
        """Listen no more; idempotent."""
        self._session.decoded.disconnect(self._on_decoded, missing_ok=True)
        self._session.removed.disconnect(self._on_removed, missing_ok=True)

    def _on_decoded(self, results: Results) -> None:
        from napari_samv2_prompts.io.recording import decoded_steps

        self.add(results.place.labels, *decoded_steps(results, self._policy()))

    def _on_removed(self, removal: Removal) -> None:
        from napari_samv2_prompts.io.records import Remove

        self.add(removal.place.labels, Remove(removal.objects, removal.place.plane))
