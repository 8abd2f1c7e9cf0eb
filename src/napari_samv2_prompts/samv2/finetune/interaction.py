"""The simulated user of a training step: first prompts, and the clicks that correct them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_samv2_prompts.samv2.modeling import point_labels
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded, choose_single

from . import clicks
from .losses import enlarge


@dataclass
class Prompts:
    """The prompts of all objects of a batch, growing by a click a round."""

    coords: Tensor
    labels: Tensor
    mask: Tensor | None


def first_prompts(
    rng: np.random.Generator, batch: dict[str, Tensor], kinds: tuple[float, float, float, float]
) -> Prompts:
    """Choose what a step begins with: clicks, boxes, a mixture, what another section hands over.

    ``kinds`` are their shares of the steps.

    Steps of one kind matter: there the decoder sees exactly the tokens it sees at inference, with
    no padding.
    """
    points, boxes = batch["clicks"].flatten(0, 1), batch["box"].flatten(0, 1)
    n = len(points)
    kind = str(rng.choice(["clicks", "boxes", "mixed", "section"], p=kinds))
    if kind == "section":
        return _handed_over(rng, batch)
    if kind == "clicks":
        count = int(rng.choice([1, 2, 3], p=[0.85, 0.1, 0.05]))
        return Prompts(points[:, :count], torch.full((n, count), point_labels.POSITIVE), None)
    corners = torch.tensor([point_labels.BOX_START, point_labels.BOX_END]).repeat(n, 1)
    if kind == "boxes":
        rough = rng.random() < 0.15 and "mask" in batch
        mask = batch["mask"].flatten(0, 1) if rough else None
        return Prompts(boxes, corners, mask)
    clicked = torch.from_numpy(rng.random(n) < 0.5)
    single = torch.tensor([point_labels.POSITIVE, point_labels.PAD]).repeat(n, 1)
    coords = torch.where(
        clicked[:, None, None], points[:, :2] * torch.tensor([[[1.0], [0.0]]]), boxes
    )
    return Prompts(coords, torch.where(clicked[:, None], single, corners), None)


def _handed_over(rng: np.random.Generator, batch: dict[str, Tensor]) -> Prompts:
    """What a neighbouring section gives: its mask with its box or a click, or its box alone."""
    logits, boxes, points = (
        batch[name].flatten(0, 1) for name in ("before", "before_box", "before_click")
    )
    way = rng.choice(["box and mask", "click and mask", "box"], p=[0.5, 0.3, 0.2])
    if way == "click and mask":
        return Prompts(points, torch.full((len(points), 1), point_labels.POSITIVE), logits)
    corners = torch.tensor([point_labels.BOX_START, point_labels.BOX_END]).repeat(len(boxes), 1)
    return Prompts(boxes, corners, logits if way == "box and mask" else None)


def add_clicks(
    rng: np.random.Generator, prompts: Prompts, chosen: Tensor, targets: Tensor, feed: bool
) -> Prompts:
    """Add each object's corrective click, and feed its chosen logits (P, S/4, S/4) back."""
    predicted = (enlarge(chosen[:, None], targets)[:, 0] > 0).cpu().numpy()
    true = (targets >= 0.5).cpu().numpy()
    made = [clicks.training_click(rng, p, t) for p, t in zip(predicted, true, strict=True)]
    values = torch.tensor(made, dtype=torch.float32)
    # Logits have a quarter of the input's size.  Of a target pixel that covers two input pixels the
    # centre lies half an input pixel further.
    coarse = 4 * chosen.shape[-1] / targets.shape[-1]
    coords = torch.cat([prompts.coords, values[:, None, :2] * coarse + (coarse - 1) / 2], 1)
    labels = torch.cat([prompts.labels, values[:, 2:].long()], 1)
    return Prompts(coords, labels, chosen[:, None].clamp(-32, 32) if feed else None)


def misled(rng: np.random.Generator, chosen: Tensor) -> Tensor:
    """Exchange some masks (P, h, w) for another object's, or for nothing, before a correction.

    A network that only ever corrects small errors of its own learns to keep what it is fed.
    """
    chance = torch.from_numpy(rng.random(len(chosen)))[:, None, None].to(chosen.device)
    nothing = torch.full_like(chosen, -8.0)
    return torch.where(chance < 0.2, chosen.roll(1, 0), torch.where(chance < 0.3, nothing, chosen))


def choose(decoded: Decoded, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Choose the masks a user would see, with their scores: (P, S/4, S/4) and (P,).

    After a single click the best scored of three, else what the predictor gives as single mask.
    """
    positive = (labels == point_labels.POSITIVE).sum(1)
    ambiguous = (positive == 1) & ((labels != point_labels.PAD).sum(1) == 1)
    best = decoded.scores[:, 1:].argmax(1) + 1
    rows = torch.arange(len(best), device=best.device)
    alone = choose_single(decoded)
    return (
        torch.where(ambiguous[:, None, None], decoded.logits[rows, best], alone.logits[:, 0]),
        torch.where(ambiguous, decoded.scores[rows, best], alone.scores[:, 0]),
    )
