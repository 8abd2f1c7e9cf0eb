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

__all__ = [
    "DOUBTFUL",
    "Axis",
    "Candidates",
    "Direction",
    "FindAllState",
    "Options",
    "PropagationState",
    "Seen",
    "WidgetState",
]

Active = Literal["points", "shapes", "other"]
DOUBTFUL = 0.6  # a mask of a lower score deserves a second look
Direction = Literal["forward", "back", "both"]
Part = Literal["visible", "whole"]


@dataclass(frozen=True, slots=True)
class Seen:
    """The part of a plane that the model sees.

    Attributes
    ----------
    region, plane : tuple of int
        ``(height, width)`` in pixels of the part and of the plane.
    side : int
        Largest side of the model's input: more detail than that is not seen.
    follows : bool
        Whether the part follows the camera.
    """

    region: tuple[int, int]
    plane: tuple[int, int]
    side: int
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidate masks of the current object.

    Attributes
    ----------
    masks : ItemMasks, optional
        None while it has no mask.
    chosen : int
        Which of them is used.
    aspect : float
        Height of what the model saw by its width: the logits are square.
    colour : tuple of int
        Of the object: red, green and blue.
    """

    masks: ItemMasks | None = None
    chosen: int = 0
    aspect: float = 1.0
    colour: tuple[int, int, int] = (200, 200, 200)

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
    """Everything that decides what the widget says.

    Attributes
    ----------
    status : Status
        Of the session.
    image : bool
        Whether an image layer is chosen.
    problem : str
        Why prompts can't become labels, in a sentence with what to do; empty if they can.
    points, shapes, labels : bool
        Whether such a layer is chosen.
    active : {"points", "shapes", "other"}
        The layer that gets the user's clicks.
    adding : bool
        Whether that layer's tool adds points or shapes.
    current : int
        The object that clicks go to.
    started : bool
        Whether it has a prompt already.
    refining : bool
        Whether it is a label that the next prompt refines.
    positive : bool
        The sign of the next click.
    pending : int
        Objects with prompts on this plane whose masks are not up to date.
    acceptable : bool
        Whether there are masks, on whatever plane, that the user has not accepted.
    empty : tuple of int
        Objects with prompts on this plane whose mask has no pixel.
    scores : tuple of float
        Scores of the current object's candidates.
    chosen : int
        Which of them is used.
    candidates : Candidates
        The candidates themselves.
    live : bool
        Whether results come by themselves.
    download : int
        Megabytes to fetch before the chosen model can be used; 0 if it is here.
    note : str
        What was left out, in a sentence.
    left_out : bool
        Whether there are prompts that mean nothing.
    kept : tuple of int
        Labels that no result changes.
    said : str
        What was done with a label last, in a sentence.
    offer : str
        The dtype that the Labels layer could be converted to, to solve the problem.
    planes : int
        How many planes the image has.
    all_planes : bool
        Whether all of them are to be embedded.
    seen : Seen, optional
        What the model sees of the plane.
    cut : tuple of int
        Objects with prompts on this plane whose mask ends where the model's view did.
    outdated : int
        Objects with prompts on this plane whose mask is of another contrast or other channels.
    """

    status: Status = field(default_factory=Status)
    image: bool = False
    problem: str = ""
    points: bool = False
    shapes: bool = False
    labels: bool = False
    active: Active = "other"
    adding: bool = False
    current: int = 1
    started: bool = False
    refining: bool = False
    positive: bool = True
    pending: int = 0
    acceptable: bool = False
    empty: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    chosen: int = 0
    candidates: Candidates = field(default_factory=Candidates)
    live: bool = True
    download: int = 0
    note: str = ""
    left_out: bool = False
    kept: tuple[int, ...] = ()
    said: str = ""
    offer: str = ""
    planes: int = 1
    all_planes: bool = False
    seen: Seen | None = None
    cut: tuple[int, ...] = ()
    outdated: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that is chosen besides layers.

    Attributes
    ----------
    model : ModelChoice
    download : int
        Megabytes that the user has not agreed to fetch yet; 0 if there is nothing to agree to.
    policy : {"keep", "replace", "background"}
    rendering : {"displayed", "percentiles", "channels"}
    part : {"visible", "whole"}
        Which part of a large plane the model sees.
    live : bool
    preview : bool
        Whether the mask under the mouse is outlined.
    """

    model: ModelChoice = field(default_factory=ModelChoice)
    download: int = 0
    policy: Policy = "keep"
    rendering: Rendering = "displayed"
    part: Part = "visible"
    live: bool = True
    preview: bool = False


@dataclass(frozen=True, slots=True)
class FindAllState:
    """Where things stand.

    Attributes
    ----------
    running : bool
    n_found, n_chosen : int
        Candidates, and those that the sliders leave.
    done, total : int
        Parts of the plane that were searched.
    said : str
        What was accepted, why nothing can be looked for, or why the search ended early.
    """

    running: bool = False
    n_found: int = 0
    n_chosen: int = 0
    done: int = 0
    total: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True)
class PropagationState:
    """How far following objects is.

    Attributes
    ----------
    running : bool
    place : int
        The plane that was done last.
    done, total : int
        Sections found, and to be found, since the work was taken up.
    seconds_left : float, optional
    doubtful : bool
        Whether there are found sections to look at.
    said : str
        What there is to say: who ended where, or why nothing can be done.
    """

    running: bool = False
    place: int = 0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    doubtful: bool = False
    said: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis that is not shown, to go through.

    Attributes
    ----------
    number : int
        Of the image.
    name : str
    planes : int
    here : int
        The shown one.
    """

    number: int
    name: str
    planes: int
    here: int
