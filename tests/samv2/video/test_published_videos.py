"""Prompts, corrections and passes give what the published predictor gave (record_published.py)."""

from __future__ import annotations

import numpy as np
import pytest
from tests.samv2.video.films import MINI, moving_discs, network_with_memory
from tests.samv2.video.published_cases import CASES, FRAMES, RECORDED, SIDE, Case

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor

TOLERANCE = 1e-3
ONCE_IN_A_WHILE = 5e-2
"""A prompted mask is remembered as all or nothing: one pixel whose logit is next to zero makes a
difference that other pixels do not.  Anything done otherwise than published makes a larger one."""


def answers(case: Case) -> tuple[list[np.ndarray], list[float]]:
    """Go through the steps of a case, and note low-res logits as the recording did."""
    network = network_with_memory(MINI, SIDE, version=case.version, present=case.present)
    predictor = SAMV2VideoPredictor(
        network,
        device="cpu",
        dtype="float32",
        add_all_frames_to_correct_as_cond=case.corrections_count,
        track_both_ways=False,
    )
    state = predictor.initstate(moving_discs(FRAMES, SIDE))
    found, scores = [], []

    def note(frame: int) -> None:
        for item in state.objects.values():
            logits = item.logits(frame)
            if logits is not None:
                known = item.pending[frame][0] if frame in item.pending else item.answers[frame]
                found.append(logits.float().numpy()[::2, ::2])
                scores.append(known.object_score)

    for step in case.steps:
        if step.kind == "points":
            predictor.addnewpointsorbox(state, step.frame, step.object, **step.arguments())
            note(step.frame)
        elif step.kind == "mask":
            predictor.addnewmask(state, step.frame, step.object, step.arguments()["mask"])
            note(step.frame)
        elif step.kind == "clear":
            predictor.clearallpromptsinframe(state, step.frame, step.object)
        else:
            for frame, _, _ in predictor.propagateinvideo(state, reverse=step.reverse):
                note(frame)
    return found, scores


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_published_predictor_gave_the_same(case: Case) -> None:
    with np.load(RECORDED) as recorded:
        logits, scores = recorded[f"{case.name}/logits"], recorded[f"{case.name}/scores"]
    found, ours = answers(case)
    assert len(found) == len(logits)
    errors = np.abs(np.stack(found) - logits).max(axis=(1, 2))
    assert np.median(errors) < TOLERANCE, errors
    assert errors.max() < ONCE_IN_A_WHILE, errors
    assert np.median(np.abs(np.array(ours) - scores)) < TOLERANCE
    certain = np.abs(logits) > ONCE_IN_A_WHILE
    assert ((np.stack(found) > 0) == (logits > 0))[certain].all()


def test_some_recorded_objects_are_hidden_and_some_are_not() -> None:
    with np.load(RECORDED) as recorded:
        for name in ("hidden at times", "hidden at times in 2.0", "a mask"):
            scores = recorded[f"{name}/scores"]
            assert (scores > 0).any(), name
            assert (scores <= 0).any(), name
            assert (recorded[f"{name}/logits"][scores <= 0] == -1024).all(), name
