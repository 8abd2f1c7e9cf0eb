"""What the prompt layers say about a plane: its prompts, and what is left out, in sentences.

Not here: reading (``prompt_reading``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_samv2_prompts.prompts import Prompt

Kind = Literal["points", "shapes"]
Reason = Literal["outside", "degenerate", "numberless", "nowhere", "spread"]

NOTES: dict[Reason, tuple[str, str]] = {
    "outside": (
        "a prompt outside the image is left out",
        "{n} prompts outside the image are left out",
    ),
    "degenerate": (
        "a shape too small to mean anything is left out",
        "{n} shapes too small to mean anything are left out",
    ),
    "nowhere": (
        "a prompt without a place (NaN) is left out",
        "{n} prompts without a place (NaN) are left out",
    ),
    "spread": (
        "a shape that reaches through several planes is left out: draw it on one",
        "{n} shapes that reach through several planes are left out: draw each on one",
    ),
    "numberless": (
        "a prompt without a whole number as object is left out",
        "{n} prompts without a whole number as object are left out",
    ),
}
_LISTED = 5  # object numbers that are read out before the list is cut short


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows of a prompt layer that mean nothing."""

    reason: Reason
    layer: Kind
    rows: tuple[int, ...]
    objects: tuple[int, ...]  # of these rows, each once, in ascending order


@dataclass(frozen=True, slots=True)
class Reading:
    """What the prompt layers say about a plane."""

    prompts: tuple[Prompt, ...] = ()  # one per object, in ascending order
    left_out: tuple[LeftOut, ...] = ()
    remarks: tuple[str, ...] = ()  # a sentence for each layer that can't be read as it should

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each kind of thing that was left out."""
        kinds: dict[Reason, list[LeftOut]] = {}
        for item in self.left_out:
            kinds.setdefault(item.reason, []).append(item)
        return (*self.remarks, *(_sentence(reason, kinds[reason]) for reason in kinds))


def _sentence(reason: Reason, items: list[LeftOut]) -> str:
    count = sum(len(item.rows) for item in items)
    objects = sorted({number for item in items for number in item.objects if number})
    one, many = NOTES[reason]
    what = one if count == 1 else many.format(n=count)
    if not objects:
        return what[0].upper() + what[1:] + "."
    listed = ", ".join(map(str, objects[:_LISTED])) + (", …" if objects[_LISTED:] else "")
    return f"Object{'s' if len(objects) > 1 else ''} {listed}: {what}."
