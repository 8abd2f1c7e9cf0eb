"""Whose every pixel of a Labels layer is, written down beside the plugin and in plain arithmetic.

A :class:`Ledger` knows nothing of how masks are laid over each other: it sees whole layers before
and after each edit, and says which edit should not have been.  :class:`Witness` is the target that
the plugin writes to, and has its ledger look on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import LabelsTarget
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.masks import Policy

if TYPE_CHECKING:
    from napari.layers import Labels

UNDO_STEPS = 100  # as many as the viewer keeps

Masks = Mapping[Plane, Mapping[int, np.ndarray]]


@dataclass(frozen=True)
class Page:
    """What is known at one moment.

    Attributes
    ----------
    data : array of the layer's shape
    ours : array of the layer's shape, bool
        Pixels that the plugin wrote last.
    touched : array of the layer's shape, bool
        Pixels that the user ever edited.
    base : array of the layer's shape
        What the plugin has to bring back when it leaves a pixel.
    latest : mapping of Plane to mapping of int to array of bool
        The last mask of each live object on whole planes in data order, the highest one last.
    written : bool
        Whether the plugin's edit led here, and not the user's.
    """

    data: np.ndarray
    ours: np.ndarray
    touched: np.ndarray
    base: np.ndarray
    latest: Masks = field(default_factory=dict)
    written: bool = False


def fresh(data: np.ndarray) -> Page:
    none = np.zeros(data.shape, bool)
    return Page(data.copy(), none, none, data.copy())


class Ledger:
    """The pages of one layer, as far as it can be undone."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.page = fresh(labels.data)
        self.past: deque[Page] = deque(maxlen=UNDO_STEPS)
        self.future: list[Page] = []
        # Objects that the user took elsewhere: by undo, redo, or other data in the layer.
        self.undone: set[int] = set()
        self.edits = 0  # by the plugin

    def live(self, plane: Plane | None = None) -> set[int]:
        latest = self.page.latest
        if plane is not None:
            return set(latest.get(plane.in_data_order(), {}))
        return {number for masks in latest.values() for number in masks}

    # --- what the user does -----------------------------------------------------------------

    def user_edited(self) -> None:
        """Take note of a stroke that was just made."""
        now, page = self.labels.data, self.page
        edited = now != page.data
        if edited.any():
            # Where an object's own label is painted back into its mask it is the object's again.
            given = edited & _shows_one_of(page.latest, now)
            base = np.where(edited & ~given, now, page.base)
            ours, touched = page.ours & ~edited | given, page.touched | edited
            self._turn(Page(now.copy(), ours, touched, base, page.latest))

    def undo(self) -> None:
        """Have the last step undone, and check that all is as it was before it."""
        self.labels.undo()
        if self.past:
            self.future.append(self.page)
            self._go_to(self.past.pop())
        np.testing.assert_array_equal(self.labels.data, self.page.data)

    def redo(self) -> None:
        """Have the last undone step made again, and check that all is as it was after it."""
        self.labels.redo()
        if self.future:
            self.past.append(self.page)
            self._go_to(self.future.pop())
        np.testing.assert_array_equal(self.labels.data, self.page.data)

    def _go_to(self, page: Page) -> None:
        self.undone |= self.live()
        self.page = page
        self.undone |= self.live()

    def start_anew(self, kept: bool) -> None:
        """Take note of other data in the layer, in which the live objects may still be there."""
        self.labels._reset_history()
        if not kept:
            self.undone |= self.live()
        page = fresh(self.labels.data)
        self.page = replace(self.page, data=page.data) if kept else page
        self.past.clear()
        self.future.clear()

    def _turn(self, page: Page) -> None:
        self.past.append(self.page)
        self.future.clear()
        self.page = page

    # --- what the plugin does ---------------------------------------------------------------

    def disown(self, objects: Iterable[int] | None = None) -> None:
        """Take note that objects (all by default) are the user's from now on."""
        gone = set(objects) if objects is not None else None
        self.page = _without(self.page, gone)
        self.past = deque((_without(page, gone) for page in self.past), maxlen=UNDO_STEPS)
        self.future = [_without(page, gone) for page in self.future]

    def written(
        self, changes: Mapping[Plane, Mapping[int, np.ndarray | None]], policy: Policy
    ) -> None:
        """Check an edit of the plugin's and take note of it."""
        page, now = self.page, self.labels.data.copy()
        latest = {plane: dict(masks) for plane, masks in page.latest.items()}
        region = np.zeros(now.shape, bool)
        for plane, masks in changes.items():
            here = latest.setdefault(plane, {})
            part = region[plane.indexer()]
            for number in masks:
                part |= here.pop(number, False)
                self.undone.discard(number)
            # What the user touched may have been taken from an object, so that another can have it.
            touched = page.touched[plane.indexer()]
            others = _any(here.values(), part.shape) & ~touched & (policy == "background")
            under = np.where(page.ours, page.base, page.data)[plane.indexer()]
            free = (under == 0) | touched | (policy == "replace")
            new = [(number, mask) for number, mask in masks.items() if mask is not None]
            for number, mask in sorted(new, key=lambda item: -item[1].sum()):
                part |= mask
                here[number] = mask & free & ~others
        changed = now != page.data
        assert not (changed & ~region).any(), "pixels outside of all changed masks were written"
        if policy != "replace":
            kept = ~page.ours & (page.data != 0)
            assert not (changed & kept).any(), "a label was overwritten that no live object owns"
        inside = _shows_one_of(latest, now)
        brought_back = (now == page.base) | page.touched
        assert not (changed & ~inside & ~brought_back).any(), "a label came from nowhere"
        # What lies under an object can have its number: it comes back without a change.
        ours = np.where(changed, inside, page.ours & (inside | (now != page.base)))
        if changed.any():
            self.edits += 1
            base = np.where(changed & ~page.ours, page.data, page.base)
            self._turn(Page(now, ours, page.touched, base, latest, written=True))
        else:
            self.page = replace(page, ours=ours, latest=latest)
            self._between_edits(latest)

    def _between_edits(self, latest: Masks) -> None:
        """Have a change without a pixel hold as far as the edits before and after it.

        The user's strokes in between can be undone; what changed does not come back with them.
        """
        page, number = self.page, len(self.past)
        while not page.written and number:
            number -= 1
            page = self.past[number]
            self.past[number] = _with(page, latest)
        number = len(self.future)
        while number and not self.future[number - 1].written:
            number -= 1
            self.future[number] = _with(self.future[number], latest)

    def check(self, target: LabelsTarget | None) -> None:
        """Check that the layer shows what it has to."""
        page = self.page
        np.testing.assert_array_equal(self.labels.data, page.data, "written behind our back")
        shown = _shows_one_of(page.latest, page.data)
        # Whose a label is that the user painted into a mask, the ledger can't always tell.
        outside = page.ours & ~page.touched & ~shown
        assert not outside.any(), "an object shows outside of its latest mask"
        for plane, masks in page.latest.items():
            part = plane.indexer()
            expected = np.zeros(page.data[part].shape, page.data.dtype)
            for number, mask in masks.items():  # the highest comes last
                expected[mask] = number
            nobodys = ~page.touched[part] & (page.base[part] == 0)
            np.testing.assert_array_equal(page.data[part][nobodys], expected[nobodys])
        if target is not None:
            for plane, masks in page.latest.items():
                live = target.live(plane)
                assert live == set(masks), f"the target counts {live}, not {set(masks)}"


