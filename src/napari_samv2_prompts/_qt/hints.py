"""What the widget tells the user: where things stand, and what to do next.

Pure functions of one frozen :class:`Situation`, so that a table of situations tests that the
advice is never wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_samv2_prompts.engine import State, Status
from napari_samv2_prompts.prompts import ItemMasks
from napari_samv2_prompts.regions import SHARPER

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DOUBTFUL",
    "Candidates",
    "Seen",
    "Situation",
    "kept_line",
    "mask_line",
    "memory_line",
    "note_line",
    "planes_line",
    "seen_line",
    "state_line",
    "sureness",
    "what_next",
]

Active = Literal["points", "shapes", "other"]

DOUBTFUL = 0.6  # a mask of a lower score deserves a second look
_GOOD = 0.8
_LISTED = 5  # object numbers that are read out before the list is cut short


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
class Situation:
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
    prompted, pending : int
        Objects with prompts on this plane, and those of them whose masks are not up to date.
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
    prompted: int = 0
    pending: int = 0
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


def state_line(situation: Situation) -> str:
    """Say what the session is doing, with what and where."""
    status = situation.status
    model = ""
    if status.model is not None:
        name = status.model.name or (status.model.checkpoint and status.model.checkpoint.name)
        model = f"{name} on {status.device}"
    words = {
        State.IDLE: "Waiting",
        State.LOADING: "Loading the model",
        State.EMBEDDING: "Embedding the image",
        State.DECODING: "Predicting",
        State.READY: "Ready",
        State.FAILED: "Failed",
    }[status.state]
    if status.progress is not None:
        words += f" ({status.progress.text or f'{100 * status.progress.share:.0f} %'})"
    planes = status.planes
    behind = f"plane {planes.at} of {planes.total}" if planes and planes.running else ""
    return " · ".join(filter(None, (words, model, behind)))


def memory_line(situation: Situation) -> str:
    """Say what the embeddings in memory take."""
    memory = situation.status.memory
    count = "1 embedding" if memory.embeddings == 1 else f"{memory.embeddings} embeddings"
    return f"{memory.nbytes / 1e6:.1f} of {memory.budget_mb:g} MB: {count}"


def planes_line(situation: Situation) -> str:
    """Say how far embedding all planes is; empty if nobody asked for it."""
    planes = situation.status.planes
    if planes is None:
        return ""
    if planes.running:
        return f"Plane {planes.at} of {planes.total}"
    if not planes.finished:
        return planes.problem
    if not planes.problem:
        return f"All {planes.total} planes are embedded."
    return f"{planes.done} of {planes.total} planes are embedded. {planes.problem}"


def seen_line(situation: Situation) -> str:
    """Say which part of a large plane the model sees; empty where it sees all there is."""
    seen = situation.seen
    if seen is None or max(seen.plane) <= seen.side:
        return ""
    what = f"{seen.region[1]} × {seen.region[0]} of {seen.plane[1]} × {seen.plane[0]} pixels"
    if seen.region == seen.plane:
        what = f"all {seen.plane[1]} × {seen.plane[0]} pixels"
    coarser = max(seen.region) / seen.side
    detail = f", {coarser:.1f} times coarser" if coarser >= 1.05 else ""
    closer = "; zoom in for more detail" if seen.follows and coarser >= SHARPER else ""
    return f"Seen by the model: {what}{detail}{closer}"


def sureness(score: float) -> str:
    """Say in a word how sure the model is of a mask."""
    return "good" if score >= _GOOD else "fair" if score >= DOUBTFUL else "unsure"


def mask_line(situation: Situation) -> str:
    """Say how good the current object's mask is, and what helps; empty without a mask."""
    scores, chosen = situation.scores, situation.chosen
    if not scores:
        return ""
    score, several = scores[chosen], len(scores) > 1
    best_first = sorted(scores, reverse=True)
    which = f", mask {best_first.index(score) + 1} of {len(scores)}" if several else ""
    line = f"Object {situation.current}{which}: {sureness(score)} ({score:.2f})"
    if score >= DOUBTFUL:
        return line
    return f"{line}: draw a box, or {'take another mask' if several else 'add a click'}"


def note_line(situation: Situation) -> str:
    """Say what was done last and left out, and which prompts gave nothing to see."""
    now = situation
    parts = now.said, _emptiness(now), _cut(now), _outdated(now), now.note
    return " ".join(filter(None, parts))


def _cut(situation: Situation) -> str:
    if not situation.cut:
        return ""
    listed = _listed(situation.cut)
    who = f"Object {listed} ends" if len(situation.cut) == 1 else f"Objects {listed} end"
    return f"{who} where the model's view ended: zoom out, then add a click or draw a box."


def _outdated(situation: Situation) -> str:
    count = situation.outdated
    if not count:
        return ""
    return f"The picture has changed since {_objects(count)} got a mask; Run predicts again."


def kept_line(situation: Situation) -> str:
    """Say which labels are kept; empty if none is."""
    return f"Kept: {_listed(situation.kept)}." if situation.kept else ""


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:_LISTED])) + (", …" if numbers[_LISTED:] else "")


def _emptiness(situation: Situation) -> str:
    numbers = situation.empty
    if not numbers:
        return ""
    if len(numbers) > 1:
        listed = _listed(numbers)
        return f"Objects {listed}: empty masks; add a click inside each, or delete their prompts."
    other = " take another mask," if numbers[0] == situation.current and _choice(situation) else ""
    return f"Object {numbers[0]}: empty mask;{other} add a click inside it, or delete its prompts."


def _choice(situation: Situation) -> bool:
    return len(situation.scores) > 1


def what_next(situation: Situation) -> str:
    """Say what to do next, in one or two sentences."""
    return _obstacle(situation) or _advice(situation)


def _obstacle(situation: Situation) -> str:
    """Say what stands in the way of any result, and what removes it."""
    status = situation.status
    if not situation.image:
        return "Open an image: File > Open, or drag a file into the window."
    if situation.download:
        return f"Press Download to fetch this model ({situation.download} MB), or choose another."
    if status.state in (State.FAILED, State.IDLE) and status.reason:
        again = " Then press Run." if status.state is State.FAILED else ""
        return status.reason + again
    return situation.problem


def _advice(situation: Situation) -> str:
    if situation.pending and not situation.live and not situation.status.busy:
        return f"Press Run to segment {_objects(situation.pending)}, or go on drawing."
    if situation.pending and situation.status.state in (State.LOADING, State.EMBEDDING):
        return f"{_objects(situation.pending).capitalize()} will be segmented in a moment."
    return _drawing(situation)


def _drawing(situation: Situation) -> str:
    if situation.active == "other" or not situation.adding or not situation.labels:
        return "Press Box or Click, then draw around an object or click on it."
    number = situation.current
    if situation.active == "points" and number in situation.kept:
        return f"Label {number} is kept, clicks don't change it. N: next; K: release it."
    if situation.active == "shapes":
        if not situation.started:
            return "Draw a box around an object."
        return "Draw a box around the next object, or press Click to refine the mask."
    if not (situation.started or situation.refining):
        return f"Click on an object: it becomes object {number}."
    if situation.positive:
        return f"Click what else is object {number}. Q: what is not; N: next object."
    return f"Click what is not object {number}. Q: turn back; N: next object."


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"
