"""Following an object gives what an independent implementation gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch.nn.functional as F
from tests.samv2.video.films import MINI, calm_network, moving_discs
from tests.samv2.video.video_twin import TwinFilm, build_video_twin

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network

TOLERANCE = 1e-3
FRAMES = 12


@dataclass(frozen=True)
class Prompt:
    """Clicks of one object, as shares of the film's side; labels 2 and 3 are a box's corners."""

    frame: int
    points: tuple[tuple[float, float], ...]
    labels: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Case:
    name: str
    prompts: tuple[Prompt, ...]
    passes: tuple[dict[str, object], ...] = ({},)


CLICK = Prompt(0, ((0.3, 0.4),))
CASES = (
    Case("one click", (CLICK,)),
    Case("two clicks", (Prompt(0, ((0.3, 0.4), (0.7, 0.6)), (1, 0)),)),
    Case("box", (Prompt(0, ((0.2, 0.3), (0.4, 0.5)), (2, 3)),)),
    Case("three conditioning frames", (CLICK, Prompt(4, ((0.4, 0.4),)), Prompt(9, ((0.5, 0.4),)))),
    Case("both directions", (Prompt(6, ((0.4, 0.4),)),), ({}, {"reverse": True})),
    Case("a part", (Prompt(3, ((0.4, 0.4),)),), ({"max_frame_num_to_track": 5},)),
)


def ours(
    predictor: SAMV2VideoPredictor, film: np.ndarray, case: Case
) -> list[tuple[int, np.ndarray]]:
    side = film.shape[1]
    state = predictor.initstate(film)
    found = []
    for prompt in case.prompts:
        coords, labels = np.array(prompt.points) * side, np.array(prompt.labels)
        clicks = {"points": coords[labels < 2], "labels": labels[labels < 2]}
        given = {"box": coords[labels >= 2].ravel()} if 2 in prompt.labels else clicks
        frame, _, logits = predictor.addnewpointsorbox(state, prompt.frame, 1, **given)
        found.append((frame, logits[0, 0]))
    for options in case.passes:
        passed = predictor.propagateinvideo(state, **options)
        found += [(frame, logits[0, 0]) for frame, _, logits in passed]
    return found


def theirs(twin: TwinFilm, side: int, case: Case) -> list[tuple[int, np.ndarray]]:
    found = []
    for prompt in case.prompts:
        points = (np.array(prompt.points) * side).tolist()
        found.append((prompt.frame, twin.prompt(prompt.frame, points, list(prompt.labels))))
    for options in case.passes:
        found += list(twin.follow(**options))
    size = (side, side)
    return [
        (f, F.interpolate(logits[None, None], size, mode="bilinear")[0, 0].numpy())
        for f, logits in found
    ]


def check(network: SAMV2Network, side: int, cases: Sequence[Case], n_frames: int = FRAMES) -> None:
    film = moving_discs(n_frames, side)
    predictor = SAMV2VideoPredictor(network, device="cpu", dtype="float32")
    twin = build_video_twin(network, side)
    for case in cases:
        one, other = ours(predictor, film, case), theirs(TwinFilm(twin, film), side, case)
        assert [frame for frame, _ in one] == [frame for frame, _ in other], case.name
        for (frame, mine), (_, known) in zip(one, other, strict=True):
            error = np.abs(mine - known).max()
            assert error < TOLERANCE, (case.name, frame, error)
            certain = np.abs(known) > TOLERANCE
            assert ((mine > 0) == (known > 0))[certain].all(), (case.name, frame)


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_films_agree_with_transformers(version: str) -> None:
    network = calm_network(MINI, 128, version=version)
    check(network, 128, CASES[2:5] if version == "2.1" else CASES[3:4])


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "small", "base_plus", "large"])
def test_every_size_agrees_with_transformers(size: str) -> None:
    check(calm_network(size, 256), 256, CASES)


@pytest.mark.slow
def test_the_published_input_size_agrees_with_transformers() -> None:
    check(calm_network("tiny", 1024), 1024, CASES[:1])
