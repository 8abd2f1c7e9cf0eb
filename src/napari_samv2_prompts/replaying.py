"""Running the steps of a record again, so that they make the same labels.

Here: :class:`Replay`, which has a session of its own do one step after the other and writes what
comes back.  It knows neither Qt nor files; runner and predictor are the session's.

Not here: what a record is (``records.py``), where it was recorded (``io/recorder.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

from psygnal import Signal

from napari_samv2_prompts.engine import (
    Place,
    Propagation,
    Removal,
    Request,
    Results,
    Session,
    State,
    Status,
    WorkUpdate,
)
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.io.records import (
    Accept,
    Choose,
    Divide,
    EndHere,
    Follow,
    Picture,
    Predict,
    Record,
    Remove,
    Step,
)
from napari_samv2_prompts.layers import LabelsTarget, TargetError
from napari_samv2_prompts.layers.endings import divide_object, end_object
from napari_samv2_prompts.layers.stack_labels import StackLabels, place_on
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.regions import InputSides
from napari_samv2_prompts.samv2.weights.variants import input_sides

DIFFERS = (
    "Less was there to follow than then: what was painted, erased or undone by hand is not in the "
    "file."
)


class Replay:
    """One run through the steps of a record.

    - `session`: a fresh one, which is not used for anything else meanwhile
    - `target`: where masks go, as they went when the record was made
    - `view_of`: what to embed: ``(plane, picture) -> ImageView`` of the whole plane
    - `place_of`: what the session knows a plane by
    - `later`: calls what it is given once the session has said all that it has to say; at once if
      the session's runner works at once
    """

    finished = Signal(str)
    """The steps came to an end; the reason, in a sentence, if not all were done."""

    def __init__(
        self,
        record: Record,
        session: Session,
        target: LabelsTarget,
        view_of: Callable[[Plane, Picture], ImageView],
        place_of: Callable[[Plane], Place],
        later: Callable[[Callable[[], None]], object] = lambda work: work(),
    ) -> None:
        self.record, self.session = record, session
        self._target = target
        self._view_of, self._place_of, self._later = view_of, place_of, later
        self._steps = list(reversed(record.steps))
        self._done: list[Step] = []
        self._doing: Step | None = None
        self._came: set[int] = set()  # objects that it has predicted by now
        self._shown: dict[Plane, Predict] = {}  # the last prediction of each plane
        self._prompts: dict[Plane, dict[int, Prompt]] = {}
        self._plane: Plane | None = None
        self._policy: Policy = "keep"
        self._stacks: dict[tuple[int, tuple[int | None, ...]], StackLabels] = {}
        self._following: tuple[Propagation, StackLabels, int] | None = None  # and parts to come
        self._inside = self._ended = False
        self.differs = ""  # why the labels may be others than then, in a sentence
        session.propagated.connect(self._on_followed)
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
            while self._steps and not self._is_busy and not self._ended:
                self._note_done()
                self._doing = self._steps.pop()
                self._do(self._doing)
        except (ValueError, TargetError) as error:  # pixels or labels that can't be read or written
            self._end(str(error))
        finally:
            self._inside = False
        if not self._steps and not self._is_busy and not self._ended:
            self._note_done()
            self._end("")

    def _note_done(self) -> None:
        if self._doing is not None:
            self._done.append(self._doing)
        self._doing = None
        self._came.clear()

    @property
    def done(self) -> tuple[Step, ...]:
        """The steps that were done, the last as far as its masks were written."""
        step, part = self._doing, list[Step]()
        if isinstance(step, Predict) and self._came:
            prompts = tuple(p for p in step.prompts if p.object in self._came)
            part = [replace(step, prompts=PromptBatch(prompts))]
        elif isinstance(step, Follow) and self._following and step.parts > self._following[2]:
            part = [replace(step, parts=step.parts - self._following[2])]
        return (*self._done, *part)

    @property
    def _is_busy(self) -> bool:
        return self.session.status.busy or self._following is not None

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
                self._doing = None
                self._show(step.plane)
            else:
                self.session.choose(step.object, step.candidate)
        elif isinstance(step, Remove):
            self._remove(step)
        elif isinstance(step, Accept):
            self._accept(step)
        elif isinstance(step, Follow):
            self._follow(step)
        elif isinstance(step, EndHere):
            stack = self._stack(step.axis, step.plane)
            end_object(stack, step.object, step.plane, nullcontext)
        else:
            self._divide(step)

    def _show(self, plane: Plane, *, live: bool = True) -> None:
        """Ask for a plane as it was predicted last, with the prompts that are there now."""
        self._plane, last = plane, self._shown[plane]
        picture = last.picture
        view = self._view_of(plane, picture)
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
        for stack in self._stacks.values():
            for number in step.objects:
                stack.accept(number)

    # --- through a stack --------------------------------------------------------------------

    def _stack(self, axis: int, plane: Plane) -> StackLabels:
        key = axis, tuple(None if at == axis else i for at, i in enumerate(plane.index))
        if key not in self._stacks:
            self._stacks[key] = StackLabels.along(axis, plane, self._target)
        return self._stacks[key]

    def _follow(self, step: Follow) -> None:
        """Go on with following until as much is found as was found then."""
        stack = self._stack(step.axis, step.plane)
        if step.begun:
            stack.begin(step.policy)
        views = [self._view_of(plane, step.picture) for plane in stack.planes]
        objects = step.wanted.objects or frozenset()
        request = Propagation(
            views,
            step.model,
            InputSides(*input_sides(step.model.name)),
            partial(stack.read_anchors, objects),
            step.wanted,
            stack.found,
            method=step.method,
        )
        known = self._prompts.get(step.plane, {})
        prompts = PromptBatch(tuple(known[n] for n in sorted(known)))
        self._plane = step.plane
        self._following = request, stack, step.parts
        place = self._place_of(step.plane)
        view = views[place_on(step.plane, step.axis)]
        self.session.update(Request(view, place, step.model, prompts))
        self.session.propagate(request)

    def _on_followed(self, update: WorkUpdate[Propagation]) -> None:
        if self._following is None or update.request is not self._following[0]:
            return
        request, stack, left = self._following
        if update.part is not None and left:
            try:
                stack.write(update.part, nullcontext)
            except TargetError as error:
                self._end(str(error))
            left -= 1
            self._following = request, stack, left
        if update.finished and left and update.problem:
            self._end(update.problem)
            return
        if update.finished and left:
            self.differs = DIFFERS
        if update.finished or not left:
            self._following = None
            self.session.propagate(None)
            self._later(self._advance)

    def _divide(self, step: Divide) -> None:
        stack = self._stack(step.axis, step.plane)
        used = min(step.daughters) - 1  # also by labels that were painted, which are in no file
        daughters = divide_object(stack, step.object, step.plane, nullcontext, used)
        if daughters != step.daughters:
            raise ValueError(f"Object {step.object} would divide into others than then.")

    # --- from the session -------------------------------------------------------------------

    def _on_decoded(self, results: Results) -> None:
        last, items = self._shown.get(results.place.plane), list(results.items)
        if last is not None and last.smaller_above:
            items.sort(key=lambda item: -item.crop.area)
        self._write({item.object: item.crop for item in items})
        if not self._ended:
            self._came.update(item.object for item in items)

    def _on_removed(self, removal: Removal) -> None:
        self._write(dict.fromkeys(removal.objects))

    def _write(self, masks: dict[int, MaskCrop] | dict[int, None]) -> None:
        if self._plane is None:
            return
        live = self._target.live(self._plane)
        wanted = {n: mask for n, mask in masks.items() if mask is not None or n in live}
        if wanted and not self._ended:
            try:
                self._target.write(self._plane, wanted, self._policy)
            except TargetError as error:  # the labels were given other data
                self._end(str(error))

    def _on_status(self, status: Status) -> None:
        if status.state is State.FAILED:
            self._end(status.reason)
        elif not status.busy:
            self._later(self._advance)

    def _end(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self.finished.emit(reason)
