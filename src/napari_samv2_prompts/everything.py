"""All objects of a picture, from a script: :func:`segment_all`.

A picture that is larger than the model's input is searched tile by tile (``tiles.py``), so that
objects are seen in their own resolution and memory does not grow with the picture.

Not here: the search (``samv2.find_all``), prompts (``scripting.py``), folders (``units``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.candidates import Candidate, Candidates, Order, Selection
from napari_samv2_prompts.io.label_arrays import as_labels
from napari_samv2_prompts.io.pictures import picture_in
from napari_samv2_prompts.tiles import OVERLAP, Tile, tiles_of

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor


def segment_all(
    image: str | Path | ArrayLike,
    *,
    min_score: float = Selection().min_score,
    min_area: float = 0.0,
    max_area: float = np.inf,
    max_overlap: float = Selection().max_overlap,
    order: Order = "best",
    labels: ArrayLike | None = None,
    channel: str | int | None = None,
    model: str | None = None,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    predictor: SAMV2ImagePredictor | None = None,
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Segment all objects of a picture that can be found.

    Parameters
    ----------
    image : path or array of shape (H, W), (H, W, 3) or (H, W, 4)
        As for :func:`.segment`; of any size.
    min_score : float
        Least predicted IoU of an object.
    min_area, max_area : float
        In pixels.
    max_overlap : float
        Largest share that two objects may have in common, of the smaller one.
    order : {"best", "wholes", "parts"}
        Which of two that overlap more is kept: the one with the better score, the larger or the
        smaller one.
    labels : array of shape (H, W), integer, optional
        Objects that are known: they stay as they are, and are not proposed again.
    channel, model, checkpoint, device, predictor
        As for :func:`.segment`.

    Returns
    -------
    array of shape (H, W), uint16; uint32 if there are too many objects for that
        Known labels, and each object that was found with the next free number: from the top, and
        of a large picture tile by tile.

    Raises
    ------
    ValueError
        If image, order or labels are not as above.
    OSError
        If a file cannot be read.
    """
    picture = picture_in(image, channel)
    known = None if labels is None else as_labels(labels)
    if known is not None and known.shape != picture.shape[:2]:
        raise ValueError(
            f"The labels have the shape {known.shape}, the picture {picture.shape[:2]}: "
            "give the labels of this picture."
        )
    if predictor is None:
        from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

        predictor = SAMV2ImagePredictor(model, checkpoint=checkpoint, device=device)
    selection = Selection(
        min_score=min_score,
        min_area=min_area,
        max_area=max_area,
        max_overlap=max_overlap,
        order=order,
    )
    taken = None if known is None else known > 0
    found = found_in_tiles(predictor, picture, selection, taken)
    return labels_from(found, picture.shape[:2], known)


def found_in_tiles(
    predictor: SAMV2ImagePredictor,
    picture: NDArray[np.uint8],
    selection: Selection,
    taken: NDArray[np.bool_] | None = None,
) -> list[Candidate]:
    """Find the objects of a picture tile by tile, each once; in a tile from the top.

    - `picture`: array of shape (H, W, 3) or (H, W), uint8
    - `taken`: array of shape (H, W), bool; where there are objects already
    """
    side = predictor.variant.largest_side
    tiles = tiles_of((picture.shape[0], picture.shape[1]), side, int(side * OVERLAP))

    def found_in(tile: Tile) -> list[Candidate]:
        part = tile.region.slices
        known = None if taken is None else taken[part]
        return candidates_in(predictor, picture[part], tile, selection, known)

    parts = ((tile, found_in(tile)) for tile in tiles)
    return [item for part in joined(parts, selection.max_overlap) for item in part]


def candidates_in(
    predictor: SAMV2ImagePredictor,
    pixels: NDArray[np.uint8],
    tile: Tile,
    selection: Selection,
    taken: NDArray[np.bool_] | None = None,
) -> list[Candidate]:
    """Find a tile's own objects, in pixels of the picture: a function of its pixels alone.

    - `pixels`: array of shape (h, w, 3) or (h, w), uint8; the tile's region
    - `taken`: array of shape (h, w), bool
    """
    from napari_samv2_prompts.samv2.find_all import Search, find_all

    embedding = predictor.embed(pixels)
    candidates = Candidates()
    for chunk in find_all(predictor, embedding, Search(selection), taken=taken):
        candidates.extend(chunk)
    top, left = tile.region.top, tile.region.left
    found = [candidates[i].moved(top, left) for i in candidates.select(selection)]
    return [item for item in found if tile.keeps(item.crop.box)]


def joined(
    parts: Iterable[tuple[Tile, list[Candidate]]], max_overlap: float
) -> Iterator[list[Candidate]]:
    """Yield the objects of each tile, from the top, without those that an earlier tile has.

    Two tiles may both have found an object whose middle is on their border.  The earlier one's
    stays: the result does not depend on which was finished first.  A tile is compared with those
    that touch it, and the others are forgotten: memory does not grow with the picture.

    - `parts`: row by row, as :func:`.tiles_of` gives them
    - `max_overlap`: see :class:`.Selection`
    """
    before: list[tuple[Tile, Candidates]] = []
    for tile, part in parts:
        before = [pair for pair in before if pair[0].region.bottom > tile.region.top]
        near = [kept for other, kept in before if other.region.touches(tile.region)]
        own = [
            item
            for item in sorted(part, key=lambda item: (item.crop.top, item.crop.left))
            if all(kept.overlap_of(item) <= max_overlap for kept in near)
        ]
        before.append((tile, Candidates(own)))
        yield own


def labels_from(
    found: Iterable[Candidate], shape: tuple[int, int], known: NDArray[Any] | None = None
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Paint objects with the next free numbers, smaller ones over larger ones.

    Known labels are never painted over.
    """
    items = list(found)
    first = 1 + (int(known.max(initial=0)) if known is not None else 0)
    dtype = np.uint16 if first + len(items) <= 1 << 16 else np.uint32
    labels: NDArray[Any] = np.zeros(shape, dtype) if known is None else known.astype(dtype)
    free = None if known is None else known == 0
    numbered = list(enumerate(items, first))
    for number, item in sorted(numbered, key=lambda pair: -pair[1].area):
        part = item.crop.slices
        mask = item.crop.mask if free is None else item.crop.mask & free[part]
        labels[part][mask] = number
    return labels
