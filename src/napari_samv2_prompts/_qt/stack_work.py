"""What following objects through planes needs, as a frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.layers import LabelsTarget
from napari_samv2_prompts.masks import Policy

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = ["StackWork"]


@dataclass(frozen=True, slots=True, eq=False)
class StackWork:
    """What is chosen, and where masks go.

    Attributes
    ----------
    image : napari.layers.Image
    target : LabelsTarget
    plane : Plane
        The shown one.
    view_at : callable
        Returns the view of all of a plane.
    model : ModelChoice
    policy : {"keep", "replace", "background"}
    prompted : frozenset of int
        The objects that have prompts, on whatever plane.
    axis : int, optional
        The axis whose slider was moved last.
    """

    image: Image
    target: LabelsTarget
    plane: Plane
    view_at: Callable[[Plane], ImageView]
    model: ModelChoice
    policy: Policy
    prompted: frozenset[int]
    axis: int | None
