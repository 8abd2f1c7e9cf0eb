"""What the widget tells the user: where things stand, and what to do next.

Pure functions of frozen values, so that a table of states tests that the advice is never wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_samv2_prompts.engine import State
from napari_samv2_prompts.regions import SHARPER

from .widget_state import DOUBTFUL, FindAllState, PropagationState, WidgetState

_GOOD = 0.8
_LISTED = 5  # object numbers that are read out before the list is cut short


def state_line(state: WidgetState) -> str:
    """Say what the session is doing, with what and where."""
    status = state.status
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


def memory_line(state: WidgetState) -> str:
    """Say what the embeddings in memory take."""
    memory = state.status.memory
    count = "1 embedding" if memory.embeddings == 1 else f"{memory.embeddings} embeddings"
    return f"{memory.nbytes / 1e6:.1f} of {memory.budget_mb:g} MB: {count}"


def planes_line(state: WidgetState) -> str:
    """Say how far embedding all planes is; empty if nobody asked for it."""
    planes = state.status.planes
    if planes is None:
        return ""
    if planes.running:
        return f"Plane {planes.at} of {planes.total}"
    if not planes.finished:
        return planes.problem
    if not planes.problem:
        return f"All {planes.total} planes are embedded."
    return f"{planes.done} of {planes.total} planes are embedded. {planes.problem}"


def seen_line(state: WidgetState) -> str:
    """Say which part of a large plane the model sees; empty where it sees all there is."""
    seen = state.seen
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


def mask_line(state: WidgetState) -> str:
    """Say how good the current object's mask is, and what helps; empty without a mask."""
    scores, chosen = state.scores, state.chosen
    if not scores:
        return ""
    score, several = scores[chosen], len(scores) > 1
    best_first = sorted(scores, reverse=True)
    which = f", mask {best_first.index(score) + 1} of {len(scores)}" if several else ""
    line = f"Object {state.current}{which}: {sureness(score)} ({score:.2f})"
    if score >= DOUBTFUL:
        return line
    # Not a box: that would begin another object.
    return f"{line}: {'take another mask, or ' if several else ''}add a click where it is wrong"


def note_line(state: WidgetState) -> str:
    """Say what was done last and left out, and which prompts gave nothing to see."""
    now = state
    parts = now.said, _emptiness(now), _covered(now), _cut(now), _outdated(now), now.note
    return " ".join(filter(None, parts))


def _cut(state: WidgetState) -> str:
    if not state.cut:
        return ""
    which = listed(state.cut)
    who = f"Object {which} ends" if len(state.cut) == 1 else f"Objects {which} end"
    return f"{who} where the model's view ended: zoom out, then add a click or draw a box."


def _outdated(state: WidgetState) -> str:
    count = state.outdated
    if not count:
        return ""
    return f"The picture has changed since {_objects(count)} got a mask; Run predicts again."


def kept_line(state: WidgetState) -> str:
    """Say which labels are kept; empty if none is."""
    return f"Kept: {listed(state.kept)}." if state.kept else ""


def listed(numbers: Sequence[int]) -> str:
    """Read out numbers, but not too many."""
    return ", ".join(map(str, numbers[:_LISTED])) + (", …" if numbers[_LISTED:] else "")


def _emptiness(state: WidgetState) -> str:
    numbers = state.empty
    if not numbers:
        return ""
    if len(numbers) > 1:
        which = f"Objects {listed(numbers)}"
        return f"{which}: empty masks; add a click inside each, or delete their prompts."
    other = " take another mask," if numbers[0] == state.current and _choice(state) else ""
    return f"Object {numbers[0]}: empty mask;{other} add a click inside it, or delete its prompts."


def _covered(state: WidgetState) -> str:
    numbers = state.covered
    if not numbers:
        return ""
    who, it = ("Object", "it") if len(numbers) == 1 else ("Objects", "them")
    way = "set Overlap to replace labels, or delete them"
    if state.replacing:
        way = "release those that are kept"
    return f"{who} {listed(numbers)}: other labels cover {it}; {way}. Then press Run."


def left_line(left: Sequence[int]) -> str:
    """Say which objects were not accepted; empty if there are none."""
    if not left:
        return ""
    keep, it = ("keeps its", "it") if len(left) == 1 else ("keep their", "them")
    nothing = f"nothing of {it} is in the labels"
    return f"{_objects(len(left))} {keep} prompts, as {nothing}: {listed(left)}."


def _choice(state: WidgetState) -> bool:
    return len(state.scores) > 1


def what_next(state: WidgetState) -> str:
    """Say what to do next, in one or two sentences."""
    return _obstacle(state) or _advice(state)


def _obstacle(state: WidgetState) -> str:
    """Say what stands in the way of any result, and what removes it."""
    status = state.status
    if not state.image:
        return "Open an image: File > Open, or drag a file into the window."
    if state.download:
        return f"Press Download to fetch this model ({state.download} MB), or choose another."
    if status.state in (State.FAILED, State.IDLE) and status.reason:
        again = " Then press Run." if status.state is State.FAILED else ""
        return status.reason + again
    return state.problem


def _advice(state: WidgetState) -> str:
    if state.pending and not state.live and not state.status.busy:
        return f"Press Run to segment {_objects(state.pending)}, or go on drawing."
    if state.pending and state.status.state in (State.LOADING, State.EMBEDDING):
        return f"{_objects(state.pending).capitalize()} will be segmented in a moment."
    return _drawing(state)


def _drawing(state: WidgetState) -> str:
    if state.active == "other" or not state.adding or not state.labels:
        return "Press Box or Click, then draw around an object or click on it."
    number = state.current
    if state.active == "points" and number in state.kept:
        return f"Label {number} is kept, clicks don't change it. N: next; K: release it."
    if state.active == "shapes":
        if not state.started:
            return "Draw a box around an object."
        return "Draw a box around the next object, or press Click to refine the mask."
    if not (state.started or state.refining):
        return f"Click on an object: it becomes object {number}."
    if state.positive:
        return f"Click more of object {number}. Q: remove instead; N: next object."
    return f"Click what to remove from object {number}. Q: add again; N: next."


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"


def find_all_line(now: FindAllState) -> str:
    """Say how far finding all is, and what to do with what was found."""
    if now.said:
        return now.said
    if now.running:
        part = f", part {now.done + 1} of {now.total}" if now.total > 1 else ""
        return f"Looking{part}: {now.n_chosen} found so far."
    if now.n_found and not now.n_chosen:
        return f"None of the {now.n_found} masks is left: move Score or Size to the left."
    if now.n_found:
        return f"{now.n_chosen} of {now.n_found} masks: move the sliders, then accept."
    return ""


def axis_name(axis: int, name: str) -> str:
    """Return what an axis of the image is called: its own name, or which one it is."""
    if name and not name.lstrip("-").isdecimal():  # the viewer counts axes without a name
        return name
    words = ("first", "second", "third", "fourth", "fifth")
    return f"axis {axis}" + (f" ({words[axis]})" if axis < len(words) else "")


def propagation_line(now: PropagationState) -> str:
    """Say where following objects stands."""
    if now.running:
        far = f", {now.done} of {now.total} masks" if now.total else ""
        left = "" if now.seconds_left is None else f", {now.seconds_left:.0f} s left"
        return f"Following: plane {now.place}{far}{left}"
    if now.said:
        return now.said
    return (
        "Now look at the planes that need it most: press Next doubtful."
        if now.doubtful
        else "Draw objects on one plane, then press Both ways to have them on all."
    )
