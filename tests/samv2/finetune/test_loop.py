"""Fine-tuning makes a network better at what it is shown, never worse, and can be interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.samv2.small_networks import MINI

from napari_samv2_prompts.samv2.finetune import loop
from napari_samv2_prompts.samv2.finetune.examples import Pair, split
from napari_samv2_prompts.samv2.finetune.loop import Progress, Settings, Validation, fine_tune
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.nano.config import NANO
from napari_samv2_prompts.samv2.weights.build import build_network

SMALL = replace(
    NANO, embed_dim=16, blocks=(1, 1, 2, 1), global_blocks=(3,), width=32, decoder_heads=2,
    decoder_mlp=64, score_width=32, input_size=128, largest_input=128, window=64,
)  # fmt: skip
pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = Settings(steps=6, every=3, objects=3)


def network(variant: Variant = MINI) -> SAMV2Network:
    torch.manual_seed(0)
    return build_network(variant).eval()


def pairs(count: int = 4) -> list[Pair]:
    y, x = np.mgrid[0:96, 0:96]
    made = []
    for number in range(count):
        labels = np.zeros((96, 96), np.int32)
        for value, (row, column) in enumerate(((28, 30), (64, 60 - 4 * number)), start=1):
            labels[np.hypot(y - row, x - column) < 14] = value
        made.append(Pair(f"picture {number}", (50 + 120 * (labels > 0)).astype(np.uint8), labels))
    return made


@pytest.mark.parametrize("variant", [SMALL, MINI], ids=["nano", "published"])
def test_only_prompts_and_masks_learn_and_the_network_begun_with_stays(variant: Variant) -> None:
    begun = network(variant)
    before = {name: tensor.clone() for name, tensor in begun.state_dict().items()}
    result = fine_tune(begun, pairs(), replace(SETTINGS, patience=99))
    for name, tensor in begun.state_dict().items():
        assert torch.equal(tensor, before[name])
    trunk = {n for n in before if n.startswith("image_encoder")}
    assert all(torch.equal(result.network.state_dict()[n], before[n]) for n in trunk)
    assert result.steps == 6


def test_the_loss_falls() -> None:
    told: list[Progress] = []
    settings = replace(SETTINGS, steps=20, every=20, rate=4e-3)
    fine_tune(network(SMALL), pairs(), settings, report=told.append)
    losses = [each.loss for each in told[1:]]
    assert np.nanmean(losses[-5:]) < 0.8 * np.nanmean(losses[:5])


def test_what_is_kept_is_never_worse_than_before(monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.5, 0.4, 0.3])
    seen: list[dict[str, torch.Tensor]] = []

    def worse(network: SAMV2Network, pairs: object, limit: int = 8) -> Validation:
        seen.append({n: t.clone() for n, t in network.state_dict().items()})
        value = next(values)
        return Validation(value, value)

    monkeypatch.setattr(loop, "validate", worse)
    result = fine_tune(network(), pairs(), replace(SETTINGS, patience=2))
    assert result.after == result.before == Validation(0.5, 0.5)
    assert "not better" in result.stopped
    for name, tensor in result.network.state_dict().items():
        assert torch.equal(tensor, seen[0][name])


def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=4, every=2, patience=99)
    whole = fine_tune(network(), pairs(), settings)

    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    state = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        fine_tune(network(), pairs(), settings, report=interrupt, checkpoint=state)
    steps: list[int] = []
    again = fine_tune(
        network(), pairs(), settings, report=lambda p: steps.append(p.step), checkpoint=state
    )
    assert steps == [0, 3, 4]
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])
    with pytest.raises(ValueError, match="other pictures or settings"):
        fine_tune(network(), pairs(), replace(settings, seed=1), checkpoint=state)


def test_a_run_goes_on_with_the_model_and_the_pictures_that_it_began_with(tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=2, every=1, patience=99)
    state = tmp_path / "state"
    fine_tune(network(), pairs(), settings, checkpoint=state)
    torch.manual_seed(1)
    other = build_network(MINI).eval()
    corrected = pairs()
    corrected[0].labels[:2, :2] = 2
    for begun, given in ((other, pairs()), (network(SMALL), pairs()), (network(), corrected)):
        with pytest.raises(ValueError, match="another model, other pictures"):
            fine_tune(begun, given, settings, checkpoint=state)
    assert fine_tune(network(), pairs(), settings, checkpoint=state).steps == 2


def test_pictures_are_parted_and_two_are_needed() -> None:
    learnt, held_back = split(pairs(), 0.25, 0)
    assert len(held_back) == 1
    assert {p.name for p in learnt} | {p.name for p in held_back} == {p.name for p in pairs()}
    with pytest.raises(ValueError, match="at least two"):
        split(pairs(1), 0.25, 0)
    with pytest.raises(ValueError, match="the same"):
        Pair("odd", np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.int32))
