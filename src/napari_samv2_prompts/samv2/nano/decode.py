"""Decode the small model's prompts on its pyramid: which level, how many levels, for what.

Clicks alone say nothing of an object's size, so they are decoded on every level that has room for
them (:mod:`.pyramid`).  A box or an earlier mask says it: they are decoded on the finest level on
which their window is not much larger than those that were trained on.  The masks of a box that is
said alone are made one (:mod:`.box_blend`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.mask_decoder import choose_single
from napari_samv2_prompts.samv2.modeling.point_labels import BOX_START, NEGATIVE, POSITIVE

from .box_blend import blend, expected
from .box_blend import measures as box_measures
from .candidates import Offered, offer, on_grid, to_finest
from .closer import look_closer, pooled, small_enough
from .features import NanoFeatures
from .network import PromptDecoder
from .pyramid import candidates_of_clicks, scaled_to
from .scale_scores import measures
from .window_decoding import WindowMasks, alike, decode_in_windows, without_unprompted
from .windows import STRIDE, Window, cut, first_sides, seen_from

LARGEST = 2
"""Side of the largest window of a box, in windows; of an earlier mask it is one."""
SPAN = 0.6
"""Share of a window that several clicks may span."""
N_OFFERED = 3


class Asked(NamedTuple):
    """Prompts with the same number of points, and how they are to be answered.

    - `.coords`, `.labels`, `.masks`: as :meth:`.NanoNetwork.decode_prompts` takes them
    - `.multimask`: per prompt: whether three masks are wanted, and not the single best
    - `.threshold`: logit above which a cell is in the mask
    - `.nothing`: logit of what lies beyond a window
    """

    coords: Tensor
    labels: Tensor
    masks: Tensor | None
    multimask: Sequence[bool]
    threshold: float = 0.0
    nothing: float = -32.0

    @property
    def boxed(self) -> Tensor:
        """Which prompts have a box."""
        return (self.labels == BOX_START).any(1)

    def rows(self, rows: Sequence[int]) -> Asked:
        """Return some of the prompts."""
        some = list(rows)
        masks = None if self.masks is None else self.masks[some]
        multi = [self.multimask[row] for row in some]
        return self._replace(
            coords=self.coords[some], labels=self.labels[some], masks=masks, multimask=multi
        )


def decode_on_levels(
    network: PromptDecoder,
    levels: Sequence[NanoFeatures],
    asked: Asked,
    pixels: Tensor | None = None,
) -> list[Offered]:
    """Predict the masks of prompts with the same number of points: three of each, or one.

    - `levels`: of one image (B = 1), finest first
    - `asked`: for the finest level
    - `pixels`: of the finest level's input, as :func:`.kept` gives them; nothing is looked at more
      closely without them
    - returns best first where there are three
    """
    boxes = [] if pixels is None else _small_boxes(network, asked, pixels)
    afar = [row for row in range(len(asked.coords)) if row not in boxes]
    results = dict(zip(afar, _from_afar(network, levels, asked.rows(afar)), strict=True))
    if pixels is not None:
        closer = boxes + _small_answers(network, asked, results, pixels)
        some = _from_closer(network, pixels, asked.rows(closer), levels[0].embedding.dtype)
        results |= zip(closer, some, strict=True)
    return [results[row] for row in range(len(asked.coords))]


def _from_afar(
    network: PromptDecoder, levels: Sequence[NanoFeatures], asked: Asked
) -> list[Offered]:
    """Decode in the picture as it was embedded."""
    results: dict[int, Offered] = {}
    coords, labels, masks = asked[:3]
    by_clicks = (labels == POSITIVE).any(1) & ~asked.boxed & (masks is None)
    groups: dict[tuple[bool, int], list[int]] = defaultdict(list)
    for row, number in enumerate(first_levels(network, levels, coords, labels, masks)):
        groups[bool(by_clicks[row]), number].append(row)
    for (clicks, number), rows in groups.items():
        below = levels[number:]
        grids = [level.embedding.shape[-1] for level in (levels[0], below[0])]
        some = asked.rows(rows)
        some = some._replace(coords=scaled_to(some.coords, *grids))
        if clicks:
            found = _of_clicks(network, below, some)
        else:
            if some.masks is not None:
                some = some._replace(masks=_resized(some.masks, 4 * grids[1]))
            found = _of_the_rest(network, below[0], some)
        for row, one in zip(rows, found, strict=True):
            results[row] = one._replace(logits=to_finest(one.logits, grids[0]))
    return [results[row] for row in range(len(coords))]


def _from_closer(
    network: PromptDecoder, pixels: Tensor, asked: Asked, dtype: torch.dtype
) -> list[Offered]:
    """Decode small prompts in the picture enlarged around each."""
    results = []
    every = look_closer(network, pixels, *asked[:3], dtype)
    for row, closer in enumerate(every):
        one = asked.rows([row])._replace(coords=closer.coords, masks=closer.mask)
        (offered,) = _of_the_rest(network, closer.features, one)
        finer = closer.placed(offered.logits, pixels.shape[-1], asked.nothing)
        results.append(offered._replace(logits=pooled(finer), finer=finer))
    return results


def _small_boxes(network: PromptDecoder, asked: Asked, pixels: Tensor) -> list[int]:
    """Which prompts have boxes that are small enough to look closer."""
    small = small_enough(network, *asked[:3], pixels.shape[-1])
    return [row for row in small if bool(asked.boxed[row])]


def _small_answers(
    network: PromptDecoder, asked: Asked, results: Mapping[int, Offered], pixels: Tensor
) -> list[int]:
    """Which corrections are small enough, and have answers that are.

    A click beside a small mask may ask for something large, of which the closer look would see a
    part.
    """
    rows, side = list(results), pixels.shape[-1]
    if asked.masks is None or not rows:
        return []
    answers = torch.stack([results[row].logits[results[row].scores.argmax()] for row in rows])
    coords, labels, masks = asked.rows(rows)[:3]
    said = small_enough(network, coords, labels, masks, side)
    told = small_enough(network, coords, labels, answers[:, None], side)
    return [rows[place] for place in said if place in told]


def first_levels(
    network: PromptDecoder,
    levels: Sequence[NanoFeatures],
    coords: Tensor,
    labels: Tensor,
    mask_input: Tensor | None,
) -> list[int]:
    """Choose for each prompt the finest level that has room for what it says."""
    least = network.variant.window // STRIDE
    grids = [level.embedding.shape[-1] for level in levels]
    chosen = []
    for row, side in enumerate(first_sides(coords, labels, mask_input, grids[0])):
        most = float(least)
        if mask_input is None:  # a window has twice the extent of what is said
            most = LARGEST * least if bool((labels[row] == BOX_START).any()) else 2 * SPAN * least
        fitting = [n for n, grid in enumerate(grids) if side * grid / grids[0] <= most]
        chosen.append(fitting[0] if fitting else len(levels) - 1)
    return chosen


def _of_clicks(
    network: PromptDecoder, levels: Sequence[NanoFeatures], asked: Asked
) -> list[Offered]:
    found = candidates_of_clicks(network, levels, asked.coords, asked.labels, asked.threshold)
    scores = network.scale_scores(torch.cat([measures(each, asked.threshold) for each in found]))
    counts = [N_OFFERED if multi else 1 for multi in asked.multimask]
    return [
        offer(each, own, count, asked.nothing)
        for each, own, count in zip(found, scores.chunk(len(found)), counts, strict=True)
    ]


def _of_the_rest(network: PromptDecoder, level: NanoFeatures, asked: Asked) -> list[Offered]:
    coords, labels, masks, multimask, threshold, nothing = asked
    found = decode_in_windows(network, level, coords, labels, masks, multimask, threshold)
    grid = level.embedding.shape[-1]
    clicked = (labels == POSITIVE) | (labels == NEGATIVE)
    box_alone = (asked.boxed & ~clicked.any(1)).tolist()
    boxed: dict[int, Window] = {}
    offered: dict[int, Offered] = {}
    for row, (each, multi) in enumerate(zip(found, multimask, strict=True)):
        decoded, window = each
        if box_alone[row] and not multi and masks is None:
            boxed[row] = window
            continue
        logits, scores = decoded.logits[0, 1:], decoded.scores[0, 1:]
        if not multi:
            one = choose_single(decoded)
            logits, scores = one.logits[0], one.scores[0]
        placed = on_grid(logits, window, grid, nothing)
        offered[row] = Offered(placed, scores, decoded.object_logits[0])
    for rows in alike(boxed, coords.device):
        some = [found[row] for row in rows]
        made, scores = _of_boxes(network, level, some, coords[rows], labels[rows], threshold)
        for row, each, mask, score in zip(rows, some, made, scores, strict=True):
            placed = on_grid(mask, each.window, grid, nothing)
            offered[row] = Offered(placed, score, each.decoded.object_logits[0])
    return [offered[row] for row in range(len(found))]


def _of_boxes(
    network: PromptDecoder,
    level: NanoFeatures,
    found: Sequence[WindowMasks],
    coords: Tensor,
    labels: Tensor,
    threshold: float,
) -> tuple[Tensor, Tensor]:
    """Make one mask ``(P, 1, h, w)`` of the four that each box has, and its score ``(P, 1)``.

    All of them have windows of the same side.
    """
    judged = network.box_blend(seen_of_boxes(level, found, coords, labels, threshold))
    masks = blend(torch.cat([each.decoded.logits for each in found]), judged)[:, None]
    within = seen_from([each.window for each in found], coords)
    return without_unprompted(masks, within, labels, None, threshold), expected(judged)


def seen_of_boxes(
    level: NanoFeatures,
    found: Sequence[WindowMasks],
    coords: Tensor,
    labels: Tensor,
    threshold: float,
) -> Tensor:
    """Measure the masks of prompts ``(P, N, 2)``, ``(P, N)`` that have boxes."""
    starts = (labels == BOX_START).int().argmax(1)
    corners = torch.stack([starts, starts + 1], 1)[..., None].expand(-1, -1, 2)
    windows = [each.window for each in found]
    boxes = (seen_from(windows, coords).gather(1, corners) + 0.5) / (STRIDE // 4)
    logits = torch.cat([each.decoded.logits for each in found])
    scores = torch.cat([each.decoded.scores for each in found])
    looks = cut(level, windows).descriptors
    return box_measures(logits, scores, boxes.flatten(1), looks, threshold)


def _resized(masks: Tensor, side: int) -> Tensor:
    """Logits ``(P, 1, h, w)`` on a coarser grid."""
    if masks.shape[-1] == side:
        return masks
    return F.interpolate(masks, size=(side, side), mode="area")
