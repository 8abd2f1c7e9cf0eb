"""The loop of fine-tuning: steps, validation before, on the way and after, the best weights kept.

A step decodes some objects of one picture, corrects what is wrong as a user would, and learns from
it.  Steps are drawn from (seed, step) alone, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2.image_predictor import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.nano.network import NanoNetwork
from napari_samv2_prompts.samv2.weights.packing import weights_digest

from . import clicks
from .examples import FLIPS, Batch, Embedded, Pair, draw_batch, embed_levels, flipped, split
from .interaction import add_clicks, choose, first_prompts
from .losses import LossWeights, round_loss

WEIGHTS = LossWeights(score=3.0, mean_scores=True)


@dataclass(frozen=True)
class Settings:
    """How to fine-tune."""

    steps: int = 2000  # at most so many
    minutes: float = 60.0  # at most so long, in all
    objects: int = 8  # objects a step
    rate: float | None = None  # of AdamW; by default 3e-4 for nano and 3e-5 for published sizes
    trunk: bool = False  # whether the image encoder learns too: slower, and for many pictures only
    validation: float = 0.2  # share of the pictures that is only validated on
    # Steps from one validation to the next, and how many of those may bring nothing better.
    every: int = 100
    patience: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Validation:
    """Mean IoU over the objects of pictures that are not learnt from."""

    box: float
    click: float

    @property
    def mean(self) -> float:
        """What is to become better."""
        return (self.box + self.click) / 2


@dataclass(frozen=True)
class Progress:
    """How far a run is: told after each step and each validation."""

    step: int
    loss: float
    seconds: float
    validation: Validation | None = None


@dataclass(frozen=True)
class Result:
    """What came of it."""

    # SAMV2Network: with the best weights; those it began with if nothing was better.
    network: SAMV2Network
    before: Validation
    after: Validation
    steps: int  # how many were made
    stopped: str  # why it ended


@dataclass
class _Run:
    """The state of a run: all that is needed to go on."""

    network: SAMV2Network
    optimizer: torch.optim.AdamW
    before: Validation
    best: Validation
    weights: dict[str, Tensor]
    step: int = 0
    since: int = 0
    seconds: float = 0.0

    def validated(self, found: Validation) -> None:
        """Keep the weights if they are better than all before."""
        better = found.mean > self.best.mean
        self.since = 0 if better else self.since + 1
        if better:
            self.best, self.weights = found, _copied(self.network)


def fine_tune(
    network: SAMV2Network,
    pairs: Sequence[Pair],
    settings: Settings | None = None,
    *,
    report: Callable[[Progress], object] = lambda _: None,
    checkpoint: Path | None = None,
) -> Result:
    """Teach a network what the objects of some pictures are.

    - `network`: where it begins; it is not changed
    - `pairs`: two pictures at least
    - `report`: told of each step.  What it raises ends the work; the checkpoint is there to go on
      from.
    - `checkpoint`: written at each validation, and gone on from if it is there
    - raises ValueError if there are too few pictures, or the checkpoint is of another run
    """
    settings = settings or Settings()
    learnt, held_back = split(pairs, settings.validation, settings.seed)
    network = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(_learning(network, trunk=settings.trunk))  # its rate: _step
    before = validate(network, held_back)
    report(Progress(0, float("nan"), 0.0, before))
    run = _Run(network, optimizer, before, before, _copied(network))
    told: dict[str, object] = {
        "settings": asdict(settings),
        "pictures": sorted((pair.name, pair.digest) for pair in pairs),
        "begun with": weights_digest(network),
    }
    if checkpoint is not None and checkpoint.exists():
        _resume(run, checkpoint, told)
    pictures = [] if settings.trunk else _embedded(network, learnt)
    began, stopped = time.monotonic() - run.seconds, ""
    while run.step < settings.steps and not stopped:
        loss = _step(run, settings, learnt, pictures)
        run.step += 1
        run.seconds = time.monotonic() - began
        late = run.seconds > 60 * settings.minutes
        found = None
        if late or run.step % settings.every == 0 or run.step == settings.steps:
            found = validate(network, held_back)
            run.validated(found)
            if checkpoint is not None:
                _save(run, checkpoint, told)
        report(Progress(run.step, loss, run.seconds, found))
        if late:
            stopped = "the time was over"
        elif run.since >= settings.patience:
            stopped = f"{settings.patience} validations in a row were not better"
    network.load_state_dict(run.weights)
    stopped = stopped or "all steps were made"
    return Result(network.eval(), run.before, run.best, run.step, stopped)


def validate(network: SAMV2Network, pairs: Sequence[Pair], limit: int = 8) -> Validation:
    """Mean IoU of a box and of one click, as the predictor answers them, over some objects each."""
    predictor = SAMV2ImagePredictor(
        network, device=network.no_mem_embed.device.type, dtype="float32"
    )
    boxes: list[float] = []
    single: list[float] = []
    for pair in pairs:
        values = pair.objects()
        values = values[np.linspace(0, len(values) - 1, min(limit, len(values))).astype(int)]
        masks = [pair.labels == value for value in values]
        embedding = predictor.embed(pair.image)
        ways = (
            (boxes, [Prompt.of(n, box=clicks.mask_box(m)) for n, m in enumerate(masks, 1)]),
            (single, [Prompt.of(n, [clicks.centre(m)[:2]], [1]) for n, m in enumerate(masks, 1)]),
        )
        for ious, prompts in ways:
            answers = predictor.decode(embedding, PromptBatch(tuple(prompts)))
            for answer, mask in zip(answers, masks, strict=True):
                found = answer.crops[answer.best].full(mask.shape)
                ious.append(float((found & mask).sum() / (found | mask).sum()))
    return Validation(float(np.mean(boxes)), float(np.mean(single)))


def _learning(network: SAMV2Network, *, trunk: bool) -> list[torch.nn.Parameter]:
    """What learns: prompt encoder and decoder, and all the rest on request."""
    parts = [network] if trunk else [network.sam_prompt_encoder, network.sam_mask_decoder]
    network.requires_grad_(False)
    for part in parts:
        part.requires_grad_(True)
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _embedded(network: SAMV2Network, pairs: Sequence[Pair]) -> list[Embedded]:
    with torch.no_grad():
        return [embed_levels(network, flipped(p, n)) for p in pairs for n in range(FLIPS)]


def _step(
    run: _Run, settings: Settings, pairs: Sequence[Pair], pictures: Sequence[Embedded]
) -> float:
    """Make one step and return its loss; nan where the picture had no objects to show."""
    rng = np.random.default_rng((settings.seed, run.step))
    if pictures:
        picture = pictures[int(rng.integers(len(pictures)))]
    else:
        pair = pairs[int(rng.integers(len(pairs)))]
        picture = embed_levels(run.network, flipped(pair, int(rng.integers(FLIPS))))
    batch = draw_batch(rng, run.network, picture, settings.objects)
    if batch is None:
        return float("nan")
    loss = _loss(rng, run.network, batch)
    rate = settings.rate or (3e-4 if isinstance(run.network, NanoNetwork) else 3e-5)
    for group in run.optimizer.param_groups:
        group["lr"] = rate * min(1.0, (run.step + 1) / 20)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(_parameters(run.optimizer), 1.0)
    run.optimizer.step()
    return float(loss.detach())


def _loss(rng: np.random.Generator, network: SAMV2Network, batch: Batch) -> Tensor:
    """Decode one to three rounds, each but the first with a correction."""
    device = batch.features.embedding.device
    targets, hidden = batch.targets.to(device), batch.hidden.to(device)
    rounds = int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))
    one_picture = {name: tensor[None] for name, tensor in batch.prompts.items()}
    prompts = first_prompts(rng, one_picture, (0.55, 0.45, 0.0, 0.0))
    total = torch.zeros((), device=device)
    for number in range(rounds):
        mask = None if prompts.mask is None else prompts.mask.to(device)
        coords, labels = prompts.coords.to(device), prompts.labels.to(device)
        decoded = network.decode_prompts(batch.features, coords, labels, mask)
        total = total + round_loss(decoded, targets, WEIGHTS, hidden).total / rounds
        if number + 1 < rounds:
            with torch.no_grad():
                chosen, _ = choose(decoded, labels)
            prompts = add_clicks(rng, prompts, chosen, targets, feed=bool(rng.random() < 0.7))
    return total


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _copied(network: SAMV2Network) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _save(run: _Run, path: Path, told: dict[str, object]) -> None:
    """Write the state so that a kill at any moment leaves the old one or the new one."""
    state = {
        "told": told,
        "network": run.network.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "weights": run.weights,
        "before": asdict(run.before),
        "best": asdict(run.best),
        "numbers": (run.step, run.since, run.seconds),
    }
    with written_whole(path) as part:
        torch.save(state, part)


def _resume(run: _Run, path: Path, told: dict[str, object]) -> None:
    """Set a run to a saved state."""
    state = torch.load(path, weights_only=True, map_location=run.network.no_mem_embed.device)
    if state["told"] != told:
        raise ValueError(
            f"{path} belongs to a run with another model, other pictures or settings: delete it to "
            "begin anew, or start with the same ones to go on."
        )
    run.network.load_state_dict(state["network"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.weights = state["weights"]
    run.before, run.best = Validation(**state["before"]), Validation(**state["best"])
    run.step, run.since, run.seconds = state["numbers"]
