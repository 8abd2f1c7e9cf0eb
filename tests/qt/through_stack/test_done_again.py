"""What was noted of following is done again in other labels, bit for bit.

Prompts that are saved and loaded are in ``tests/qt/test_saving.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import SyncRunner
from tests.qt.stack_bench import Stack, box_on

from napari_samv2_prompts._qt.labels_writer import place_of
from napari_samv2_prompts.engine import Session
from napari_samv2_prompts.io.record_files import unpacked_step
from napari_samv2_prompts.io.records import Follow, Record, Step
from napari_samv2_prompts.layers import LabelsTarget, mapped_view
from napari_samv2_prompts.replaying import Replay

pytestmark = pytest.mark.usefixtures("qapp")


def noted(bench: Stack) -> tuple[Step, ...]:
    return tuple(map(unpacked_step, bench.recorder.noted(bench.labels.unique_id)))


def again(bench: Stack, differs: str = "") -> np.ndarray:
    """Do the steps that a bench noted in a session and labels of their own; return the labels.

    - `differs`: with what the words begin that say why they may be others
    """
    labels = bench.viewer.add_labels(np.zeros_like(bench.labels.data))
    predictor = bench.session._plan.predictor  # the one that answered the bench
    session = Session(lambda choice, task: predictor, SyncRunner())
    replay = Replay(
        Record("cells", bench.labels.data.shape, noted(bench)),
        session,
        LabelsTarget(labels),
        lambda plane, picture: mapped_view(bench.image, plane, picture.limits, picture.gamma),
        lambda plane: place_of(bench.controller.chosen, plane),
    )
    reasons: list[str] = []
    replay.finished.connect(reasons.append)
    replay.start()
    session.close()
    assert reasons == [""]
    assert bool(replay.differs) == bool(differs)
    assert replay.differs.startswith(differs)
    return labels.data


def test_following_is_done_again_bit_for_bit(bench: Stack) -> None:
    bench.through.propagate()
    bench.go(5)
    bench.through.end_here(2)
    bench.draw((2, 2, 10, 12))
    bench.through.propagate()
    bench.through.divide_here(1)
    bench.through.propagate()
    assert np.array_equal(again(bench), bench.labels.data)


def test_after_what_was_undone_or_painted_the_rest_is_done_again(bench: Stack) -> None:
    bench.through.propagate()
    bench.labels.undo()
    bench.through.propagate()
    bench.draw((2, 40, 12, 50))
    bench.through.propagate()
    assert np.array_equal(again(bench, "Less was there to follow than then"), bench.labels.data)
    bench.labels.data_setitem(np.nonzero(box_on(5, 4, 20, 20, 36)), 1)
    bench.through.propagate()
    bench.go(1)
    bench.through.end_here(2)
    labels = again(bench, "Less was there to follow than then")
    assert np.array_equal(labels == 2, bench.labels.data == 2)
    assert np.array_equal(labels == 3, bench.labels.data == 3)


def test_a_division_beside_labels_that_were_painted_is_done_again(bench: Stack) -> None:
    bench.labels.data_setitem(np.nonzero(box_on(3, 2, 6, 2, 6)), 9)
    daughters = bench.through.divide_here(1)
    labels = again(bench)
    for number in daughters:
        assert np.array_equal(labels == number, bench.labels.data == number)


@pytest.mark.parametrize("stop_at", [1, 4, 7])
def test_what_was_interrupted_and_cancelled_is_done_again_as_far_as_it_came(
    bench: Stack, stop_at: int
) -> None:
    def interfere(state) -> None:
        if state.running and state.done >= stop_at and not meddled:
            meddled.append(state.done)
            bench.through.cancel()

    meddled: list[int] = []
    bench.through.changed.connect(interfere)
    bench.through.propagate()
    bench.through.changed.disconnect(interfere)
    bench.draw((2, 40, 12, 50))
    half = bench.labels.data.copy()
    assert np.array_equal(again(bench), half)
    bench.through.propagate()
    assert np.array_equal(again(bench), bench.labels.data)
    assert [step.begun for step in noted(bench) if isinstance(step, Follow)] == [True, True]
