"""Writing masks into a Labels layer: changed pixels only, one undo step per result.

Here: which Labels layers can be written, the edit itself, the next free label, and following what
the user undid.  Not here: which pixel gets which label (``masks``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import AffineMap, Plane
from napari_samv2_prompts.layers.labels_checks import (
    check_numbers,
    check_place,
    check_writable,
    highest_label,
)
from napari_samv2_prompts.layers.labels_reading import kept_labels, label_mask, set_kept
from napari_samv2_prompts.layers.private_api import histories
from napari_samv2_prompts.layers.rows import MAX_OBJECT
from napari_samv2_prompts.layers.undo_steps import Live, UndoSteps, less
from napari_samv2_prompts.masks import (
    Box,
    Painted,
    Policy,
    adopt,
    edits,
    paint,
    relabelled,
    release,
    respect_edits,
)
from napari_samv2_prompts.prompts import MaskCrop

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

__all__ = ["LabelsTarget", "OpenStep"]


@dataclass(slots=True)
class OpenStep:
    """An undo step that is still being written; see :meth:`LabelsTarget.write_into`."""

    first: object = None


class LabelsTarget:
    """The Labels layer that results are written to, and the live objects in it.

    An object is *live* from its first mask until it is taken away (:meth:`write` with None,
    :meth:`remove`) or accepted.  Only the pixels of live objects are ever changed or removed,
    according to the rules in ``masks``.  What the user undid counts as never painted.

    A label that was there is *adopted* when it is refined: live, but taking it away gives back what
    it was.  Labels that are *kept* are changed by no result.

    Holds bound methods on the layer's events: call :meth:`close` when done.

    Parameters
    ----------
    labels : napari.layers.Labels
    highest : int, optional
        The highest label in the layer, if that is known: 0 for a new one.
    """

    def __init__(self, labels: Labels, highest: int | None = None) -> None:
        self._labels = labels
        self._data = labels.data  # what was there, when other data is set
        self._highest = highest
        self._painted_since = 0  # highest label painted while `_highest` is not known
        self._live: Live = {}
        self._rank = 0
        self._steps = UndoSteps(labels)
        self._written: Sequence[Any] | None = None  # while we write: the viewer's record of it
        events = labels.events
        self._slots = [
            (events.paint, self._on_paint),
            (events.data, self._on_data),
            # Undo and redo have no event of their own; these come after each one.
            (events.set_data, self._follow_undo),
            (events.reload, self._follow_undo),
        ]
        for emitter, slot in self._slots:
            emitter.connect(slot)

    @property
    def labels(self) -> Labels:
        """The layer that is written to."""
        return self._labels

    def close(self) -> None:
        """Disconnect from the layer; idempotent."""
        for emitter, slot in self._slots:
            emitter.disconnect(slot)
        self._slots = []

    def check(
        self, image_layer: Image, dims: Dims, image_to_world: AffineMap | None = None
    ) -> None:
        """Refuse a layer that can't take masks of this image.

        Parameters
        ----------
        image_layer : napari.layers.Image
        dims : napari.components.Dims
            ``viewer.dims``, for its units.
        image_to_world : AffineMap, optional
            The image's place, if that is known already.

        Raises
        ------
        TargetError
            Another shape or place than the image's, multiscale, data that is not a writable numpy
            array (dask, zarr), or not of integer type.
        """
        check_writable(self._labels)
        check_place(self._labels, image_layer, dims, image_to_world)

    def write(
        self, plane: Plane, masks: Mapping[int, MaskCrop | None], policy: Policy = "keep"
    ) -> int:
        """Paint, repaint or remove objects on a plane, as one undo step.

        Parameters
        ----------
        plane : Plane
            Of the image, which has the layer's shape.
        masks : mapping of int to MaskCrop or None
            The new mask of each object that changed, in plane pixels; None takes the object away
            and brings back what was under it.
        policy : {"keep", "replace", "background"}
            Which pixels may be painted: those without an existing label, all, or only those that
            no live object has either.

        Returns
        -------
        int
            Number of pixels that changed.

        Raises
        ------
        TargetError
            If the data can't be written, or the dtype can't hold an object's number
            (``error.dtype`` says which can).
        """
        check_writable(self._labels)
        check_numbers(self._labels, (number for number, mask in masks.items() if mask is not None))
        if plane.is_transposed:
            masks = {n: None if m is None else _transposed(m) for n, m in masks.items()}
        return self._apply({plane.in_data_order(): masks}, policy)

    def write_into(
        self,
        step: OpenStep,
        plane: Plane,
        masks: Mapping[int, MaskCrop | None],
        policy: Policy = "keep",
    ) -> int:
        """Write as :meth:`write` does, as part of one undo step however often this is called.

        What the user paints between two calls is undone before that step.

        Parameters
        ----------
        step : OpenStep
            A fresh one for the first call.

        Raises
        ------
        TargetError
            As :meth:`write`.
        """
        undo = histories(self._labels).undo
        oldest = self._steps.oldest()
        changed = self.write(plane, masks, policy)
        if not changed or not undo:  # a viewer that keeps no steps undoes nothing anyway
            return changed
        if step.first is None:
            step.first = undo[-1][0]
            return changed
        self._steps.merge_last(step.first, oldest)
        return changed

    def is_open(self, step: OpenStep) -> bool:
        """Tell whether more can be written into a step: the user did not undo it."""
        self._follow_undo()
        return step.first is None or self._steps.can_undo(step.first)

    def remove(self, objects: Iterable[int]) -> int:
        """Take live objects away on every plane, as one undo step; return the changed pixels."""
        gone = frozenset(objects)
        self._follow_undo()
        changes = {plane: dict.fromkeys(gone & set(live)) for plane, live in self._live.items()}
        changes = {plane: masks for plane, masks in changes.items() if masks}
        return self._apply(changes, "keep") if changes else 0

    def accept(self, objects: Iterable[int] | None = None, plane: Plane | None = None) -> None:
        """Forget live objects (all by default): their labels are the user's from now on.

        Parameters
        ----------
        objects : iterable of int, optional
        plane : Plane, optional
            Where to forget them; on all planes by default.
        """
        gone = self.live() if objects is None else frozenset(objects)
        let_go = partial(less, gone=gone, only=None if plane is None else plane.in_data_order())
        self._live = let_go(self._live)
        self._steps.change(let_go)  # undoing must not bring them back to life

    def keep(self, label: int, on: bool) -> None:
        """Have no result change a label any more, or again.  A live object is accepted with it."""
        set_kept(self._labels, label, on)
        if on:
            self.accept({label})

    def adopt(self, plane: Plane, label: int) -> MaskCrop | None:
        """Make a label that is there a live object, to be refined; changes no pixel.

        Looks at all of the plane, unless the label is live already.

        Returns
        -------
        MaskCrop or None
            What it was when it was adopted, in plane pixels; None for one that is not there, or
            kept, or live for other reasons.
        """
        self._follow_undo()
        where = plane.in_data_order()
        known = self._live.get(where, {}).get(label)
        origin = known.origin if known else label_mask(self._labels, where, label)
        if origin is None or label in kept_labels(self._labels):
            return None
        if known is None:
            read = partial(self._read, where)
            live = respect_edits(read, self._live.get(where, {}), [origin.box])
            self._live = {**self._live, where: adopt(read, live, label, origin)}
            self._steps.join(self._live)
        return _transposed(origin) if plane.is_transposed else origin

    def relabel(self, plane: Plane, old: int, new: int = 0) -> int:
        """Give the pixels of a label another one on a plane, or none, as one undo step.

        A live object is accepted with that.  Returns the number of pixels that changed.

        Raises
        ------
        TargetError
            As :meth:`write`.
        """
        check_writable(self._labels)
        check_numbers(self._labels, [new])
        where = plane.in_data_order()
        self.accept({old}, where)
        mask = label_mask(self._labels, where, old)
        before = self._live
        after = {**before, where: relabelled(before.get(where, {}), old, new)}
        with self._recorded(before, after):
            if mask is None:
                return 0
            rows, columns = np.nonzero(mask.mask)
            indices = where.indices(rows + mask.top, columns + mask.left)
            self._labels.data_setitem(indices, new)
        return len(rows)

    def live(self, plane: Plane | None = None) -> frozenset[int]:
        """Return the objects that are live, on one plane or on any."""
        self._follow_undo()
        if plane is not None:
            return frozenset(self._live.get(plane.in_data_order(), {}))
        return frozenset(number for live in self._live.values() for number in live)

    @property
    def needs_scan(self) -> bool:
        """Whether the highest label is unknown, so that :meth:`next_free` has to read all."""
        return self._highest is None

    def scan_job(self) -> Callable[[], int]:
        """Return a function for the worker that finds the highest label (:meth:`set_highest`)."""
        return partial(highest_label, self._labels.data)

    def set_highest(self, label: int) -> None:
        """Take the result of :meth:`scan_job`; what was painted meanwhile counts too."""
        self._highest = max(label, self._painted_since)

    def next_free(self, at_least: int = 0) -> int:
        """Return a label above all in the layer, all live objects and ``at_least``.

        Reads the whole layer if :attr:`needs_scan`; else takes no time.
        """
        if self._highest is None:
            self.set_highest(self.scan_job()())
        number = max(self._highest or 0, at_least, *self.live(), 0) + 1
        return number if number <= MAX_OBJECT else self._lowest_free()

    def _lowest_free(self) -> int:
        """Return the lowest label that is neither in the layer nor live; reads all of it."""
        used = self.live() | set(np.unique(self._labels.data).tolist())
        return next(number for number in range(1, MAX_OBJECT) if number not in used)

    def _apply(self, changes: Mapping[Plane, Mapping[int, MaskCrop | None]], policy: Policy) -> int:
        self._follow_undo()
        before, after, changed = dict(self._live), dict(self._live), 0
        with self._recorded(before, after):
            for plane, masks in changes.items():
                before[plane], after[plane], pixels = self._repaint(plane, masks, policy)
                changed += pixels
        return changed

    @contextmanager
    def _recorded(self, before: Live, after: Live) -> Iterator[None]:
        """Make what is written meanwhile one undo step, around which the objects are these."""
        if not self._labels.visible:
            self._labels.set_view_slice()  # a hidden layer may still hold an older slice
        self._written = []
        try:
            with self._labels.block_history():
                yield
        finally:
            written, self._written = self._written, None
        self._live = after
        if written:
            self._steps.add(written, before, after)
        else:
            self._steps.join(after)

    def _repaint(
        self, plane: Plane, masks: Mapping[int, MaskCrop | None], policy: Policy
    ) -> tuple[Mapping[int, Painted], Mapping[int, Painted], int]:
        """Write new masks on one plane; return its live objects before and after, and how much."""
        live, kept = self._live.get(plane, {}), kept_labels(self._labels)
        origins = {n: live[n].origin for n, mask in masks.items() if mask is None and n in live}
        masks = {n: mask or origins.get(n) for n, mask in masks.items() if n not in kept}
        read = partial(self._read, plane)
        boxes = [mask.box for mask in masks.values() if mask is not None]
        boxes += [live[number].box for number in masks if number in live]
        live = respect_edits(read, live, boxes)
        after = paint(read, live, masks, policy, self._rank, kept)
        self._rank += len(masks)
        changed = 0
        for edit in edits(read, live, after):
            self._labels.data_setitem(plane.indices(edit.rows, edit.columns), edit.values)
            changed += len(edit.values)
        given_back = [number for number, origin in origins.items() if origin is not None]
        return live, release(after, given_back), changed

    def _read(self, plane: Plane, box: Box) -> NDArray[Any]:
        top, left, bottom, right = box
        part: NDArray[Any] = self._labels.data[
            plane.indexer(slice(top, bottom), slice(left, right))
        ]
        return part

    def _follow_undo(self, event: Any = None) -> None:
        """Take the live objects to where the user's undo or redo took the data."""
        if self._written is None and self._labels.data is self._data:
            self._live = self._steps.followed(self._live)

    def _on_paint(self, event: Any) -> None:
        """Note what a step of the undo history painted, ours or the user's."""
        if self._written is None:
            self._follow_undo()
        else:
            self._written = event.value  # of a brush stroke that is under way, too
        # The records are tuples that end with the new value.
        painted = max((int(np.max(record[-1], initial=0)) for record in event.value), default=0)
        self._painted_since = max(self._painted_since, painted)
        if self._highest is not None:
            self._highest = max(self._highest, painted)

    def _on_data(self, event: Any = None) -> None:
        """Forget everything about data that was replaced, unless it was merely converted."""
        self._highest, self._painted_since = None, 0
        before, self._data = self._data, self._labels.data
        if not self._converted(before, self._data):
            self._live = {}
            self._steps.clear()

    def _converted(self, before: Any, now: Any) -> bool:
        """Whether other data is the same wherever there are live objects, hand edits included."""
        if not isinstance(now, np.ndarray) or now.shape != before.shape:
            return False
        parts = [
            plane.indexer(slice(top, bottom), slice(left, right))
            for plane, there in self._live.items()
            for top, left, bottom, right in (painted.box for painted in there.values())
        ]
        return bool(parts) and all(np.array_equal(now[part], before[part]) for part in parts)


def _transposed(mask: MaskCrop) -> MaskCrop:
    return MaskCrop(mask.left, mask.top, mask.mask.T)
