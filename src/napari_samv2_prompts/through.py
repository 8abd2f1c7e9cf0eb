"""Through a stack from a script: one call from prompts on a few planes to labels on all.

Here: :func:`segment_stack` and what it is made of.  Not here: how objects are followed
(``propagation``), single pictures (``scripting.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.engine import EmbeddingStore
from napari_samv2_prompts.engine.coordinates import on_whole_plane
from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.io.box_formats import BoxFormat
from napari_samv2_prompts.io.pictures import read_image
from napari_samv2_prompts.io.prompt_files import read_stack_prompts
from napari_samv2_prompts.prompts import MaskCrop, Prompt, PromptBatch
from napari_samv2_prompts.propagation import (
    METHODS,
    Embeddings,
    Filled,
    Found,
    Method,
    Wanted,
    current,
    follower_of,
    painted,
    propagate_shares,
    shares_of,
)
from napari_samv2_prompts.regions import InputSides, Region

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

__all__ = ["StackPrompts", "follow", "segment_stack", "stack_prompts"]

StackPrompts = Mapping[int, PromptBatch]
"""Plane: what is prompted there."""

Given = str | Path | Mapping[int, Any]


def segment_stack(
    stack: str | Path | NDArray[Any],
    *,
    boxes: Given | None = None,
    points: Given | None = None,
    box_format: BoxFormat | None = None,
    direction: Literal["forward", "back", "both"] = "both",
    first: int | None = None,
    last: int | None = None,
    model: str | None = None,
    method: Method = "auto",
    checkpoint: str | Path | None = None,
    device: str = "auto",
    predictor: SAMV2ImagePredictor | None = None,
    store: str | Path | None = None,
    progress: Callable[[Filled], object] | None = None,
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Segment objects on all planes of a stack, or all frames of a film, from prompts on a few.

    Parameters
    ----------
    stack : path or array of shape (Z, H, W), (Z, H, W, 3) or (Z, H, W, 4)
        Other numbers than 8 bit are stretched between percentiles of the whole stack.
    boxes : path, or mapping of object to rows, optional
        A table with a column ``plane`` (see :func:`.read_stack_prompts`), or for each object
        ``plane, x0, y0, x1, y1``, or several such rows on different planes.
    points : path, or mapping of object to rows, optional
        A table, or ``plane, x, y`` for each object, or several; all of them on the object.
    box_format : {"xyxy", "xywh", "yolo"}, optional
        How the four numbers of a box in a table are meant; by its columns' names if not given.
    direction : str
        Beyond the prompted planes: ``"forward"``, ``"back"`` or ``"both"``.
    first, last : int, optional
        Planes to fill, both included; all by default.
    model, checkpoint, device, predictor
        As for :func:`.segment`.
    method : str
        How objects are followed: ``"hand-over"`` makes prompts of the last mask, with any model;
        ``"memory"`` is the published models' own way.  ``"auto"`` is the memory if the model has
        one and sees planes in full detail, else hand-over.
    store : path, optional
        Folder of embeddings: what is there is not embedded again, what is not is kept there.
    progress : callable, optional
        Told what each plane gained; what it raises ends the work.

    Returns
    -------
    array of shape (Z, H, W), uint16; uint32 if an object's number needs it

    Raises
    ------
    ValueError
        If stack or prompts are not as above, or the range holds no plane.
    OSError
        If a file cannot be read.
    """
    seen = StackPicture.of(read_image(stack) if isinstance(stack, str | Path) else stack)
    prompts = stack_prompts(seen.shape, boxes, points, box_format)
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}: it is one of {', '.join(METHODS)}.")
    wanted = _wanted(seen.shape[0], first, last, direction)
    if predictor is None:
        from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

        predictor = SAMV2ImagePredictor(model, checkpoint=checkpoint, device=device)
    anchors: dict[int, dict[int, MaskCrop]] = {}
    found = Found()
    kept = None if store is None else EmbeddingStore(Path(store), limit_mb=np.inf)
    for filled in follow(seen, prompts, predictor, wanted, anchors, method, kept):
        found.add(filled)
        if progress is not None:
            progress(filled)
    return painted(seen.shape, anchors, current(anchors, found))


def _wanted(planes: int, first: int | None, last: int | None, direction: Any) -> Wanted:
    if direction not in ("forward", "back", "both"):
        raise ValueError(f"direction is {direction!r}: it is 'forward', 'back' or 'both'.")
    low, high = first or 0, planes - 1 if last is None else last
    if not 0 <= low <= high < planes:
        raise ValueError(
            f"There are no planes from {low} to {high}: the stack has {planes}, counted from 0."
        )
    return Wanted(low, high, direction)


