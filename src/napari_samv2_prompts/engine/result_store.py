"""What is known of each object at each place: its mask, the prompts that it answers, the choice.

Objects of different places have nothing to do with each other.  Logits and crops are kept within a
budget; of what was used longest ago only the facts stay (scores, whether it is cut off), since its
mask is in the labels.  A choice among the candidates stays with the object and counts again
whenever there are several.

Not here: which prompts are to be decoded (``prompt_changes.py``), who is told (``session.py``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.mask_crops import Crops
from napari_samv2_prompts.prompts import ItemMasks, Masks, Prompt

from .requests import ModelChoice, Place, Request
from .results import ObjectResult, Provenance

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MB = 1_000_000
# Of a place one of whose layers is among these; of any for None.
Layers = frozenset[UUID] | None
Pixel = tuple[int, ...]  # of the data
_RANK = {Provenance.PROPAGATED: 0, Provenance.PROMPTED: 1, Provenance.ACCEPTED: 2}


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An object as it was predicted last."""

    result: ObjectResult
    # As the user gave it, without logits fed back; an empty one where there was none.
    prompt: Prompt
    model: ModelChoice | None  # None: one whose weights are gone
    preferred: int | None = None  # the user's own choice among several candidates

    @property
    def wanted(self) -> int:
        """The candidate that is meant, which may not be the result's yet."""
        return _wanted(self.result.masks, self.preferred)

    @property
    def is_prompted(self) -> bool:
        """Whether it is there because of its prompts."""
        return self.result.provenance is Provenance.PROMPTED


def _wanted(masks: ItemMasks, preferred: int | None) -> int:
    several = len(masks.scores) > 1
    return preferred if several and preferred is not None else masks.best


def _is_of(place: Place, layers: Layers) -> bool:
    return layers is None or not layers.isdisjoint(place.layers)


def pixels_of(plane: Plane, points: NDArray[np.float64]) -> set[Pixel]:
    """Return the pixels of the data in which points of a plane, as ``(x, y)``, lie."""
    return {tuple(map(int, at)) for at in np.rint(plane.to_data(points))}


