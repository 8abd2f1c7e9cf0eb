"""Between form and controller: the options that are chosen, and where things stand.

What is said about it is in ``hints.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_samv2_prompts.engine import ModelChoice, ObjectResult, Place, Session
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import Chosen, Look, id_of
from napari_samv2_prompts.masks import Policy

from .hints import Active, Candidates, Seen, Situation

if TYPE_CHECKING:
    from .label_tools import LabelTools
    from .prompting import CurrentObject
    from .targets import Targets
    from .viewing import OtherPlanes, Part

__all__ = ["Options", "place_of", "situation_of"]

GREY = (0.8, 0.8, 0.8)
"""Colour of candidates that have no label to take it from, in shares of 1."""


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


def situation_of(
    session: Session,
    chosen: Chosen,
    options: Options,
    current: CurrentObject,
    targets: Targets,
    tools: LabelTools,
    tool: tuple[Active, bool],
    others: OtherPlanes,
    seen: Seen | None,
    prompted: tuple[int, ...],
    note: str,
    left_out: bool,
) -> Situation:
    """Return everything that decides what is shown.

    Parameters
    ----------
    session, chosen, options, current, targets, tools, others
        Whose state is reported.
    tool : tuple
        Which layer gets the user's clicks, and whether its tool adds prompts.
    seen : Seen, optional
        What the model sees of the plane.
    prompted : tuple of int
        The objects with prompts on the plane.
    note : str
        What was left out, in a sentence.
    left_out : bool
        Whether anything was.
    """
    result = session.result(current.number)
    results = session.results(prompted)
    picture = session.request.view.picture if session.request else None
    active, adding = tool
    return Situation(
        status=session.status,
        image=chosen.image is not None,
        problem=targets.problem,
        points=chosen.points is not None,
        shapes=chosen.shapes is not None,
        labels=chosen.labels is not None,
        active=active,
        adding=adding,
        current=current.number,
        started=current.started,
        refining=tools.refines(current.number),
        positive=current.positive,
        prompted=len(prompted),
        pending=len(session.pending),
        empty=tuple(item.object for item in results if item.is_empty),
        scores=tuple(map(float, result.masks.scores)) if result else (),
        chosen=result.chosen if result else 0,
        candidates=_candidates(result, chosen, current.number),
        live=options.live,
        download=options.download,
        note=note,
        left_out=left_out,
        kept=tools.kept,
        said=tools.said,
        offer="" if targets.offer is None else str(targets.offer),
        planes=others.count,
        all_planes=others.wanted,
        seen=seen,
        cut=tuple(item.object for item in results if item.is_cut),
        outdated=sum(1 for item in results if item.view and item.view.picture != picture),
    )


def _candidates(result: ObjectResult | None, chosen: Chosen, number: int) -> Candidates:
    if result is None:
        return Candidates()
    height, width = result.view.region.size if result.view else (1, 1)
    colour = None if chosen.labels is None else chosen.labels.get_color(number)
    colour = GREY if colour is None else colour  # without labels, or hidden in them
    red, green, blue = (round(255 * float(part)) for part in colour[:3])
    return Candidates(result.masks, result.chosen, height / width, (red, green, blue))
