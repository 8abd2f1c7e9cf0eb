"""Find all objects of a picture of many like things, with as few clicks as possible.

Clicks are placed where objects can be expected and nothing was found yet: first a coarse grid;
then, as soon as a few objects are known (or one is given as an example), the places that look like
them, deepest first; where nothing has been found, a finer grid.  A click inside what was accepted
is saved, and that is most of them.  Proposing places and letting the model judge them is how
automatic prompting does best in microscopy (Archit et al., micro-sam, 2025).

Everything comes as values, chunk by chunk: a job shows them as they come, and is cancelled between
two of them.

Not here: the published generator (``automatic_masks.py``), choosing among candidates again
(``candidates.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samv2_prompts.candidates import Candidate, Candidates, Selection
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2.inference.cell_features import CellFeatures
from napari_samv2_prompts.samv2.inference.embedding import Embedding

from .automatic_masks import candidate_of, point_grid
from .image_predictor import SAMV2ImagePredictor

TRIED = 16
"""Clicks that tell whether smaller copies of the image are of use."""
BETTER = 0.12
"""By how much their answers have to be surer."""
LARGE_GRID = 4
"""Clicks a side of the last grid, where nothing was found: with all copies of the image."""
SMALLER = 0.5
"""Radius of what is looked for last, as a share of that of what is found."""

GROUND = 0.4
"""Share of the image's edge: what lies along more of it is the ground, and no object."""

Bool = NDArray[np.bool_]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Search:
    """How to look for objects.

    - `.selection`: what counts as found; no click is placed inside it any more
    - `.grids`: clicks a side of the grids, coarse to fine; a finer one is used only where the
      coarser ones and the places that look alike have found nothing
    - `.points_per_batch`: clicks answered at once
    - `.max_points`: clicks in total
    - `.least_score`: candidates below this are not even returned; the rest may be chosen among
      later
    """

    selection: Selection = field(default_factory=Selection)
    grids: tuple[int, ...] = (8, 16)
    points_per_batch: int = 32
    max_points: int = 1024
    least_score: float = 0.3


def find_all(
    predictor: SAMV2ImagePredictor,
    embedding: Embedding,
    search: Search | None = None,
    *,
    taken: Bool | None = None,
    example: MaskCrop | None = None,
    known: Sequence[Candidate] = (),
) -> Iterator[tuple[Candidate, ...]]:
    """Look for objects all over an embedded image.

    - `embedding`: of this predictor
    - `taken`: array of shape (H, W), bool; where there are labels already: nothing is looked for
      there, and what covers them is not proposed
    - `example`: an object whose like are wanted: only places that look like it are tried
    - `known`: what a search that was interrupted has found: it goes on from there
    - yields what the next clicks have found, accepted or not, in pixels of the image
    """
    search = search or Search()
    # Many like things are small: smaller copies of the image cost as much again, and offer groups.
    state = _State(predictor, embedding.finest(), search, taken, example)
    state.know(known)
    if example is not None:
        yield from _search(state, ())
        return
    coarse, *finer = search.grids
    yield from state.ask(state.grid(coarse))
    if state.embedding is not embedding and state.sees_more(embedding, bool(known)):
        state.look_at(embedding)
        yield from state.ask(state.grid(coarse))
    yield from _search(state, finer)
    if state.embedding is not embedding:  # something large among small things
        state.look_at(embedding)
        yield from state.ask(state.grid(LARGE_GRID))


def _search(state: _State, grids: Sequence[int]) -> Iterator[tuple[Candidate, ...]]:
    """Click on what looks like what was found, then on finer grids, last on what is left."""
    finer = list(grids)
    while True:
        places = state.alike()
        while not len(places) and finer:
            places = state.grid(finer.pop(0))
        if not len(places):
            break
        yield from state.ask(places)
    yield from state.ask(state.left_over())


