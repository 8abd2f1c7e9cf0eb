"""Prompts on planes of a stack, and a model that answers them and follows what they mean.

Not here: the one call of a script (``units.stacks``), how objects are followed (``propagation``),
single pictures (``scripting.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.engine import EmbeddingStore
from napari_samv2_prompts.engine.coordinates import on_whole_plane
from napari_samv2_prompts.images import StackPicture, as_numbers
from napari_samv2_prompts.io.box_formats import BoxFormat
from napari_samv2_prompts.io.prompt_files import read_stack_prompts
from napari_samv2_prompts.io.prompt_set import refuse_outside
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import Prompt, PromptBatch, object_number
from napari_samv2_prompts.propagation import Embeddings, Follower, Method, follower_of
from napari_samv2_prompts.regions import InputSides, Region
from napari_samv2_prompts.words import counted

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

StackPrompts = Mapping[int, PromptBatch]
"""Plane: what is prompted there."""

Given = str | Path | Mapping[int, Any]
"""A table, or rows for each object; see :func:`.segment_stack`."""


def stack_prompts(
    shape: tuple[int, int, int],
    boxes: Given | None = None,
    points: Given | None = None,
    box_format: BoxFormat | None = None,
) -> dict[int, PromptBatch]:
    """Return boxes and points as prompts of planes; see :func:`.segment_stack`."""
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
            refuse_outside(shape[1:], f"object {key[1]}", box)
    if points is not None and tables[1] is None:
        for key, xy in _rows(points, "points", 3, shape[0]):
            old = prompts.get(key, Prompt(key[1]))
            clicks = np.concatenate([old.points, [xy]])
            prompts[key] = Prompt.of(key[1], clicks, np.append(old.labels, 1), old.box)
            refuse_outside(shape[1:], f"object {key[1]}", points=xy)
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
    for named, value in given.items():
        number = object_number(named)
        rows = np.atleast_2d(as_numbers(value, f"{name} of object {number}"))
        if rows.ndim != 2 or rows.shape[1] != columns:
            what = "plane, x0, y0, x1, y1" if columns == 5 else "plane, x, y"
            raise ValueError(f"{name} of object {number} must be rows of {what}.")
        for row in rows:
            if row[0] != np.rint(row[0]) or not 0 <= row[0] < planes:  # NaN is none, either
                raise ValueError(
                    f"Object {number} has a prompt on plane {row[0]:g}: the stack has "
                    f"{counted(planes, 'plane')}, counted from 0."
                )
            yield (int(row[0]), number), row[1:]


class StackModel:
    """A model on a stack: answers prompts on its planes, and follows what they mean.

    - `store`: where embeddings are looked for and kept
    """

    def __init__(
        self,
        seen: StackPicture,
        predictor: SAMV2ImagePredictor,
        store: EmbeddingStore | None = None,
    ) -> None:
        variant = predictor.variant
        sides = InputSides(variant.input_size, variant.largest_side)
        make = predictor.embed if store is None else partial(_embedded, predictor, store)
        self.embeddings = Embeddings.of_stack(seen, make, sides)
        self._seen, self._predictor = seen, predictor

    @property
    def weights(self) -> str:
        """Key of the model and all its weights."""
        return self._predictor.packing.fingerprint

    def follower(self, method: Method) -> Follower:
        """Return what follows objects; see :func:`.follower_of` for the error."""
        return follower_of(method, self._seen, self.embeddings, self._predictor)

    def answered(self, prompts: StackPrompts) -> dict[int, dict[int, MaskCrop]]:
        """Return masks by object and plane; objects that are found nowhere are left out."""
        anchors: dict[int, dict[int, MaskCrop]] = {}
        for plane, batch in sorted(prompts.items()):
            for number, crop in self._on_plane(plane, batch).items():
                anchors.setdefault(number, {})[plane] = crop
        return {n: of for n, of in anchors.items() if any(crop.area for crop in of.values())}

    def _on_plane(self, plane: int, batch: PromptBatch) -> dict[int, MaskCrop]:
        """Return the best mask of each prompt of a plane, in pixels of the plane."""
        shape = self._seen.shape[1:]
        embedding, region = self.embeddings(plane, Region.whole(shape))
        assert region == Region.whole(shape)
        whole = on_whole_plane(batch, shape, embedding.logits_size)
        masks = self._predictor.decode(embedding, whole)
        return {item.object: item.crops[item.best] for item in masks}


def _embedded(
    predictor: SAMV2ImagePredictor, store: EmbeddingStore, pixels: NDArray[np.uint8]
) -> Any:
    """Embed pixels, or find their embedding: under the name that the window gives it, too."""
    packing = predictor.packing
    key = store.key(pixels, packing.fingerprint, (pixels.shape[0], pixels.shape[1]))
    found: Any = store.get(key, packing.unpack)
    if found is None:
        found = predictor.embed(pixels).halved()
        store.put(key, packing.pack(found, key))
    return found
