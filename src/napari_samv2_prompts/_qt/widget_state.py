"""What is shown in the form, as frozen values; and the options that are chosen there.

No logic is here: the controller gathers these, ``messages.py`` puts them into sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_samv2_prompts.engine import ModelChoice, Status
from napari_samv2_prompts.layers import Rendering
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.prompts import ItemMasks

if TYPE_CHECKING:
    from numpy.typing import NDArray

Active = Literal["points", "shapes", "other"]
DOUBTFUL = 0.6  # a mask of a lower score deserves a second look
Direction = Literal["forward", "back", "both"]
Part = Literal["visible", "whole"]


@dataclass(frozen=True, slots=True)
class Seen:
    """The part of a plane that the model sees."""

    # ``(height, width)`` in pixels of the part and of the plane.
    region: tuple[int, int]
    plane: tuple[int, int]
    side: int  # largest side of the model's input: more detail than that is not seen
    follows: bool = False  # whether the part follows the camera


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidate masks of the current object."""

    masks: ItemMasks | None = None  # None while it has no mask
    chosen: int = 0  # which of them is used
    aspect: float = 1.0  # height of what the model saw by its width: the logits are square
    colour: tuple[int, int, int] = (200, 200, 200)  # of the object: red, green and blue

    @property
    def scores(self) -> tuple[float, ...]:
        """The predicted IoU of each."""
        return () if self.masks is None else tuple(map(float, self.masks.scores))

    @property
    def logits(self) -> NDArray[np.float32]:
        """Their low-res logits, of shape (C, S, S)."""
        return np.zeros((0, 1, 1), np.float32) if self.masks is None else self.masks.low_res_logits

    @property
    def order(self) -> tuple[int, ...]:
        """Their indices, the best scored first, as W goes through them."""
        return tuple(sorted(range(len(self.scores)), key=lambda index: -self.scores[index]))


@dataclass(frozen=True, slots=True)
class WidgetState:
    """Everything that decides what the widget says."""

    status: Status = field(default_factory=Status)  # of the session
    image: bool = False  # whether an image layer is chosen
    # Why prompts can't become labels, in a sentence with what to do; empty if they can.
    problem: str = ""
    # Whether such a layer is chosen.
    points: bool = False
    shapes: bool = False
    labels: bool = False
    active: Active = "other"  # the layer that gets the user's clicks
    adding: bool = False  # whether that layer's tool adds points or shapes
    current: int = 1  # the object that clicks go to
    started: bool = False  # whether it has a prompt already
    refining: bool = False  # whether it is a label that the next prompt refines
    positive: bool = True  # the sign of the next click
    pending: int = 0  # objects with prompts on this plane whose masks are not up to date
    # Whether there are masks, on whatever plane, that the user has not accepted.
    acceptable: bool = False
    empty: tuple[int, ...] = ()  # objects with prompts on this plane whose mask has no pixel
    # Objects with prompts on this plane whose mask is all other labels, which are kept.
    covered: tuple[int, ...] = ()
    replacing: bool = False  # whether masks go over labels that are there
    scores: tuple[float, ...] = ()  # scores of the current object's candidates
    chosen: int = 0  # which of them is used
    candidates: Candidates = field(default_factory=Candidates)  # the candidates themselves
    live: bool = True  # whether results come by themselves
    download: int = 0  # megabytes to fetch before the chosen model can be used; 0 if it is here
    note: str = ""  # what was left out, in a sentence
    left_out: bool = False  # whether there are prompts that mean nothing
    kept: tuple[int, ...] = ()  # labels that no result changes
    said: str = ""  # what was done with a label last, in a sentence
    offer: str = ""  # the dtype that the Labels layer could be converted to, to solve the problem
    planes: int = 1  # how many planes the image has
    all_planes: bool = False  # whether all of them are to be embedded
    seen: Seen | None = None  # what the model sees of the plane
    # Objects with prompts on this plane whose mask ends where the model's view did.
    cut: tuple[int, ...] = ()
    # Objects with prompts on this plane whose mask is of another contrast or other channels.
    outdated: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that is chosen besides layers."""

    model: ModelChoice = field(default_factory=ModelChoice)
    # Megabytes that the user has not agreed to fetch yet; 0 if there is nothing to agree to.
    download: int = 0
    policy: Policy = "keep"
    rendering: Rendering = "displayed"
    part: Part = "visible"  # which part of a large plane the model sees
    live: bool = True
    preview: bool = False  # whether the mask under the mouse is outlined


@dataclass(frozen=True, slots=True)
class FindAllState:
    """Where things stand."""

    running: bool = False
    # Candidates, and those that the sliders leave.
    n_found: int = 0
    n_chosen: int = 0
    # Parts of the plane that were searched.
    done: int = 0
    total: int = 0
    # What was accepted, why nothing can be looked for, or why the search ended early.
    said: str = ""


@dataclass(frozen=True, slots=True)
class PropagationState:
    """How far following objects is."""

    running: bool = False
    place: int = 0  # the plane that was done last
    # Sections found, and to be found, since the work was taken up.
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    doubtful: bool = False  # whether there are found sections to look at
    said: str = ""  # what there is to say: who ended where, or why nothing can be done


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis that is not shown, to go through."""

    number: int  # of the image
    name: str
    planes: int
    here: int  # the shown one
