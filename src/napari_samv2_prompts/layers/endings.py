"""What the user says of objects along an axis: where they end, and which divide into which.

Not here: what was found of them (``stack_labels``), their tracks (``propagation.lineage``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.mask_crops import MaskCrop, cropped

from .anchors import is_untouched, read_mask
from .labels_reading import kept_labels, label_mask
from .stack_labels import StackLabels, Writing, place_on
from .undo_steps import OpenStep

if TYPE_CHECKING:
    from numpy.typing import NDArray


def end_object(
    stack: StackLabels, number: int, plane: Plane, writing: Writing, step: OpenStep | None = None
) -> None:
    """Take it that an object is not on a plane; what was found of it beyond goes with it.

    - `step`: of a division, what it is to be a part of
    - raises ValueError if its pixels there are the user's own
    - raises TargetError if the labels can't be written
    """
    here = place_on(plane, stack.axis)
    _refuse_kept(stack, number)
    own = number not in stack.target.live(plane)
    if step is None and own and label_mask(stack.target.labels, plane, number) is not None:
        raise ValueError(
            f"Object {number} was painted or accepted on this plane: erase it here first."
        )
    alone, step = step is None, step or OpenStep()
    stack.ended.setdefault(number, {})[here] = step
    with writing():
        for place in sorted({here, *_beyond(stack, number, here, divides=not alone)}):
            stack.remove(number, place, step)


def _beyond(stack: StackLabels, number: int, here: int, *, divides: bool) -> list[int]:
    """Return where an object was found that is not on a plane, as far as its next anchor.

    Nothing between two anchors: it may be gone on a single plane.  If it was known on this plane
    only, on both sides, but not before the one on which it divides.  Only what was found is read,
    not the whole layer.
    """
    up, ends_up = _found_beside(stack, number, here, 1)
    down, ends_down = _found_beside(stack, number, here, -1)
    return (up if ends_up else []) + (down if ends_down and not (divides and ends_up) else [])


def _found_beside(
    stack: StackLabels, number: int, here: int, way: Literal[1, -1]
) -> tuple[list[int], bool]:
    """Return the places on one side up to the next anchor, and whether there is none."""
    sections, written = stack.found.sections.get(number, {}), stack.remains.now.get(number, {})
    last, place = sections.get(here), here + way
    places: list[int] = []
    while place in sections and place in written:
        if not is_untouched(stack.target.labels.data, stack.planes[place], number, written[place]):
            return places, False
        places.append(place)
        last = sections[place]
        place += way
    limit = None if last is None else last.between[1 if way == 1 else 0]
    step = stack.ended.get(number, {}).get(limit[0]) if limit else None
    return places, limit is None or (step is not None and not step.undone)


def divide_object(
    stack: StackLabels, number: int, plane: Plane, writing: Writing, used: int = 0
) -> tuple[int, int]:
    """Take it that an object is two new ones from a plane on; return their numbers.

    What the label covers there is shared out: two pieces to one each, a single one cut in two.

    - `used`: the highest number that is some object's though no label may have it
    - raises ValueError if the object has no pixels there, or is kept
    - raises TargetError if the labels can't be written
    """
    _refuse_kept(stack, number)
    whole = MaskCrop(0, 0, np.ones(plane.shape, bool))
    found = cropped(read_mask(stack.target.labels.data, plane, number, whole).mask)
    if found.area < 2:
        raise ValueError(
            f"Object {number} is not on this plane: go to the first one after it divided, and "
            "draw or paint it there."
        )
    first = stack.target.next_free(max(number + 1, used))
    daughters = first, first + 1
    halves = {
        n: replace(found, mask=half) for n, half in zip(daughters, _halved(found.mask), strict=True)
    }
    step = OpenStep()
    with writing(), stack.target.joined(step):
        stack.target.write(plane, halves, "replace")
    end_object(stack, number, plane, writing, step)
    stack.divided |= dict.fromkeys(daughters, (number, step))
    before = _where_it_was(stack, number, place_on(plane, stack.axis))
    for daughter in daughters if before in range(len(stack.planes)) else ():
        stack.ended.setdefault(daughter, {})[before] = step
    return daughters


def _where_it_was(stack: StackLabels, number: int, here: int) -> int:
    """Return the plane beside the one of a division on which there was one object only."""
    left = stack.remains.now.get(number, {})
    later_only = bool(left) and min(left) > here
    return here + 1 if later_only else here - 1


def _refuse_kept(stack: StackLabels, number: int) -> None:
    if number in kept_labels(stack.target.labels):
        raise ValueError(f"Label {number} is kept: release it first.")


def _halved(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Cut a mask in two: between its two largest pieces, or across its longer axis."""
    rows, columns = np.nonzero(mask)
    pieces, count = ndimage.label(mask)
    if count > 1:
        sizes = np.bincount(pieces.ravel())[1:]
        one, other = np.argsort(-sizes, kind="stable")[:2] + 1
        nearer = ndimage.distance_transform_edt(pieces != one) <= ndimage.distance_transform_edt(
            pieces != other
        )
        return mask & nearer, mask & ~nearer
    places = np.stack([rows, columns], 1) - np.array([rows.mean(), columns.mean()])
    axis = np.linalg.eigh(places.T @ places)[1][:, -1]
    along = places @ axis
    if axis[np.abs(axis).argmax()] < 0:
        along = -along
    first = np.zeros_like(mask)
    first[rows, columns] = along <= np.median(along)
    if not (mask & ~first).any():
        first[rows[-1], columns[-1]] = False
    return first, mask & ~first