def stack_prompts(
    shape: tuple[int, int, int],
    boxes: Given | None = None,
    points: Given | None = None,
    box_format: BoxFormat | None = None,
) -> dict[int, PromptBatch]:
    """Return boxes and points as prompts of planes; see :func:`segment_stack`."""
    if boxes is None and points is None:
        raise ValueError("There are no prompts: give boxes, points or both.")
    tables = [given if isinstance(given, str | Path) else None for given in (boxes, points)]
    prompts: dict[tuple[int, int], Prompt] = {}
    for plane, batch in read_stack_prompts(shape, *tables, box_format=box_format).items():
        prompts |= {(plane, prompt.object): prompt for prompt in batch}
    if boxes is not None and tables[0] is None:
        for key, box in _rows(boxes, "boxes", 5, shape[0]):
            old = prompts.get(key, Prompt(key[1]))
            if old.box is not None:
                raise ValueError(f"Object {key[1]} has a second box on plane {key[0]}.")
            prompts[key] = Prompt.of(key[1], old.points, old.labels, box)
    if points is not None and tables[1] is None:
        for key, xy in _rows(points, "points", 3, shape[0]):
            old = prompts.get(key, Prompt(key[1]))
            clicks = np.concatenate([old.points, [xy]])
            prompts[key] = Prompt.of(key[1], clicks, np.append(old.labels, 1), old.box)
    by_plane: dict[int, list[Prompt]] = {}
    for (plane, _), prompt in sorted(prompts.items()):
        by_plane.setdefault(plane, []).append(prompt)
    return {plane: PromptBatch(tuple(items)) for plane, items in by_plane.items()}


def _rows(
    given: Any, name: str, columns: int, planes: int
) -> Iterator[tuple[tuple[int, int], NDArray[np.float64]]]:
    """Yield (plane, object) and the rest of each row."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} of a stack are a mapping of objects to rows, or a table.")
    for number, value in given.items():
        rows = np.atleast_2d(np.asarray(value, np.float64))
        if rows.ndim != 2 or rows.shape[1] != columns:
            what = "plane, x0, y0, x1, y1" if columns == 5 else "plane, x, y"
            raise ValueError(f"{name} of object {number} must be rows of {what}.")
        if int(number) < 1:
            raise ValueError("Objects are whole numbers from 1: each is the value of its label.")
        for row in rows:
            if row[0] != int(row[0]) or not 0 <= row[0] < planes:
                raise ValueError(
                    f"Object {number} has a prompt on plane {row[0]:g}: the stack has {planes} "
                    f"planes, counted from 0."
                )
            yield (int(row[0]), int(number)), row[1:]


def follow(
    seen: StackPicture,
    prompts: StackPrompts,
    predictor: SAMV2ImagePredictor,
    wanted: Wanted,
    anchors: dict[int, dict[int, MaskCrop]],
    method: Method = "auto",
    store: EmbeddingStore | None = None,
) -> Iterator[Filled]:
    """Answer the prompts, then fill the other planes.

    Parameters
    ----------
    anchors : dict
        Empty; the masks on the prompted planes are put here first.
    method : str
        See :func:`segment_stack`.
    store : EmbeddingStore, optional
        Where embeddings are looked for and kept.
    """
    variant = predictor.variant
    sides = InputSides(variant.input_size, variant.largest_side)
    make = predictor.embed if store is None else partial(_embedded, predictor, store)
    embed = Embeddings.of_stack(seen, make, sides)
    follower = follower_of(method, seen, embed, predictor)
    for plane, batch in sorted(prompts.items()):
        for number, crop in _answered(embed, predictor, plane, batch, seen.shape[1:]).items():
            anchors.setdefault(number, {})[plane] = crop
    for number in [n for n, planes in anchors.items() if not any(c.area for c in planes.values())]:
        del anchors[number]  # the model finds nothing of it where it was prompted
    yield from propagate_shares(follower, shares_of(anchors, Found(), wanted))


def _embedded(
    predictor: SAMV2ImagePredictor, store: EmbeddingStore, pixels: NDArray[np.uint8]
) -> Any:
    """Embed pixels, or find their embedding: under the name that the window gives it, too."""
    packing = predictor.packing
    key = store.key(pixels, f"{packing.fingerprint} {(pixels.shape[0], pixels.shape[1])}")
    found: Any = store.get(key, packing.unpack)
    if found is None:
        found = predictor.embed(pixels).halved()
        store.put(key, packing.pack(found, key))
    return found


def _answered(
    embed: Embeddings,
    predictor: SAMV2ImagePredictor,
    plane: int,
    batch: PromptBatch,
    shape: tuple[int, int],
) -> dict[int, MaskCrop]:
    """Return the best mask of each prompt of a plane, in pixels of the plane."""
    embedding, region = embed(plane, Region.whole(shape))
    assert region == Region.whole(shape)
    masks = predictor.decode(embedding, on_whole_plane(batch, shape, embedding.logits_size))
    return {item.object: item.crops[item.best] for item in masks}
