"""What judges masks: it sees what the model could answer with, and learns which of it is good."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training.annotated import Annotated
from training.evaluate import BUNDLED, load_model
from training.judges import LOOKS, Judge, fit, look
from training.seen import Seen

from napari_samv2_prompts.samv2.nano import box_blend, scale_scores
from napari_samv2_prompts.samv2.nano.box_blend import SHIFTS, BoxBlend
from napari_samv2_prompts.samv2.nano.network import NanoNetwork
from napari_samv2_prompts.samv2.nano.scale_scores import ScaleScores


@pytest.mark.parametrize(
    ("make", "measures"),
    [(ScaleScores, scale_scores.MEASURES), (BoxBlend, box_blend.MEASURES)],
)
def test_a_judge_learns_which_mask_of_a_prompt_is_best(make: type[Judge], measures: int) -> None:
    generator = torch.Generator().manual_seed(0)
    prompts = []
    for _ in range(60):
        known = torch.rand(2 * len(SHIFTS), measures, generator=generator)
        known[:, 4] = 100 + 5 * known[:, 4]  # of any size, and what tells
        known[:, box_blend.SIZE] = 0.5
        prompts.append(
            Seen("dark", "a picture", known, ((known[:, 4] - 100) / 5).clamp(0.05, 0.95))
        )
    judge = fit(make, 8, prompts[:50], 0.3)
    with torch.no_grad():
        missed = [one.iou.max() - one.iou[judge(one.measures).argmax()] for one in prompts[50:]]
    assert np.mean(missed) < 0.1  # 0.4 by chance


def test_masks_of_clicks_and_boxes_are_compared_with_the_truth() -> None:
    network = load_model(BUNDLED)
    assert isinstance(network, NanoNetwork)
    rows, columns = np.mgrid[:128, :160]
    labels = ((rows - 60) ** 2 + (columns - 70) ** 2 < 20**2).astype(np.int32)
    image = np.repeat((60 + 120 * labels).astype(np.uint8)[..., None], 3, 2)
    seen = look(network, [Annotated("disc", image, labels, "dark")])
    assert set(seen) == set(LOOKS)
    (click,) = seen["scale_scores"]
    assert len(click.iou) % 4 == 0
    assert float(click.iou.max()) > 0.9
    exact, rough = seen["box_blend"]
    assert len(exact.iou) == len(rough.iou) == 4 * len(SHIFTS)
    assert float(exact.iou.max()) > 0.9
    assert float(exact.measures[SHIFTS.index(0.0), 6]) > 0.8  # its extent is that of the box
