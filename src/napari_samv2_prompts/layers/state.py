"""The layers to work on, and the rows of their prompts, read at once into a frozen value.

:class:`PromptTables` says what *should* be in the layers, too: the objects of rows that have none
yet.  ``prompt_layers`` makes them agree.  Reading changes nothing.

Not here: what a row or a shape means (``rows``, ``prompt_reading``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from napari_samv2_prompts.layers.rows import FreeNumber, PromptRows, numbered, read_rows

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels, Layer, Points, Shapes


@dataclass(frozen=True, slots=True)
class Chosen:
    """The layers to work on."""

    image: Image | None = None
    points: Points | None = None
    shapes: Shapes | None = None
    labels: Labels | None = None

    @property
    def n_prompts(self) -> int:
        """How many points and shapes there are."""
        return sum(len(layer.data) for layer in (self.points, self.shapes) if layer is not None)

    @property
    def ids(self) -> frozenset[UUID]:
        """What tells the layers of prompts and labels from all others."""
        layers = self.points, self.shapes, self.labels
        return frozenset(layer.unique_id for layer in layers if layer is not None)


def id_of(layer: Layer | None) -> UUID | None:
    """Return what tells a layer from all others, or None for none."""
    return None if layer is None else layer.unique_id


@dataclass(frozen=True, slots=True, eq=False)
class PromptTables:
    """The rows of the prompt layers, with the objects that they are to have."""

    layers: tuple[UUID | None, ...] = ()  # points, shapes and labels
    points: PromptRows | None = None
    shapes: PromptRows | None = None
    # Objects that had prompts and have none now, on any plane, and whose labels are still there.
    lost: frozenset[int] = frozenset()
    drawn: tuple[int, ...] = ()  # rows of shapes that are new
    # Values of the column ``object`` that are no object, and got a number.
    odd: tuple[str, ...] = ()

    @property
    def prompted(self) -> frozenset[int]:
        """The objects that have a prompt, on whatever plane."""
        return frozenset(
            number
            for rows in (self.points, self.shapes)
            if rows is not None
            for number in rows.objects.tolist()
            if number > 0
        )

    def same_rows(self, other: PromptTables) -> bool:
        """Whether the same prompts stand in the same places with the same objects."""
        return self.layers == other.layers and all(
            (mine is None) == (theirs is None)
            and (mine is None or theirs is None or mine.says_as(theirs))
            for mine, theirs in ((self.points, other.points), (self.shapes, other.shapes))
        )


def read_tables(
    chosen: Chosen, dims: Dims, free: FreeNumber | None, before: PromptTables | None = None
) -> PromptTables:
    """Return the rows of the chosen prompt layers.

    - `dims`: ``viewer.dims``
    - `free`: gives the next number that is free; without it rows that have no object get none
    - `before`: what was read last, to tell what is new and what is gone
    """
    layers = tuple(id_of(layer) for layer in (chosen.points, chosen.shapes, chosen.labels))
    known = before is not None and before.layers == layers
    rows: list[PromptRows | None] = []
    drawn: list[int] = []
    odd: list[str] = []
    read = [
        None if layer is None else read_rows(layer, dims)
        for layer in (chosen.points, chosen.shapes)
    ]
    used = frozenset(n for r in read if r is not None for n in r.objects.tolist())
    for layer, now in zip((chosen.points, chosen.shapes), read, strict=True):
        if layer is None or now is None or free is None:
            rows.append(now)
            continue
        last = None
        if known and before is not None:
            last = before.shapes if layer is chosen.shapes else before.points
        odd += _odd(layer, now)
        objects, drawn = numbered(layer, last, now, used, free)
        used |= frozenset(objects.tolist())
        rows.append(replace(now, objects=objects))
    tables = PromptTables(layers, rows[0], rows[1], drawn=tuple(drawn), odd=tuple(odd))
    if known and before is not None:
        tables = replace(tables, lost=(before.lost | before.prompted) - tables.prompted)
    return tables


def _odd(layer: Points | Shapes, rows: PromptRows) -> list[str]:
    """Return what stands in the column where no object does, but for what was left empty."""
    if "object" not in layer.features or rows.objects.all():
        return []
    column = layer.features["object"]
    there = np.asarray(column.notna())[: len(rows)] & (rows.objects == 0)
    return [str(column.iloc[row]) for row in np.flatnonzero(there)]
