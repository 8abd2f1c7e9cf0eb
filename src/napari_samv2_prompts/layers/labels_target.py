"""Writing masks into a Labels layer: changed pixels only, one undo step per result.

Here: the edit itself, and the live objects as they are after what the user undid.

Not here: which pixel gets which label (``masks``), which layers can be written (``labels_checks``),
numbers (``labels_checks``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_samv2_prompts.geometry import AffineMap, Plane
from napari_samv2_prompts.layers.labels_checks import (
    LabelNumbers,
    TargetError,
    check_numbers,
    check_place,
    check_writable,
)
from napari_samv2_prompts.layers.labels_reading import kept_labels, label_mask, set_kept
from napari_samv2_prompts.layers.plane_pixels import (
    PlaneObjects,
    covered_objects,
    is_converted,
    owning_nothing,
    repaint,
    replace_labels,
    same_pixels,
    shown_objects,
    transposed,
    unfrozen,
)
from napari_samv2_prompts.layers.private_api import is_out_of_sight
from napari_samv2_prompts.layers.undo_steps import Live, OpenStep, UndoSteps
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.masks import Painted, Policy, relabelled

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels


LEFT = "samv2_objects_left"
"""The layer's event for live objects that are left to the user (`objects`, `only` as
:meth:`.UndoSteps.let_go` has them): whoever else writes to the layer has them live, too."""


class LabelsTarget:
    """The Labels layer that results are written to, and the live objects in it.

    An object is *live* from its first mask until it is taken away (:meth:`write` with None,
    :meth:`remove`) or accepted.  Only the pixels of live objects are ever changed or removed,
    according to the rules in ``masks``.  What the user undid counts as never painted.

    A label that was there is *unfrozen* when it is refined: live, but taking it away gives back
    what it was.  Labels that are *kept* are changed by no result.

    Holds bound methods on the layer's events: call :meth:`close` when done.

    - `highest`: the highest label in the layer, if that is known: 0 for a new one
    """

    painted = Signal()  # by hand: a label above all others

    def __init__(self, labels: Labels, highest: int | None = None) -> None:
        self.labels = labels
        self._data = labels.data  # what was there, when other data is set
        self.numbers = LabelNumbers(highest)
        self._live: Live = {}
        self._bare: tuple[PlaneObjects, tuple[Painted, ...]] = {}, ()  # of live ones, no pixel
        self._rank = 0
        self._steps = UndoSteps(labels)
        self._written: Sequence[Any] | None = None  # while we write: the viewer's record of it
        self.hand_edits = 0  # how often the user painted, or other data was set
        self.replaced = 0  # how often data with other pixels was set
        events = labels.events
        if LEFT not in events:
            events.add(**{LEFT: None})
        self._slots = [
            (events.paint, self._on_paint),
            (events.data, self._on_data),
            # Undo and redo have no event of their own; these come after each one.
            (events.set_data, self._follow_undo),
            (events.reload, self._follow_undo),
            (events[LEFT], self._on_left),
        ]
        for emitter, slot in self._slots:
            emitter.connect(slot)

    def close(self) -> None:
        """Disconnect from the layer; idempotent."""
        for emitter, slot in self._slots:
            emitter.disconnect(slot)
        self._slots = []

    def check(
        self, image_layer: Image, dims: Dims, image_to_world: AffineMap | None = None
    ) -> None:
        """Refuse a layer that can't take masks of this image.

        See :func:`.check_writable` and :func:`.check_place` for the parameters and errors.
        """
        check_writable(self.labels)
        check_place(self.labels, image_layer, dims, image_to_world)

    def has(self, plane: Plane) -> bool:
        """Tell whether the layer's data have a plane: others may have come since."""
        return plane.in_data_order().is_in(self.labels.data.shape)

    def check_plane(self, plane: Plane) -> None:
        """Raise TargetError if the layer's data don't have a plane."""
        if not self.has(plane):
            raise TargetError(f"The labels {self.labels.name!r} have another shape by now.")

    def write(
        self,
        plane: Plane,
        masks: Mapping[int, MaskCrop | None],
        policy: Policy = "keep",
        keep: frozenset[int] = frozenset(),
        seen: frozenset[int] = frozenset(),
    ) -> int:
        """Paint, repaint or remove objects on a plane, as one undo step.

        - `plane`: of the image, which has the layer's shape
        - `masks`: the new mask of each object that changed, in plane pixels; None takes the object
          away and brings back what was under it
        - `policy`: {"keep", "replace", "background"}; which pixels may be painted: those without an
          existing label, all, or only those that no live object has either
        - `keep`: labels that no mask covers this time
        - `seen`: objects that get nothing back where masks go from over them
        - returns the number of pixels that changed
        - raises TargetError if the data can't be written or don't have the plane, or the dtype
          can't hold an object's number (``error.dtype`` says which can)
        """
        check_writable(self.labels)
        self.check_plane(plane)
        check_numbers(self.labels, (number for number, mask in masks.items() if mask is not None))
        if plane.is_transposed:
            masks = {n: None if m is None else transposed(m) for n, m in masks.items()}
        return self._apply({plane.in_data_order(): masks}, policy, keep, seen)

    def joined(self, step: OpenStep) -> AbstractContextManager[None]:
        """Make what is written meanwhile, by one call, part of one undo step however often.

        What the user paints between two of them is undone before that step.

        - `step`: a fresh one for the first
        """
        return self._steps.joined_into(step)

    def is_open(self, step: OpenStep) -> bool:
        """Tell whether more can be written into a step: the user did not undo it."""
        self._follow_undo()
        return self._steps.is_open(step)

    def remove(self, objects: Iterable[int]) -> int:
        """Take live objects away on every plane, as one undo step; return the changed pixels."""
        gone = frozenset(objects)
        self._follow_undo()
        changes = {plane: dict.fromkeys(gone & set(live)) for plane, live in self._live.items()}
        changes = {plane: masks for plane, masks in changes.items() if masks}
        return self._apply(changes, "keep") if changes else 0

    def accept(self, objects: Iterable[int] | None = None, plane: Plane | None = None) -> None:
        """Forget live objects (all by default): their labels are the user's from now on.

        - `plane`: where to forget them; on all planes by default
        """
        gone = self.live() if objects is None else frozenset(objects)
        self.labels.events[LEFT](objects=gone, only=plane and plane.in_data_order())

    def keep(self, label: int, on: bool) -> None:
        """Have no result change a label any more, or again.  A live object is accepted with it."""
        set_kept(self.labels, label, on)
        if on:
            self.accept({label})

    def unfreeze(self, plane: Plane, label: int) -> MaskCrop | None:
        """Make a label that is there a live object, to be refined; changes no pixel.

        Looks at all of the plane, unless the label is live already.

        Returns what it was when it was unfrozen, in plane pixels; None for one that is not there,
        or kept, or live for other reasons.
        """
        self._follow_undo()
        where = plane.in_data_order()
        known = self._live.get(where, {}).get(label)
        origin = known.origin if known else label_mask(self.labels, where, label)
        if origin is None or label in kept_labels(self.labels):
            return None
        if known is None:
            live = unfrozen(self.labels, where, self._live.get(where, {}), label, origin)
            self._live = {**self._live, where: live}
            self._steps.join(self._live)
        return transposed(origin) if plane.is_transposed else origin

    def relabel(self, plane: Plane, old: Collection[int], new: int = 0) -> int:
        """Give the pixels of some labels another one on a plane, or none, as one undo step.

        Live objects are accepted with that.  Returns the number of pixels that changed.

        Raises TargetError as :meth:`write`.
        """
        check_writable(self.labels)
        check_numbers(self.labels, [new])
        where = plane.in_data_order()
        self.accept(old, where)
        before = self._live
        objects = before.get(where, {})
        for number in old:
            objects = relabelled(objects, number, new)
        with self._recorded(before, {**before, where: objects}):
            return replace_labels(self.labels, where, old, new)

    def live(self, plane: Plane | None = None) -> frozenset[int]:
        """Return the objects that are live, on one plane or on any."""
        self._follow_undo()
        if plane is not None:
            return frozenset(self._live.get(plane.in_data_order(), {}))
        return frozenset(number for live in self._live.values() for number in live)

    def shown(self, plane: Plane, objects: Collection[int]) -> frozenset[int]:
        """Return those objects that have a pixel of their own on a plane, live or not."""
        where = plane.in_data_order()
        if not self.has(plane):
            return frozenset()
        live = self._live[where] if self.live(plane) else {}
        return shown_objects(self.labels, where, live, objects)

    def covered(self, plane: Plane) -> frozenset[int]:
        """Return the live objects of a plane whose whole mask is other labels."""
        where = plane.in_data_order()
        live = self._live[where] if self.live(plane) else {}
        if self._bare[0] is not live:  # asked with every click, of a thousand objects
            self._bare = live, owning_nothing(live)
        return covered_objects(self.labels, where, self._bare[1])

    def next_free(self, at_least: int = 0) -> int:
        """Return a label above all in the layer, all live objects and ``at_least``.

        Reads the whole layer if its highest label is not known (:attr:`numbers`).
        """
        return self.numbers.next_free(self.labels, self.live(), at_least)

    def _apply(
        self,
        changes: Mapping[Plane, Mapping[int, MaskCrop | None]],
        policy: Policy,
        keep: frozenset[int] = frozenset(),
        seen: frozenset[int] = frozenset(),
    ) -> int:
        self._follow_undo()
        before, after, changed = dict(self._live), dict(self._live), 0
        with self._recorded(before, after):
            for plane, masks in changes.items():
                live = self._live.get(plane, {})
                before[plane], after[plane], pixels = repaint(
                    self.labels, plane, live, masks, policy, self._rank, keep, seen
                )
                self._rank += len(masks)
                changed += pixels
        return changed

    @contextmanager
    def _recorded(self, before: Live, after: Live) -> Iterator[None]:
        """Make what is written meanwhile one undo step, around which the objects are these."""
        if not self.labels.visible:
            self.labels.set_view_slice()  # a hidden layer may still hold an older slice
        redraw: AbstractContextManager[object] = nullcontext()
        if is_out_of_sight(self.labels):  # there are no pixels on screen to be drawn anew
            redraw = self.labels.events.labels_update.blocker()
        self._written = []
        try:
            with redraw, self.labels.block_history():
                yield
        finally:
            written, self._written = self._written, None
        self._live = after
        if written:
            self._steps.add(written, before, after)
        else:
            self._steps.join(after)

    def _follow_undo(self, event: Any = None) -> None:
        """Take the live objects to where the user's undo or redo took the data."""
        if self._written is None and self.labels.data is self._data:
            self._live = self._steps.followed(self._live)

    def _on_left(self, event: Any) -> None:
        self._live = self._steps.let_go(self._live, event.objects, event.only)

    def _on_paint(self, event: Any) -> None:
        """Note what a step of the undo history painted, ours or the user's."""
        if self._written is None:
            self.hand_edits += 1
            self._follow_undo()
        else:
            self._written = event.value  # of a brush stroke that is under way, too
        # The records are tuples that end with the new value.
        painted = (int(np.max(record[-1], initial=0)) for record in event.value)
        if self.numbers.note(max(painted, default=0)) and self._written is None:
            self.painted.emit()

    def _on_data(self, event: Any = None) -> None:
        """Forget everything about data that was replaced, unless it was merely converted."""
        self.numbers = LabelNumbers()
        self.hand_edits += 1
        before, self._data = self._data, self.labels.data
        if not same_pixels(self._live, before, self._data):
            self._live = {}
            self._steps.clear()
            self.replaced += not is_converted(before, self._data)
        elif before.dtype != self._data.dtype:
            self._live = self._steps.converted(self._live, self._data.dtype)
