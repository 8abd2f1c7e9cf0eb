"""What goes into the session and what comes out of it: frozen values, and who it works with.

:class:`Snapshot` is everything that is wished for at one moment; :class:`Status`, :class:`Results`
and :class:`Removal` are the news.  :class:`View`, :class:`Predictor` and :class:`Runner` are the
collaborators, handed in, so that the engine runs in tests without torch, Qt or napari.

Not here: any decision.  Those are made in ``engine.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_samv2_prompts.prompts import ItemMasks, MaskCrop, Masks, PromptBatch

from .cache import Memory, Sized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Cancelled",
    "Done",
    "Embedding",
    "Failed",
    "ModelChoice",
    "ObjectResult",
    "Outcome",
    "Packing",
    "Predictor",
    "Progress",
    "Removal",
    "Results",
    "Runner",
    "Snapshot",
    "State",
    "Status",
    "Stopped",
    "Task",
    "View",
]


# --- collaborators ---------------------------------------------------------------------------


class View(Protocol):
    """A picture to embed, not read yet."""

    @property
    def key(self) -> Hashable:
        """Equal for equal pixels: layer, data, plane, contrast."""
        ...

    @property
    def read(self) -> Callable[[], NDArray[np.uint8]]:
        """Reads the picture, HxWx3 or HxW uint8.  Called in the worker; may be slow, may raise."""
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
        self, image: NDArray[np.uint8], progress: Callable[[float], object] | None = None
    ) -> Embedding:
        """Embed a picture, telling the share done; what `progress` raises ends the work."""
        ...

    def decode(
        self, embedding: Embedding, batch: PromptBatch, multimask_output: bool | None = None
    ) -> Masks:
        """Answer prompts; None means three candidates for a lone click and one otherwise."""
        ...


class Cancelled(Exception):
    """Raised inside a task that was told to stop."""


class Task:
    """One piece of work for the worker, with a flag to stop it.

    Parameters
    ----------
    kind : State
        What the session is doing while this runs.
    key : hashable
        Equal for equal work.
    work : callable
        Called in the worker with this task; what it returns is the result.
    """

    def __init__(self, kind: State, key: Hashable, work: Callable[[Task], object]) -> None:
        self.kind = kind
        self.key = key
        self.work = work
        self.on_progress: Callable[[Progress], None] | None = None
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next check.  From any thread."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._stop.is_set()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the work was asked to stop."""
        if self.cancelled:
            raise Cancelled

    def report(self, share: float, text: str = "") -> None:
        """Tell how far the work is, and stop here if that was asked for.  In the worker."""
        self.check()
        if self.on_progress is not None:
            self.on_progress(Progress(share, text))


class Runner(Protocol):
    """Runs tasks elsewhere, one at a time, in order."""

    def submit(
        self,
        task: Task,
        on_done: Callable[[Task, Outcome], None],
        on_progress: Callable[[Task, Progress], None],
    ) -> None:
        """Run a task; call back in the thread of the caller, once, however the task ended."""
        ...

    def close(self) -> None:
        """Stop, without waiting; nothing is called back afterwards."""
        ...


# --- what a task ends with -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is: the share done, in [0, 1], and a few words (bytes of a download)."""

    share: float
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """The task's result."""

    value: object


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The task raised."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Stopped:
    """The task was cancelled."""


Outcome = Done | Failed | Stopped


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
        The picture on screen.
    place : hashable
        Where the prompts stand and the masks go: prompt layers, Labels layer and plane.  Objects
        of different places have nothing to do with each other.
    model : ModelChoice
    prompts : PromptBatch
        All objects of this place, in pixels of the view.
    live : bool
        Whether to act on this at once, or only when told to run.
    """

    view: View
    place: Hashable
    model: ModelChoice
    prompts: PromptBatch = field(default_factory=lambda: PromptBatch(()))
    live: bool = True


# --- news ------------------------------------------------------------------------------------


class State(StrEnum):
    """What the session is doing."""

    IDLE = "idle"
    LOADING = "loading model"
    EMBEDDING = "embedding"
    DECODING = "decoding"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Status:
    """What the session is doing, with what, and why not more.

    Attributes
    ----------
    state : State
    reason : str
        A sentence for the user when idle or failed, else empty.
    model : ModelChoice, optional
        The model that is loaded.
    device, device_reason : str
        Where the loaded model runs, and why; empty while none is loaded.
    progress : Progress, optional
        How far, where that can be told.
    memory : Memory
        What the embeddings take that are kept in memory.
    store : str
        Why none are kept on the disk any more, in a sentence; empty while all is well.
    """

    state: State = State.IDLE
    reason: str = ""
    model: ModelChoice | None = None
    device: str = ""
    device_reason: str = ""
    progress: Progress | None = None
    memory: Memory = field(default_factory=Memory)
    store: str = ""

    @property
    def busy(self) -> bool:
        """Whether something is being worked on."""
        return self.state in (State.LOADING, State.EMBEDDING, State.DECODING)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectResult:
    """The mask of one object.

    Attributes
    ----------
    masks : ItemMasks
        All candidates.
    chosen : int
        Which of them is meant.
    """

    masks: ItemMasks
    chosen: int

    @property
    def object(self) -> int:
        """The object's number."""
        return self.masks.object

    @property
    def crop(self) -> MaskCrop:
        """The chosen mask, in pixels of the view."""
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
