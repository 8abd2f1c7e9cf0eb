"""What goes into the session and what comes out of it: frozen values, and who it works with.

:class:`Snapshot` is everything that is wished for at one moment; the news are in ``news.py``.
:class:`View` and :class:`Predictor` are collaborators, handed in, so that the engine runs in tests
without torch, Qt or napari.

Not here: any decision.  Those are made in ``engine.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_samv2_prompts.prompts import Masks, Prompt, PromptBatch
from napari_samv2_prompts.regions import Extent, Region

from .cache import Sized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Embedding",
    "ModelChoice",
    "Packing",
    "Predictor",
    "Snapshot",
    "State",
    "View",
]


# --- collaborators ---------------------------------------------------------------------------


class View(Protocol):
    """The part of a picture to embed, not read yet."""

    @property
    def key(self) -> Hashable:
        """Equal for equal pixels: the picture and the region."""
        ...

    @property
    def picture(self) -> Hashable:
        """Equal for all regions of the same picture: layer, data, plane, contrast."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` of the plane in pixels."""
        ...

    @property
    def region(self) -> Region:
        """The part of the plane that is read."""
        ...

    @property
    def read(self) -> Callable[[], NDArray[np.uint8]]:
        """Reads the region, perhaps in fewer pixels than it has: HxWx3 or HxW uint8.

        Called in the worker; may be slow, may raise.
        """
        ...

    def holds(self, extent: Extent) -> bool:
        """Tell whether something of an extent can be found in this view."""
        ...

    def holding(self, extent: Extent) -> View:
        """Return a view of the same picture in which it can."""
        ...


class Embedding(Sized, Protocol):
    """What the model makes of a picture."""

    @property
    def logits_size(self) -> int:
        """Side of the low-res logits, and of a mask prompt."""
        ...

    def halved(self) -> Embedding:
        """Return the same in half precision, which is how it is kept."""
        ...


class Packing(Protocol):
    """Turns embeddings of one model into bytes and back."""

    @property
    def fingerprint(self) -> str:
        """The same exactly if the same image gives the same embedding."""
        ...

    def pack(self, embedding: Any, key: str) -> bytes:
        """Return an embedding as bytes."""
        ...

    def unpack(self, data: bytes, key: str) -> Embedding:
        """Return what was packed with this key; raises ValueError for anything else."""
        ...


class Predictor(Protocol):
    """The model, as far as the session needs it."""

    @property
    def packing(self) -> Packing:
        """For keeping embeddings in files."""
        ...

    @property
    def device(self) -> object:
        """Where it runs; shown to the user."""
        ...

    @property
    def device_reason(self) -> str:
        """Why it runs there, in words."""
        ...

    def embed(
        self,
        image: NDArray[np.uint8],
        progress: Callable[[float], object] | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> Embedding:
        """Embed a picture, telling the share done; what `progress` raises ends the work.

        Prompts and masks are in pixels of `image_size`, ``(height, width)``.
        """
        ...

    def decode(
        self, embedding: Embedding, batch: PromptBatch, multimask_output: bool | None = None
    ) -> Masks:
        """Answer prompts; None means three candidates for a lone click and one otherwise."""
        ...

    def glance(self, embedding: Embedding, prompt: Prompt) -> NDArray[np.float32]:
        """Return the low-res logits of the best mask for a prompt; positive is object."""
        ...


# --- wishes ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which weights, and where they run.

    Attributes
    ----------
    name : str, optional
        What the predictor is asked for: ``"nano"``, ``"tiny"``, ``"sam2_hiera_large"`` ...  None
        with a file whose size is to be recognised.
    checkpoint : Path, optional
        A file of the user's own instead of the one that belongs to the name.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    folder : Path, optional
        Where the file that belongs to the name lies, or is downloaded to, if not in the cache.
    """

    name: str | None = "nano"
    checkpoint: Path | None = None
    device: str = "auto"
    folder: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything wished for at one moment.

    Attributes
    ----------
    view : View
        The part of a plane that is on screen.
    place : hashable
        Where the prompts stand and the masks go: prompt layers, Labels layer and plane.  Objects
        of different places have nothing to do with each other.
    model : ModelChoice
    prompts : PromptBatch
        All objects of this place, in pixels of the plane.
    live : bool
        Whether to act on this at once, or only when told to run.
    ahead : tuple of View
        Pictures that may be looked at next, to be embedded while there is nothing else to do.
    planes : sequence of View
        All planes, if the user asked for all to be embedded; the same object as long as they are
        the same.
    """

    view: View
    place: Hashable
    model: ModelChoice
    prompts: PromptBatch = field(default_factory=lambda: PromptBatch(()))
    live: bool = True
    ahead: tuple[View, ...] = ()
    planes: Sequence[View] = ()


# --- news ------------------------------------------------------------------------------------


class State(StrEnum):
    """What the session is doing."""

    IDLE = "idle"
    LOADING = "loading model"
    EMBEDDING = "embedding"
    DECODING = "decoding"
    READY = "ready"
    FAILED = "failed"
    AHEAD = "embedding ahead"  # of a task only: for the user the session is ready meanwhile