class _State:
    """What has been asked and found so far."""

    def __init__(
        self,
        predictor: SAMV2ImagePredictor,
        embedding: Embedding,
        search: Search,
        taken: Bool | None,
        example: MaskCrop | None,
    ) -> None:
        self.predictor, self.embedding, self.search = predictor, embedding, search
        self.example = example
        self.shape = embedding.image_size
        self.features = CellFeatures.of(embedding)
        self.candidates = Candidates()
        self.taken = np.zeros(self.shape, bool) if taken is None else taken.astype(bool)
        self.found = self.taken.copy()
        self.asked = np.empty((0, 2))  # of this embedding
        self.n_clicks = 0
        self.n_known = -1

    # --- asking ------------------------------------------------------------------------------

    def ask(self, points: Points) -> Iterator[tuple[Candidate, ...]]:
        """Click at points that are not inside what is found, and take in the answers."""
        size = self.search.points_per_batch
        while len(points) and self.n_clicks < self.search.max_points:
            points = points[~self._is_found(points)]
            now, points = points[:size], points[size:]
            if not len(now):
                return
            self.asked = np.concatenate([self.asked, now])
            self.n_clicks += len(now)
            new = self._answers(self.embedding, now)
            self.candidates.extend(new)
            self._mark()
            yield new

    def _answers(self, embedding: Embedding, points: Points) -> tuple[Candidate, ...]:
        clicks = tuple(Prompt.of(number, at[None]) for number, at in enumerate(points))
        answers = self.predictor.decode(embedding, PromptBatch(clicks), True)
        return tuple(
            candidate
            for item, at in zip(answers, points, strict=True)
            for index in np.flatnonzero(item.scores >= self.search.least_score)
            if (candidate := candidate_of(item, int(index), at, self.shape)).area
            and not self._covers_taken(candidate.crop)
            and not is_ground(candidate.crop, self.shape)
        )

    def sees_more(self, embedding: Embedding, ask_both: bool) -> bool:
        """Tell whether the surest clicks so far are answered better with smaller copies, too.

        They show large things whole; where things are small they cost twice as much, and offer
        groups.  ``ask_both``: what is known may be answers of either.
        """
        before = _best_by_click(self.candidates)
        surest = sorted(before, key=before.__getitem__, reverse=True)[:TRIED]
        if not surest:
            return True
        points = np.array(surest)
        if ask_both:
            before = _best_by_click(self._answers(self.embedding, points))
        after = _best_by_click(self._answers(embedding, points))
        gains = [after.get(click, 0.0) - before.get(click, 0.0) for click in surest]
        return float(np.mean(gains)) > BETTER

    def look_at(self, embedding: Embedding) -> None:
        """Ask of another embedding of the same image from now on."""
        self.embedding = embedding
        self.asked = np.empty((0, 2))

    def know(self, known: Sequence[Candidate]) -> None:
        """Take over what was found before, and where was clicked for it."""
        self.candidates.extend(known)
        if known:
            self.asked = np.unique([candidate.point for candidate in known], axis=0)
            self.n_clicks = len(self.asked)
            self._mark()

    def _covers_taken(self, crop: MaskCrop) -> bool:
        if not self.taken.any():
            return False
        common = np.count_nonzero(self.taken[crop.slices] & crop.mask)
        return bool(common > self.search.selection.max_overlap * crop.area)

    def _mark(self) -> None:
        """Draw what is found so far."""
        self.found = self.taken.copy()
        for index in self.candidates.select(self.search.selection):
            crop = self.candidates[index].crop
            self.found[crop.slices] |= crop.mask

    def _is_found(self, points: Points) -> Bool:
        x, y = np.round(points).astype(int).T
        height, width = self.shape
        inside: Bool = self.found[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        return inside

    # --- where to ask next -------------------------------------------------------------------

    def grid(self, per_side: int) -> Points:
        """Return a grid of clicks, in pixels; not where one was placed before."""
        height, width = self.shape
        points = point_grid(per_side) * (width, height)
        return points[self._far_from_asked(points, min(self.shape) / per_side / 2)]

    def alike(self) -> Points:
        """Return places that look like what is found, or none while too little is known."""
        known = self._known()
        if len(known) < (1 if self.example else 3) or len(known) == self.n_known:
            return np.empty((0, 2))
        self.n_known = len(known)
        return self._like(known, 1.0)

    def _known(self) -> list[MaskCrop]:
        chosen = [self.candidates[i].crop for i in self.candidates.select(self.search.selection)]
        return chosen + ([self.example] if self.example else [])

    def left_over(self) -> Points:
        """Return places that look like what is found and are smaller, or what is left of one."""
        known = self._known()
        return self._like(known, SMALLER) if known else np.empty((0, 2))

    def _like(self, known: Sequence[MaskCrop], share: float) -> Points:
        """Return the middles of what looks like known objects, of a share of their radius."""
        likely = self.features.like(known, self.found)
        radius = float(np.median([np.sqrt(crop.area / np.pi) for crop in known]))
        cells = radius / float(self.features.scale.mean())
        left = likely & ~self.features.shrunk(self.found)
        # Thinner than this are the rims of what is found.
        points = _deepest(left, share * cells, least=min(0.3 * cells, 2.0))
        points = (points + 0.5) * self.features.scale - 0.5
        return points[self._far_from_asked(points, share * radius / 2)]

    def _far_from_asked(self, points: Points, distance: float) -> Bool:
        if not len(self.asked) or not len(points):
            return np.ones(len(points), bool)
        apart = np.linalg.norm(points[:, None] - self.asked[None], axis=2).min(axis=1)
        far: Bool = apart > distance
        return far


def is_ground(crop: MaskCrop, shape: tuple[int, int]) -> bool:
    """Tell whether a mask lies along much of the image's edge."""
    mask, (top, left, bottom, right) = crop.mask, crop.box
    sides = (
        (top == 0, mask[0]),
        (left == 0, mask[:, 0]),
        (bottom == shape[0], mask[-1]),
        (right == shape[1], mask[:, -1]),
    )
    along = sum(int(cells.sum()) for there, cells in sides if there)
    return along > GROUND * 2 * sum(shape)


def _best_by_click(found: Iterable[Candidate]) -> dict[tuple[float, float], float]:
    """Return for each click how sure its best mask is."""
    best: dict[tuple[float, float], float] = {}
    for one in found:
        best[one.point] = max(best.get(one.point, 0.0), one.score * one.stability)
    return best


def _deepest(inside: Bool, radius: float, least: float) -> Points:
    """Return the places ``(x, y)`` deepest inside a region, one per object of a radius or so."""
    # Objects go on beyond the edges of the image.
    depth = ndimage.distance_transform_edt(np.pad(inside, 1, "edge"))[1:-1, 1:-1]
    # A little smoothing: plateaus and bumps of the distance are no objects of their own.
    depth = ndimage.gaussian_filter(depth, max(radius / 4, 0.5)) * inside
    side = 2 * max(1, round(radius * 0.6)) + 1
    peaks = (depth == ndimage.maximum_filter(depth, side)) & (depth > least)
    rows, columns = np.nonzero(peaks)
    order = np.argsort(-depth[rows, columns], kind="stable")
    return np.stack([columns[order], rows[order]], axis=1).astype(np.float64)