class ResultStore:
    """The last result of each object of each place.

    - `budget_mb`: megabytes (10**6 bytes) of logits and crops.  The result that came last always
      stays.
    """

    def __init__(self, budget_mb: float) -> None:
        self.budget_mb = budget_mb
        self._places: dict[Place, dict[int, Known]] = {}
        self._sizes: OrderedDict[tuple[Place, int], int] = OrderedDict()  # of what is not released
        self._nbytes = 0
        self._open: set[tuple[Place, int]] = set()  # what the user has not accepted

    # --- reading ----------------------------------------------------------------------------

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place that has objects."""
        return tuple(place for place, items in self._places.items() if items)

    def provenance(
        self, labels: object, on: Callable[[Plane], Container[int] | None]
    ) -> dict[int, tuple[Provenance, float]]:
        """Return where each object in a Labels layer comes from, and the most doubt of its masks.

        An object whose masks have several origins is propagated if any is, else prompted.

        - `on`: the objects that stand on a plane, if that is known; what was propagated there of
          others does not count, since the user may have undone it
        """
        found: dict[int, tuple[Provenance, float]] = {}
        for place, items in self._places.items():
            if place.labels != labels:
                continue
            standing = on(place.plane)
            for number, known in items.items():
                origin, doubt = known.result.provenance, known.result.doubt
                propagated = origin is Provenance.PROPAGATED
                if propagated and standing is not None and number not in standing:
                    continue
                if number in found:
                    other, more = found[number]
                    origin = origin if _RANK[origin] < _RANK[other] else other
                    doubt = max(doubt, more)
                found[number] = origin, doubt
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of logits and crops that are kept."""
        return self._nbytes

    def get(self, place: Place, object_: int) -> Known | None:
        """Return what is known of an object."""
        return self._places.get(place, {}).get(object_)

    def results(self, place: Place, objects: Iterable[int]) -> tuple[ObjectResult, ...]:
        """Return the masks of those objects that have one which the user did not accept yet."""
        items = self._places.get(place, {})
        found = (items[number].result for number in objects if number in items)
        return tuple(r for r in found if r.provenance is not Provenance.ACCEPTED)

    def has_open(self, waiting: Container[int], layers: Layers = None) -> bool:
        """Tell whether anything would be accepted but objects that wait for their mask."""
        return any(n not in waiting and _is_of(place, layers) for place, n in self._open)

    @property
    def prompted(self) -> tuple[tuple[Place, int], ...]:
        """Every object that has a mask because of its prompts."""
        return tuple((place, number) for place, number, known in self._all() if known.is_prompted)

    def unmade_choice(self, place: Place) -> Known | None:
        """Return an object another candidate of which is wanted than its result shows."""
        items = self._places.get(place, {}).values()
        return next(
            (k for k in items if k.wanted != k.result.chosen and k.result.masks.crops), None
        )

    def preferred(self, place: Place) -> dict[int, int]:
        """Return the candidates that the user chose at a place."""
        items = self._places.get(place, {}).items()
        return {number: known.preferred for number, known in items if known.preferred is not None}

    def clicks_across(self, place: Place) -> dict[int, set[Pixel]]:
        """Return where clicks of objects were answered on planes that lie across one."""
        shown, found = {*place.plane.axes}, dict[int, set[Pixel]]()
        for there, items in self._places.items():
            if {*there.plane.axes} == shown or there.at(place.plane) != place:
                continue
            for number, known in items.items():
                if known.is_prompted:
                    at = pixels_of(there.plane, known.prompt.points)
                    found.setdefault(number, set()).update(at)
        return found

    # --- writing ----------------------------------------------------------------------------

    def take(self, request: Request, masks: Masks) -> tuple[ObjectResult, ...]:
        """Take note of the masks of some objects; return them, in the order of the batch."""
        asked = {prompt.object: prompt for prompt in request.prompts}
        return tuple(self._take(request, item, asked[item.object]) for item in masks)

    def _take(self, request: Request, item: ItemMasks, prompt: Prompt) -> ObjectResult:
        before = self.get(request.place, item.object)
        preferred = before.preferred if before else None
        wanted, crops = _wanted(item, preferred), item.crops
        made = not isinstance(crops, Crops) or crops.is_made(wanted)  # else it is chosen later
        result = ObjectResult.of(item, wanted if made else item.best, request.view)
        self._put(request.place, Known(result, prompt, request.model, preferred))
        return result

    def put(self, place: Place, result: ObjectResult) -> bool:
        """Take note of a mask that was not prompted; False if what is there is the user's own."""
        known = self.get(place, result.object)
        if known is not None and known.result.provenance is not Provenance.PROPAGATED:
            return False
        self._put(place, Known(result, Prompt(result.object), None))
        return True

    def prefer(self, place: Place, object_: int, candidate: int | None = None) -> bool:
        """Want one of an object's candidates, or the next by falling score.

        Returns whether that is another one than was wanted before.
        """
        known = self.get(place, object_)
        if known is None or not known.is_prompted:
            return False
        scores, wanted = known.result.masks.scores, known.wanted
        if candidate is None:
            order = [int(i) for i in np.argsort(-scores, kind="stable")]
            candidate = order[(order.index(wanted) + 1) % len(order)]
        if candidate == wanted or not 0 <= candidate < len(scores):
            return False
        self._put(place, replace(known, preferred=candidate))
        return True

    def choose(self, place: Place, masks: ItemMasks, candidate: int) -> ObjectResult | None:
        """Have a result show a candidate whose crop was made; None if there is another by now."""
        known = self.get(place, masks.object)
        if known is None or known.result.masks is not masks:
            return None
        result = ObjectResult.of(masks, candidate, known.result.view)
        self._put(place, replace(known, result=result))
        return result

    def accept(
        self,
        waiting: Iterable[int],
        only: Container[int] | None = None,
        layers: Layers = None,
    ) -> tuple[tuple[Place, int], ...]:
        """Leave all objects to the user but those that wait for their mask; return them."""
        kept, accepted = set(waiting), []
        for place, number, known in tuple(self._all()):
            if number in kept or (only is not None and number not in only):
                continue
            if not _is_of(place, layers):
                continue
            if known.is_prompted and known.wanted != known.result.chosen:
                continue
            if known.result.provenance is not Provenance.ACCEPTED:
                # Without its view, which would keep the image in memory as long as the labels.
                released = known.result.released()
                result = replace(released, provenance=Provenance.ACCEPTED, view=None)
                self._put(place, Known(result, Prompt(number), None))
                accepted.append((place, number))
        return tuple(accepted)

    def drop_unprompted(self, request: Request) -> tuple[int, ...]:
        """Forget the objects of a place that have no prompts any more; return them."""
        items = self._places.get(request.place, {})
        prompted = {number for number, known in items.items() if known.is_prompted}
        gone = tuple(sorted(prompted.difference(request.prompts.objects)))
        for number in gone:
            self._drop(request.place, number)
        return gone

    def ask_again(self, place: Place) -> None:
        """Have every prompted object of a place decoded anew."""
        for number, known in tuple(self._places.get(place, {}).items()):
            if known.is_prompted:
                self._places[place][number] = replace(known, prompt=Prompt(number))

    def outdate(self, model: ModelChoice) -> None:
        """Have everything decoded anew that a model answered, when its place is seen again."""
        for place, number, known in tuple(self._all()):
            if known.model == model:
                self._places[place][number] = replace(known, model=None)

    def forget_object(self, object_: int, place: Place | None = None) -> None:
        """Forget an object at one place, or at all."""
        for here in tuple(self._places) if place is None else (place,):
            self._drop(here, object_)

    def forget_places(self, places: Iterable[Place]) -> None:
        """Forget all objects of some places."""
        for place in tuple(places):
            for number in tuple(self._places.get(place, ())):
                self._drop(place, number)
            self._places.pop(place, None)

    def add(self, other: ResultStore) -> None:
        """Take note of everything that another store knows."""
        for place, _, known in other._all():
            self._put(place, known)

    def clear(self) -> None:
        """Forget everything."""
        self.forget_places(self._places)

    # --- inside -----------------------------------------------------------------------------

    def _all(self) -> Iterator[tuple[Place, int, Known]]:
        for place, items in self._places.items():
            for number, known in items.items():
                yield place, number, known

    def _put(self, place: Place, known: Known) -> None:
        number, result = known.result.object, known.result
        self._drop(place, number)
        self._places.setdefault(place, {})[number] = known
        if result.provenance is not Provenance.ACCEPTED:
            self._open.add((place, number))
        if not result.is_released:
            self._sizes[place, number] = result.nbytes
            self._nbytes += result.nbytes
        self._keep_budget()

    def _drop(self, place: Place, number: int) -> None:
        self._places.get(place, {}).pop(number, None)
        self._nbytes -= self._sizes.pop((place, number), 0)
        self._open.discard((place, number))

    def _keep_budget(self) -> None:
        """Let go of the logits and crops that were used longest ago."""
        while len(self._sizes) > 1 and self._nbytes > self.budget_mb * _MB:
            (place, number), nbytes = self._sizes.popitem(last=False)
            known = self._places[place][number]
            self._places[place][number] = replace(known, result=known.result.released())
            self._nbytes -= nbytes
