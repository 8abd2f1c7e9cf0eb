"""The interactive training loop: ``python -m training.train STAGE --data FOLDER --out FOLDER``.

Each image is encoded once; several of its objects are prompted, the error is clicked, and they are
decoded again with their last logits fed back, as a user would do (Kirillov et al. 2023, Ravi et al.
2024). Samples and simulated users depend on (seed, step) alone, so a run killed at any moment goes
on from its checkpoint along the same curve.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from napari_samv2_prompts.samv2.finetune.interaction import (
    add_clicks,
    choose,
    first_prompts,
    misled,
)
from napari_samv2_prompts.samv2.finetune.losses import round_loss
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded
from napari_samv2_prompts.samv2.modeling.pixels import DEVIATION, MEAN
from napari_samv2_prompts.samv2.weights.variants import find_variant
from training.annotated import Annotated, read_all
from training.checkpoint import (
    Run,
    recipe_before,
    resume,
    save,
    start,
    weights_before,
)
from training.data import Mixture, Samples
from training.parallel import average_gradients, process_count, process_rank
from training.recipe import STAGES, Recipe, learning_rate, samples_of_step


def normalised(image: Tensor) -> Tensor:
    """Images (B, 3, S, S) uint8 as the network takes them."""
    mean, deviation = (
        image.new_tensor(v, dtype=torch.float32).view(3, 1, 1) for v in (MEAN, DEVIATION)
    )
    return (image.float() / 255 - mean) / deviation


def train_step(
    run: Run, recipe: Recipe, batch: dict[str, Tensor], device: torch.device, *, bf16: bool
) -> dict[str, float]:
    """Make one step; return its loss and the IoU of mask 0 after the first and last round."""
    shared = np.random.default_rng((recipe.samples.seed, 1, run.step))
    rounds = 1 + int(shared.choice(len(recipe.rounds), p=recipe.rounds))
    feed = bool(shared.random() < 0.7)
    pixels = normalised(batch["image"].to(device))
    targets = batch["targets"].flatten(0, 1).to(device).float()
    targets /= (pixels.shape[-1] / targets.shape[-1]) ** 2
    hidden, rough = (batch[name].flatten(0, 1).to(device) for name in ("hidden", "rough"))
    index = torch.arange(len(pixels), device=device).repeat_interleave(batch["targets"].shape[1])
    prompts = first_prompts(shared, batch, recipe.first)
    rng = np.random.default_rng((recipe.samples.seed, 2, run.step, process_rank()))
    present = targets.flatten(1).any(1)
    total, ious = torch.zeros((), device=device), []
    with torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext():
        features = run.network.encode_image(pixels).select(index)
    for number in range(rounds):
        mask = prompts.mask.to(device) if prompts.mask is not None else None
        with torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext():
            decoded = run.network.decode_prompts(
                features, prompts.coords.to(device), prompts.labels.to(device), mask
            )
        decoded = Decoded(*(part.float() for part in decoded[:3]))
        loss = round_loss(decoded, targets, recipe.weights, hidden, rough)
        total = total + loss.total / rounds
        ious.append(float(loss.iou[present, 0].mean()) if present.any() else float("nan"))
        if number + 1 < rounds:
            with torch.no_grad():
                chosen, _ = choose(decoded, prompts.labels.to(device))
                if number == 0:
                    chosen = misled(rng, chosen)
            prompts = add_clicks(rng, prompts, chosen, targets, feed)
    _update(run, recipe, total)
    return {
        "loss": float(total.detach()),
        "first": ious[0],
        "last": ious[-1],
        "rounds": float(rounds),
    }


def _update(run: Run, recipe: Recipe, total: Tensor) -> None:
    """Backward, clip, step, moving average."""
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, run.step)
    run.optimizer.zero_grad(set_to_none=True)
    total.backward()
    average_gradients(run.network)
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), recipe.clip)
    run.optimizer.step()
    run.step += 1
    decay = min(recipe.ema, (1 + run.step) / (4 + run.step))
    with torch.no_grad():
        for average, now in zip(run.ema.parameters(), run.network.parameters(), strict=True):
            average.lerp_(now, 1 - decay)


def train(
    run: Run,
    recipe: Recipe,
    images: list[Annotated],
    out: Path,
    *,
    workers: int = 1,
    bf16: bool = False,
    until: int | None = None,
    every: int = 50,
) -> list[dict[str, float]]:
    """Train from the run's step to the recipe's end (or ``until``), saving every so many steps.

    Returns
    -------
    list of dict
        What `train_step` returned, step by step.
    """
    device = next(run.network.parameters()).device
    stop = min(until or recipe.steps, recipe.steps)
    rank, processes = process_rank(), process_count()
    batches = [samples_of_step(recipe, step, rank, processes) for step in range(run.step, stop)]
    settings = [recipe.samples, *([recipe.wide.samples] if recipe.wide else [])]
    samples = Mixture([Samples(images, each) for each in settings])
    loader = DataLoader(samples, batch_sampler=batches, num_workers=workers)
    history, began = [], time.monotonic()
    with (
        tqdm(
            loader, initial=run.step, total=stop, mininterval=10, unit="step", disable=rank > 0
        ) as bar,
        (out / "log.jsonl").open("a") as log,
    ):
        for batch in bar:
            history.append(train_step(run, recipe, batch, device, bf16=bf16))
            recent = {
                name: float(np.nanmean([h[name] for h in history[-100:]]))
                for name in ("loss", "first", "last")
            }
            bar.set_postfix({name: f"{value:.3f}" for name, value in recent.items()}, refresh=False)
            if run.step % 50 == 0 and rank == 0:
                log.write(
                    json.dumps(
                        {"step": run.step, "seconds": round(time.monotonic() - began, 1)} | recent
                    )
                    + "\n"
                )
                log.flush()
            if (run.step % every == 0 or run.step == stop) and rank == 0:
                save(run, out / "checkpoint.pt")
    return history


def _write_recipe(recipe: Recipe, variant: Variant, args: argparse.Namespace) -> None:
    """Keep with a run what it was made by, the stage before it included."""
    before = recipe_before(args.begin) if args.begin else None
    content = {"stage": args.stage, **asdict(recipe), "variant": asdict(variant), "begin": before}
    (args.out / "recipe.json").write_text(json.dumps(content, indent=1))


def main() -> None:
    """Read the command line and train one stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of NAME.png with NAME.labels.png"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for checkpoint.pt and log.jsonl; resumed if there",
    )
    parser.add_argument(
        "--begin",
        type=Path,
        help="checkpoint of the stage before, whose average is begun with, or an exported file",
    )
    parser.add_argument(
        "--steps", type=int, help="length of the schedule, instead of the stage's own"
    )
    parser.add_argument("--model", default="nano")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--bf16", action="store_true", help="bfloat16 autocast; for GPUs and CPUs that have it"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads a process")
    parser.add_argument("--workers", type=int, default=0, help="data processes")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
    recipe = (
        STAGES[args.stage] if args.steps is None else replace(STAGES[args.stage], steps=args.steps)
    )
    weights = weights_before(args.begin) if args.begin else None
    run = start(recipe, find_variant(args.model), weights)
    run.network.to(args.device), run.ema.to(args.device)
    args.out.mkdir(parents=True, exist_ok=True)
    _write_recipe(recipe, run.network.variant, args)
    if (args.out / "checkpoint.pt").exists():
        resume(run, args.out / "checkpoint.pt")
    train(
        run,
        recipe,
        read_all(args.data, validation=False),
        args.out,
        workers=args.workers,
        bf16=args.bf16,
    )


if __name__ == "__main__":
    main()
