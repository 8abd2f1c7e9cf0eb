"""The pixels of a Labels layer on one plane: read, painted and relabelled.

Here: what is done to a plane's pixels, and to the live objects there.

Not here: undo steps and live objects of all planes (``labels_target``), the rules by which objects
share the pixels (``masks``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers.labels_reading import kept_labels, label_mask, labels_by_plane
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.masks import (
    Box,
    Painted,
    Policy,
    as_seen,
    edits,
    freeze,
    paint,
    respect_edits,
    unfreeze,
)

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

PlaneObjects = Mapping[int, Painted]


def read_box(labels: Labels, plane: Plane, box: Box) -> NDArray[Any]:
    """Return the labels in a half-open box of a plane, shape (h, w)."""
    top, left, bottom, right = box
    part: NDArray[Any] = labels.data[plane.indexer(slice(top, bottom), slice(left, right))]
    return part


def repaint(
    labels: Labels,
    plane: Plane,
    live: PlaneObjects,
    masks: Mapping[int, MaskCrop | None],
    policy: Policy,
    next_rank: int,
    keep: frozenset[int] = frozenset(),
    seen: frozenset[int] = frozenset(),
) -> tuple[PlaneObjects, PlaneObjects, int]:
    """Write new masks of objects; None takes one away.

    `keep` are labels that no mask may cover, besides those that the user keeps; `seen` are objects
    that are no more than is seen of them, whatever masks go from over them.

    - returns `before`, `after`: the live objects, with what the user edited by hand in mind
    - returns `changed`: number of pixels that changed
    """
    kept = kept_labels(labels) | keep
    origins = {n: live[n].origin for n, mask in masks.items() if mask is None and n in live}
    masks = {n: mask or origins.get(n) for n, mask in masks.items() if n not in kept}
    read = partial(read_box, labels, plane)
    boxes = [mask.box for mask in masks.values() if mask is not None]
    boxes += [live[number].box for number in masks if number in live]
    before = respect_edits(read, live, boxes)
    shown = as_seen(read, before, seen)
    after = paint(read, shown, masks, policy, next_rank, kept)
    changed = 0
    for edit in edits(read, shown, after):
        labels.data_setitem(plane.indices(edit.rows, edit.columns), edit.values)
        changed += len(edit.values)
    given_back = [number for number, origin in origins.items() if origin is not None]
    return before, freeze(after, given_back), changed


def shown_objects(
    labels: Labels, plane: Plane, live: PlaneObjects, objects: Collection[int]
) -> frozenset[int]:
    """Return those objects of which there is a pixel; of those that are kept none is theirs.

    Looks at all of the plane where a live object is not in the place of its mask.
    """
    wanted = frozenset(objects) - kept_labels(labels)
    at_mask = {n for n in wanted & live.keys() if _shows(labels, plane, live[n])}
    if at_mask == wanted:
        return wanted
    return wanted & (at_mask | labels_by_plane(labels.data[plane.indexer()], ()).keys())


def owning_nothing(live: PlaneObjects) -> tuple[Painted, ...]:
    """Return the objects that have a mask, no pixel of which was painted."""
    return tuple(p for p in live.values() if p.owned.size and not p.owned.any())


def covered_objects(labels: Labels, plane: Plane, bare: Iterable[Painted]) -> frozenset[int]:
    """Return the objects, of those that own nothing, whose whole mask is other labels."""
    return frozenset(
        painted.label
        for painted in bare
        if read_box(labels, plane, painted.box)[painted.edited].all()  # else it was erased
        and not _shows(labels, plane, painted)
    )


def _shows(labels: Labels, plane: Plane, painted: Painted) -> bool:
    return bool((read_box(labels, plane, painted.box) == painted.label).any())


def unfrozen(
    labels: Labels, plane: Plane, live: PlaneObjects, label: int, origin: MaskCrop
) -> PlaneObjects:
    """Return the live objects with a label that is there as one more; changes no pixel."""
    read = partial(read_box, labels, plane)
    return unfreeze(read, respect_edits(read, live, [origin.box]), label, origin)


def replace_labels(labels: Labels, plane: Plane, old: Collection[int], new: int) -> int:
    """Give the pixels of some labels another one; return how many there are."""
    masks = filter(None, (label_mask(labels, plane, number) for number in old))
    found = [np.add(np.argwhere(mask.mask), (mask.top, mask.left)) for mask in masks]
    if not found:
        return 0
    rows, columns = np.concatenate(found).T
    labels.data_setitem(plane.indices(rows, columns), new)
    return len(rows)


def same_pixels(live: Mapping[Plane, PlaneObjects], before: Any, now: Any) -> bool:
    """Whether two arrays are the same wherever there are live objects, hand edits included."""
    if not isinstance(now, np.ndarray) or now.shape != before.shape:
        return False
    parts = [
        plane.indexer(slice(top, bottom), slice(left, right))
        for plane, there in live.items()
        for top, left, bottom, right in (painted.box for painted in there.values())
    ]
    return bool(parts) and all(np.array_equal(now[part], before[part]) for part in parts)


def is_converted(before: Any, now: Any) -> bool:
    """Whether an array is another one in another number type."""
    arrays = isinstance(before, np.ndarray) and isinstance(now, np.ndarray)
    return arrays and before.dtype != now.dtype and np.array_equal(before, now)


def transposed(mask: MaskCrop) -> MaskCrop:
    """Return a mask with rows and columns exchanged."""
    return MaskCrop(mask.left, mask.top, mask.mask.T)
