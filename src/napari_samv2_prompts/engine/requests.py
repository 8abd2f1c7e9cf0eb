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


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which weights, and where they run."""

    # What the predictor is asked for: ``"nano"``, ``"tiny"``, ``"sam2_hiera_large"`` ...  None with
    # a file whose size is to be recognised.
    name: str | None = "nano"
    # A file of the user's own instead of the one that belongs to the name.
    checkpoint: Path | None = None
    device: str = "auto"  # ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``
    # Where the file that belongs to the name lies, or is downloaded to, if not in the cache.
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where prompts stand and masks go."""

    plane: Plane
    # The layers, by napari's ``unique_id``.
    points: UUID | None = None
    shapes: UUID | None = None
    labels: UUID | None = None

    @property
    def layers(self) -> frozenset[UUID]:
        """The layers that there are."""
        return frozenset(filter(None, (self.points, self.shapes, self.labels)))

    def at(self, plane: Plane) -> Place:
        """Return the place of the same layers on another plane."""
        return replace(self, plane=plane)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Everything that is wanted at one moment."""

    view: ImageView  # the part of a plane that is on screen
    place: Place  # objects of different places have nothing to do with each other
    model: ModelChoice
    # All objects of this place, in pixels of the plane.
    prompts: PromptBatch = field(default_factory=lambda: PromptBatch(()))
    live: bool = True  # whether to act on this at once, or only when told to run
    # Pictures that may be looked at next, to be embedded while there is nothing else to do.
    neighbours: tuple[ImageView, ...] = ()
    # All planes, if the user asked for all to be embedded; the same object as long as they are the
    # same.
    all_planes: Sequence[ImageView] = ()
