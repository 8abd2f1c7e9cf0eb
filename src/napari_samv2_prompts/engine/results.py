"""What comes out of the engine: masks of objects, to be written where their place says.

Not here: what is kept of them (``result_store.py``).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from napari_samv2_prompts.prompts import ItemMasks, MaskCrop

from .coordinates import is_cut
from .requests import Snapshot, View

__all__ = ["ObjectResult", "Removal", "Results"]


@dataclass(frozen=True, slots=True, eq=False)
class ObjectResult:
    """The mask of one object.

    Attributes
    ----------
    masks : ItemMasks
        All candidates.
    chosen : int
        Which of them is meant.
    view : View, optional
        What the model saw.
    is_cut : bool
        Whether the mask ends where the model's view did, though the plane goes on.
    """

    masks: ItemMasks
    chosen: int
    view: View | None = None
    is_cut: bool = field(init=False)

    def __post_init__(self) -> None:
        """Find out once what is asked for after every event."""
        cut = self.view is not None and is_cut(self.crop, self.view)
        object.__setattr__(self, "is_cut", cut)

    @property
    def object(self) -> int:
        """The object's number."""
        return self.masks.object

    @property
    def crop(self) -> MaskCrop:
        """The chosen mask, in pixels of the plane."""
        return self.masks.crops[self.chosen]

    @property
    def score(self) -> float:
        """The chosen mask's predicted IoU."""
        return float(self.masks.scores[self.chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """New masks, to be written in one step.

    Attributes
    ----------
    snapshot : Snapshot
        The wish that they answer: its place says where they go.
    items : tuple of ObjectResult
        In the order of the batch.
    """

    snapshot: Snapshot
    items: tuple[ObjectResult, ...]


@dataclass(frozen=True, slots=True)
class Removal:
    """Objects whose last prompt went away: their masks are to go as well."""

    place: Hashable
    objects: tuple[int, ...]
