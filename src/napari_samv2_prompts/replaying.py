"""Running the steps of a record again, so that they make the same labels.

Here: :class:`Replay`, which has a session of its own do one step after the other and writes what
comes back.  It knows neither Qt nor files; runner and predictor are the session's.

Not here: what a record is (``records.py``), where it was recorded (``_qt/recorder.py``).
"""

from __future__ import annotations

from collections.abc import Callable

from psygnal import Signal

from napari_samv2_prompts.engine import Place, Removal, Request, Results, Session, State, Status
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.io.records import Accept, Choose, Predict, Record, Remove, Step
from napari_samv2_prompts.layers import LabelsTarget
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.prompts import MaskCrop, Prompt, PromptBatch

__all__ = ["Replay"]


class Replay:
    """One run through the steps of a record.

    Parameters
    ----------
    record : Record
    session : Session
        A fresh one, which is not used for anything else meanwhile.
    target : LabelsTarget
        Where masks go, as they went when the record was made.
    view_of : callable
        What to embed for a step: ``(Predict) -> ImageView`` of the whole plane.
    place_of : callable
        What the session knows a plane by.
    later : callable
        Calls what it is given once the session has said all that it has to say; at once if the
        session's runner works at once.
    """

    finished = Signal(str)
    """The steps came to an end; the reason, in a sentence, if not all were done."""

    def __init__(
        self,
        record: Record,
        session: Session,
        target: LabelsTarget,
        view_of: Callable[[Predict], ImageView],
        place_of: Callable[[Plane], Place],
        later: Callable[[Callable[[], None]], object] = lambda work: work(),
    ) -> None:
        self.session = session
        self._target = target
        self._view_of, self._place_of, self._later = view_of, place_of, later
        self._steps = list(reversed(record.steps))
        self._shown: dict[Plane, Predict] = {}  # the last prediction of each plane
        self._prompts: dict[Plane, dict[int, Prompt]] = {}
        self._plane: Plane | None = None
        self._policy: Policy = "keep"
        self._inside = self._ended = False
        session.decoded.connect(self._on_decoded)
        session.removed.connect(self._on_removed)
        session.status_changed.connect(self._on_status)

    def start(self) -> None:
        """Begin; with a runner that works at once, this is also the end."""
        self._advance()

    # --- step by step -----------------------------------------------------------------------

    def _advance(self) -> None:
        if self._inside or self._ended:
            return
        self._inside = True
        try:
            while self._steps and not self.session.status.busy and not self._ended:
                self._do(self._steps.pop())
        except ValueError as error:  # pixels or labels that can't be read or written
            self._end(str(error))
        finally:
            self._inside = False
        if not self._steps and not self.session.status.busy:
            self._end("")

    def _do(self, step: Step) -> None:
        if isinstance(step, Predict):
            self._shown[step.plane] = step
            known = self._prompts.setdefault(step.plane, {})
            known.update({prompt.object: prompt for prompt in step.prompts})
            self._show(step.plane, live=False)
            self.session.run()  # what changed; all of it again if nothing has
        elif isinstance(step, Choose):
            if step.plane != self._plane and step.plane in self._shown:
                self._steps.append(step)  # once its plane is there
                self._show(step.plane)
            else:
                self.session.choose(step.object, step.candidate)
        elif isinstance(step, Remove):
            self._remove(step)
        else:
            self._accept(step)

    def _show(self, plane: Plane, *, live: bool = True) -> None:
        """Ask for a plane as it was predicted last, with the prompts that are there now."""
        self._plane, last = plane, self._shown[plane]
        picture = last.picture
        view = self._view_of(last)
        if picture.region is not None:
            view = view.within(picture.region, picture.side)
        prompts = PromptBatch(tuple(self._prompts[plane][n] for n in sorted(self._prompts[plane])))
        self._policy = last.policy
        self.session.update(Request(view, self._place_of(plane), last.model, prompts, live))

    def _remove(self, step: Remove) -> None:
        planes = self._prompts if step.plane is None else (step.plane,)
        for plane in planes:
            for number in step.objects:
                self._prompts.get(plane, {}).pop(number, None)
        if step.plane is None:
            self._target.remove(step.objects)
        elif step.plane in self._shown:
            self._show(step.plane)

    def _accept(self, step: Accept) -> None:
        self.session.accept(frozenset(step.objects))
        self._target.accept(step.objects)
        for known in self._prompts.values():
            for number in step.objects:
                known.pop(number, None)

    # --- from the session -------------------------------------------------------------------

    def _on_decoded(self, results: Results) -> None:
        self._write({item.object: item.crop for item in results.items})

    def _on_removed(self, removal: Removal) -> None:
        self._write(dict.fromkeys(removal.objects))

    def _write(self, masks: dict[int, MaskCrop] | dict[int, None]) -> None:
        if self._plane is None:
            return
        live = self._target.live(self._plane)
        wanted = {n: mask for n, mask in masks.items() if mask is not None or n in live}
        if wanted:
            self._target.write(self._plane, wanted, self._policy)

    def _on_status(self, status: Status) -> None:
        if status.state is State.FAILED:
            self._end(status.reason)
        elif not status.busy:
            self._later(self._advance)

    def _end(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self.finished.emit(reason)
