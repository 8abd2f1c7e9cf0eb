"""What comes out of the engine: masks, to be written where their place says, and what it is doing.

Not here: what is kept of them (``result_store.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.mask_crops import Crops, MaskCrop
from napari_samv2_prompts.prompts import ItemMasks

from .cache import Memory
from .coordinates import is_cut
from .jobs import Progress, State
from .requests import ModelChoice, Place, Request


class Provenance(StrEnum):
    """Where a mask comes from."""

    PROMPTED = "prompted"  # it answers prompts that are there
    PROPAGATED = "propagated"  # it was carried over from other planes
    ACCEPTED = "accepted"  # the user keeps it, whatever its prompts were


@dataclass(frozen=True, slots=True, eq=False)
class ObjectResult:
    """The mask of one object."""

    masks: ItemMasks  # all candidates; without crops and logits once the result was released
    chosen: int  # which of them is meant
    view: ImageView | None = None  # what the model saw
    provenance: Provenance = Provenance.PROMPTED
    doubt: float = 0.0  # the IoU that the mask is expected to lack, in [0, 1], where that is known
    # Whether the mask ends where the model's view did, though the plane goes on.
    is_cut: bool = False
    is_empty: bool = False  # whether nothing is in the mask

    @classmethod
    def of(cls, masks: ItemMasks, chosen: int, view: ImageView | None = None) -> ObjectResult:
        """Return the result of decoding; makes the crop of the chosen candidate if need be."""
        crop = masks.crops[chosen]
        cut = view is not None and is_cut(crop, view)
        return cls(masks, chosen, view, is_cut=cut, is_empty=not crop.mask.size)

    @classmethod
    def propagated(cls, object_: int, crop: MaskCrop, score: float, doubt: float) -> ObjectResult:
        """Return the result of carrying an object over to a plane."""
        scores, none = np.array([score], np.float32), np.empty((0, 0, 0), np.float32)
        masks = ItemMasks(object_, Crops((crop,)), scores, none, 0.0)
        empty = not crop.mask.size
        return cls(masks, 0, None, Provenance.PROPAGATED, doubt, is_empty=empty)

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

    @property
    def is_released(self) -> bool:
        """Whether only what is said about the mask is left; it was handed out before."""
        return not self.masks.crops

    @property
    def nbytes(self) -> int:
        """Bytes of logits and of the crops that were made."""
        crops = self.masks.crops
        made = crops.nbytes if isinstance(crops, Crops) else sum(c.mask.nbytes for c in crops)
        return self.masks.low_res_logits.nbytes + made

    def released(self) -> ObjectResult:
        """Return what is said about the mask, without the mask."""
        none = np.empty((0, 0, 0), np.float32)
        return replace(self, masks=replace(self.masks, crops=(), low_res_logits=none))


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """New masks, to be written in one step."""

    place: Place  # where they go
    items: tuple[ObjectResult, ...]  # in the order of the batch
    # What they answer: these prompts in this view; None if they were not prompted here.
    request: Request | None = None
    is_choice: bool = False  # whether only another candidate of a mask was chosen that came before


@dataclass(frozen=True, slots=True)
class Removal:
    """Objects whose last prompt went away: their masks are to go as well."""

    place: Place
    objects: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AllPlanes:
    """How far embedding all planes is."""

    # Planes that are embedded, and planes that there are.
    done: int
    total: int
    at: int  # number of the plane that is in work, or the last
    running: bool  # whether it goes on
    problem: str = ""  # why it does not, or why planes were left out, in a sentence

    @property
    def finished(self) -> bool:
        """Whether every plane was seen to."""
        return not self.running and self.at == self.total


@dataclass(frozen=True, slots=True)
class Status:
    """What the session is doing, with what, and why not more."""

    state: State = State.IDLE
    reason: str = ""  # a sentence for the user when idle or failed, else empty
    model: ModelChoice | None = None  # the model that is loaded
    # Where the loaded model runs, and why; empty while none is loaded.
    device: str = ""
    device_reason: str = ""
    progress: Progress | None = None  # how far, where that can be told
    # What the embeddings take that are kept in memory.
    memory: Memory = field(default_factory=Memory)
    # Why none are kept on the disk any more, in a sentence; empty while all is well.
    store: str = ""
    planes: AllPlanes | None = None  # how far embedding all planes is, if that was asked for
    requested: bool = False  # whether other work was asked for that goes on in the background

    @property
    def busy(self) -> bool:
        """Whether something is being worked on."""
        return self.state in (State.LOADING, State.EMBEDDING, State.DECODING)

    @property
    def embedding_all(self) -> bool:
        """Whether all planes are being embedded, and nothing keeps them from it."""
        return self.state is State.READY and self.planes is not None and self.planes.running