class Witness(LabelsTarget):
    """The target of the plugin's masks, with a ledger that looks on."""

    def __init__(self, labels: Labels, highest: int | None, ledger: Ledger) -> None:
        super().__init__(labels, highest)
        self.ledger = ledger
        ledger.disown()  # what was there before this target was made is the user's

    def write(
        self, plane: Plane, masks: Mapping[int, MaskCrop | None], policy: Policy = "keep"
    ) -> int:
        changed = super().write(plane, masks, policy)
        whole = {n: None if m is None else m.full(plane.shape) for n, m in masks.items()}
        if plane.is_transposed:
            whole = {n: None if m is None else m.T for n, m in whole.items()}
        self.ledger.written({plane.in_data_order(): whole}, policy)
        return changed

    def remove(self, objects: Iterable[int]) -> int:
        gone = frozenset(objects)
        changes = {
            plane: dict.fromkeys(gone & set(masks))
            for plane, masks in self.ledger.page.latest.items()
        }
        changed = super().remove(gone)
        self.ledger.written(changes, "keep")
        return changed

    def accept(self, objects: Iterable[int] | None = None) -> None:
        gone = None if objects is None else frozenset(objects)
        super().accept(gone)
        self.ledger.disown(gone)


def _any(masks: Iterable[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.logical_or.reduce([np.zeros(shape, bool), *masks])


def _shows_one_of(latest: Masks, data: np.ndarray) -> np.ndarray:
    """Tell which pixels show a live object inside of its latest mask."""
    out = np.zeros(data.shape, bool)
    for plane, masks in latest.items():
        part = plane.indexer()
        for number, mask in masks.items():
            out[part] |= mask & (data[part] == number)
    return out


def _with(page: Page, latest: Masks) -> Page:
    """Return a page with other live objects; pixels of none of them are the user's."""
    ours = page.ours & _shows_one_of(latest, page.data)
    base = np.where(page.ours & ~ours, page.data, page.base)
    return replace(page, ours=ours, base=base, latest=latest)


def _without(page: Page, gone: set[int] | None) -> Page:
    """Return a page on which objects (all for None) are the user's.

    Where others cover them they are what has to be brought back, and where they cover others these
    have no claim any more.
    """
    latest, base = {}, page.base.copy()
    for plane, masks in page.latest.items():
        part, here = plane.indexer(), latest.setdefault(plane, {})
        for number, mask in masks.items():  # the highest comes last
            if gone is not None and number not in gone:
                here[number] = mask
                continue
            base[part][mask & page.ours[part] & ~page.touched[part]] = number
            for below in here:
                here[below] = here[below] & ~(mask & ~page.touched[part])
    return _with(replace(page, base=base), latest)
