"""What the user has chosen, as frozen values: layers, options, and the place they make.

What is made of them is the controller's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_samv2_prompts.engine import ModelChoice, Place
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import Chosen, Look, id_of
from napari_samv2_prompts.masks import Policy

from .framing import Part

__all__ = ["Chosen", "Options", "Place", "id_of", "place_of"]


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that is chosen besides layers.

    Attributes
    ----------
    model : ModelChoice
    download : int
        Megabytes that the user has not agreed to fetch yet; 0 if there is nothing to agree to.
    policy : {"keep", "replace", "background"}
    look : {"displayed", "percentiles", "channels"}
    part : {"visible", "whole"}
        Which part of a large plane the model sees.
    live : bool
    preview : bool
        Whether the mask under the mouse is outlined.
    """

    model: ModelChoice = field(default_factory=ModelChoice)
    download: int = 0
    policy: Policy = "keep"
    look: Look = "displayed"
    part: Part = "visible"
    live: bool = True
    preview: bool = False


def place_of(chosen: Chosen, plane: Plane) -> Place:
    """Return the place of the chosen layers on a plane."""
    return Place(plane, id_of(chosen.points), id_of(chosen.shapes), id_of(chosen.labels))
