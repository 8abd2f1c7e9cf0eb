"""What was decoded, by place and object: which prompts it answers, and which candidate is meant.

A place is where prompts stand and masks go; objects of different places have nothing to do with
each other.  The rules of refinement are here:

- An object is to be decoded again when its prompt or the model changed, never because of its
  neighbours, the contrast, the plane or the part of it that is on screen.
- A prompt that only gained clicks (or a box) is a refinement: the low-res logits of the chosen mask
  go back in.  Once something was moved or taken away they would hold on to what the user corrected,
  so the object starts anew from its prompts.  So does one whose mask ended where its view did,
  once it is seen in another.
- A choice among the candidates stays with the object and counts again whenever there are several.

Not here: when anything runs, and who is told (``session.py``).
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from napari_samv2_prompts.prompts import Masks, Prompt, PromptBatch

from .coordinates import held_by, view_holding
from .refinement import extends, prompt_key
from .requests import ModelChoice, Snapshot, View
from .results import ObjectResult

__all__ = ["Answers"]


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """An object as it was decoded last."""

    prompt: Prompt  # as the user gave it, without logits fed back
    model: ModelChoice | None  # None: one whose weights are gone
    result: ObjectResult
    preferred: int | None  # the user's own choice among several candidates
    view: View  # that it was decoded in

    def answers(self, prompt: Prompt, model: ModelChoice) -> bool:
        """Whether this is what the model makes of a prompt."""
        same = self.prompt is prompt or prompt_key(self.prompt) == prompt_key(prompt)
        return same and self.model == model


class Answers:
    """The last answer to each object of each place."""

    def __init__(self) -> None:
        self._places: dict[Hashable, dict[int, _Decoded]] = {}

    @property
    def places(self) -> tuple[Hashable, ...]:
        """Every place that has decoded objects."""
        return tuple(place for place, items in self._places.items() if items)

    def let_go(self, object_: int, place: Hashable | None = None) -> None:
        """Forget an object at one place, or at all."""
        for here, items in self._places.items():
            if place in (None, here):
                items.pop(object_, None)

    def results(self, place: Hashable, objects: Iterable[int]) -> tuple[ObjectResult, ...]:
        """Return the masks of those objects that have one."""
        items = self._places.get(place, {})
        return tuple(items[number].result for number in objects if number in items)

    def changed(self, snapshot: Snapshot) -> list[Prompt]:
        """Return the prompts that the last masks don't answer."""
        items = self._places.get(snapshot.place, {})
        return [
            prompt
            for prompt in snapshot.prompts
            if (item := items.get(prompt.object)) is None
            or not item.answers(prompt, snapshot.model)
        ]

    def refined(self, snapshot: Snapshot, prompt: Prompt) -> Prompt:
        """Add the logits of the last mask to a prompt that only gained clicks."""
        item = self._places.get(snapshot.place, {}).get(prompt.object)
        if item is None or item.model != snapshot.model or not extends(prompt, item.prompt):
            return prompt
        region = item.view.region
        if region != snapshot.view.region and item.result.is_cut:
            return prompt
        logits = item.result.masks.low_res_logits[item.result.chosen]
        return replace(prompt, mask=logits, mask_box=region.extent)

    def next_part(self, goal: Snapshot) -> Snapshot:
        """Return what has to be done first: changed prompts, in a view that holds them."""
        view, changed = goal.view, self.changed(goal)
        held = held_by(view, changed)
        if changed and not held:
            view = view_holding(view, changed[0])
            held = held_by(view, changed)
        return replace(goal, view=view, prompts=PromptBatch(tuple(held)))

    def still_asked(self, wish: Snapshot | None, goal: Snapshot | None) -> bool:
        """Whether what was wished for still answers a goal, though in another region."""
        if goal is None or wish is None or wish.view.region == goal.view.region:
            return False
        here = goal.view.picture, goal.place, goal.model
        open_ = {prompt_key(prompt) for prompt in self.changed(goal)}
        return here == (wish.view.picture, wish.place, wish.model) and open_.issuperset(
            map(prompt_key, wish.prompts)
        )

    def take(self, snapshot: Snapshot, masks: Masks) -> tuple[ObjectResult, ...]:
        """Take note of the masks of some objects; return them, in the order of the batch."""
        items = self._places.setdefault(snapshot.place, {})
        asked = {prompt.object: prompt for prompt in snapshot.prompts}
        for answer in masks:
            known = items.get(answer.object)
            preferred = known.preferred if known else None
            several = len(answer.crops) > 1
            chosen = preferred if several and preferred is not None else answer.best
            result = ObjectResult(answer, chosen, snapshot.view)
            items[answer.object] = _Decoded(
                asked[answer.object], snapshot.model, result, preferred, snapshot.view
            )
        return tuple(items[number].result for number in masks.objects)

    def cycle(self, place: Hashable, object_: int) -> ObjectResult | None:
        """Choose an object's next candidate by falling score; None if there is none."""
        items = self._places.get(place, {})
        item = items.get(object_)
        if item is None or len(item.result.masks.crops) < 2:
            return None
        order = [int(i) for i in np.argsort(-item.result.masks.scores, kind="stable")]
        return self.choose(
            place, object_, order[(order.index(item.result.chosen) + 1) % len(order)]
        )

    def choose(self, place: Hashable, object_: int, index: int) -> ObjectResult | None:
        """Choose one of an object's candidates; None if there is no such other one."""
        items = self._places.get(place, {})
        item = items.get(object_)
        if item is None or index == item.result.chosen or index >= len(item.result.masks.crops):
            return None
        result = replace(item.result, chosen=index)
        items[object_] = replace(item, result=result, preferred=index)
        return result

    def drop_unprompted(self, snapshot: Snapshot) -> tuple[int, ...]:
        """Let go of the objects of a place that have no prompts any more; return them."""
        items = self._places.setdefault(snapshot.place, {})
        gone = tuple(sorted(items.keys() - set(snapshot.prompts.objects)))
        for number in gone:
            del items[number]
        return gone

    def accept(
        self, here: Hashable, waiting: Iterable[int], only: Container[int] | None = None
    ) -> tuple[tuple[Hashable, int], ...]:
        """Let go of all objects but those of one place that wait for their mask; return them."""
        kept = set(waiting)
        accepted = []
        for place, items in self._places.items():
            for number in [n for n in items if place != here or n not in kept]:
                if only is None or number in only:
                    del items[number]
                    accepted.append((place, number))
        return tuple(accepted)

    def ask_again(self, place: Hashable) -> None:
        """Have every object of a place decoded anew."""
        items = self._places.get(place, {})
        self._places[place] = {
            number: replace(item, prompt=Prompt(number)) for number, item in items.items()
        }

    def outdate(self, model: ModelChoice) -> None:
        """Have everything decoded anew that a model answered, when its place is seen again."""
        for items in self._places.values():
            for number, item in items.items():
                if item.model == model:
                    items[number] = replace(item, model=None)

    def add(self, other: Answers) -> None:
        """Take note of everything that others know."""
        for place, items in other._places.items():
            self._places.setdefault(place, {}).update(items)

    def forget(self, places: Iterable[Hashable]) -> None:
        """Let go of all objects of some places."""
        for place in tuple(places):
            self._places.pop(place, None)

    def clear(self) -> None:
        """Let go of everything."""
        self._places.clear()
