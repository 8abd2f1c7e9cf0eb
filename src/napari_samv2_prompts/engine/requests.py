"""What goes into the engine: frozen values that say everything that is wanted at one moment.

Not here: what is made of them (``session.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from napari_samv2_prompts.prompts import PromptBatch
from napari_samv2_prompts.regions import Extent, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ModelChoice", "Snapshot", "View"]


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
