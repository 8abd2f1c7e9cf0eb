"""What goes into the engine: frozen values that say everything that is wanted at one moment.

Not here: what is made of them (``session.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.prompts import PromptBatch

__all__ = ["ModelChoice", "Place", "Request"]


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


@dataclass(frozen=True, slots=True)
class Place:
    """Where prompts stand and masks go.

    Attributes
    ----------
    plane : Plane
    points, shapes, labels : UUID, optional
        The layers, by napari's ``unique_id``.
    """

    plane: Plane
    points: UUID | None = None
    shapes: UUID | None = None
    labels: UUID | None = None

    def at(self, plane: Plane) -> Place:
        """Return the place of the same layers on another plane."""
        return replace(self, plane=plane)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Everything that is wanted at one moment.

    Attributes
    ----------
    view : ImageView
        The part of a plane that is on screen.
    place : Place
        Objects of different places have nothing to do with each other.
    model : ModelChoice
    prompts : PromptBatch
        All objects of this place, in pixels of the plane.
    live : bool
        Whether to act on this at once, or only when told to run.
    neighbours : tuple of ImageView
        Pictures that may be looked at next, to be embedded while there is nothing else to do.
    all_planes : sequence of ImageView
        All planes, if the user asked for all to be embedded; the same object as long as they are
        the same.
    """

    view: ImageView
    place: Place
    model: ModelChoice
    prompts: PromptBatch = field(default_factory=lambda: PromptBatch(()))
    live: bool = True
    neighbours: tuple[ImageView, ...] = ()
    all_planes: Sequence[ImageView] = ()
