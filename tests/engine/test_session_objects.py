"""Objects in a session: refined, chosen among candidates, accepted, removed.

What is kept of their results, and in how much memory, is in ``test_results``.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.engine.watched import TINY, Watched, box, click, loaded, snap
from tests.fakes import LOGITS, FakeView, SyncRunner, place

from napari_samv2_prompts.engine import Removal, State
from napari_samv2_prompts.engine.coordinates import in_view
from napari_samv2_prompts.engine.prompt_changes import extends
from napari_samv2_prompts.prompts import Prompt

# --- refining ---


def last_prompt(watched: Watched) -> Prompt:
    return watched.predictor.batches[-1][-1]


def test_a_further_click_refines_the_chosen_mask(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    sync.session.choose(1)
    sync.session.update(snap(click(1, (5, 5), (9, 9), labels=[1, 0])))
    mask = last_prompt(sync).mask
    assert mask is not None
    assert (mask == 2).all()  # the logits of the second candidate


@pytest.mark.parametrize(
    "changed",
    [click(1, (6, 5)), click(1, (6, 5), (9, 9)), click(1, (5, 5), labels=[0])],
    ids=["moved", "moved and one more", "sign turned"],
)
def test_a_prompt_that_was_corrected_starts_anew(sync: Watched, changed: Prompt) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    sync.session.update(snap(changed))
    assert last_prompt(sync).mask is None


def test_a_prompt_that_lost_a_click_starts_anew(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5), (9, 9))))
    sync.session.update(snap(click(1, (5, 5))))
    assert last_prompt(sync).mask is None


def test_a_new_object_does_not_start_from_the_last_ones_mask(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    sync.session.update(snap(click(1, (5, 5)), click(2, (30, 30))))
    assert last_prompt(sync).mask is None


def test_logits_of_one_model_are_not_fed_to_another(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    sync.session.update(snap(click(1, (5, 5), (9, 9)), model=TINY))
    assert last_prompt(sync).mask is None


def test_an_object_that_went_and_came_starts_anew(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    sync.session.update(snap())
    sync.session.update(snap(click(1, (5, 5), (9, 9))))
    assert last_prompt(sync).mask is None


def test_the_order_of_clicks_does_not_matter() -> None:
    old = click(1, (1, 2), (3, 4), labels=[1, 0])
    assert extends(click(1, (9, 9), (3, 4), (1, 2), labels=[1, 0, 1]), old)
    assert not extends(click(1, (9, 9), (3, 4), (1, 2), labels=[1, 1, 1]), old)


def test_an_outline_elsewhere_is_another_outline() -> None:
    outline = np.ones((4, 4))
    old = Prompt(1, mask=outline, mask_box=(0, 0, 9, 9))
    assert extends(Prompt(1, points=[[1, 1]], mask=outline, mask_box=(0, 0, 9, 9)), old)
    assert not extends(Prompt(1, points=[[1, 1]], mask=outline, mask_box=(5, 5, 9, 9)), old)
    assert not extends(Prompt(1, points=[[1, 1]], mask=-outline, mask_box=(0, 0, 9, 9)), old)


def test_an_outline_is_brought_to_the_size_that_the_model_takes(sync: Watched) -> None:
    outline = np.full((64, 64), -10.0)
    outline[:32] = 10.0
    sync.session.update(snap(Prompt(1, box=(0, 0, 9, 9), mask=outline)))
    mask = last_prompt(sync).mask
    assert mask is not None
    assert (mask[: LOGITS // 2] == 10).all()
    assert (mask[LOGITS // 2 :] == -10).all()


def test_an_outline_of_the_right_size_is_handed_on_as_it_is() -> None:
    mask = np.arange(256.0).reshape(16, 16)
    for size in ((64, 64), (40, 64)):
        same = in_view(Prompt(1, mask=mask), FakeView("a", size), 16).mask
        np.testing.assert_array_equal(same, mask)


# --- choosing among candidates ---


def test_cycling_goes_through_the_candidates_by_score_and_announces_each(sync: Watched) -> None:
    sync.session.update(snap(click(1, (30, 30))))
    for _ in range(3):
        sync.session.choose(1)
    assert [results.items[0].chosen for results in sync.results] == [0, 1, 2, 0]
    assert len(sync.predictor.batches) == 1


def test_a_choice_stays_with_its_object(sync: Watched) -> None:
    sync.session.update(snap(click(1, (30, 30)), click(2, (10, 10))))
    sync.session.choose(1)
    for moved in (1, 2):
        sync.session.update(snap(click(1, (30 + moved, 30)), click(2, (10 + moved, 10))))
        assert [item.chosen for item in sync.results[-1].items] == [1, 0]


def test_there_is_nothing_to_cycle_with_one_candidate(sync: Watched) -> None:
    sync.session.update(snap(box(1, 5, 5, 9, 9)))
    assert not sync.session.choose(1)
    assert not sync.session.choose(99)
    assert len(sync.results) == 1


# --- objects that go ---


def test_an_object_without_prompts_is_announced_as_removed(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5)), click(2, (9, 9))))
    sync.session.update(snap(click(2, (9, 9))))
    assert sync.removals == [Removal(place(), (1,))]
    assert sync.session.result(1) is None


def test_accepted_objects_are_not_removed_with_their_prompts(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    assert sync.session.accept() == ((place(), 1),)
    sync.session.update(snap())
    assert sync.removals == []


def test_one_object_is_accepted_alone(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5)), click(2, (9, 9))))
    assert sync.session.accept(only={2}) == ((place(), 2),)
    assert sync.session.accept() == ((place(), 1),)


def test_what_waits_for_its_mask_is_not_accepted(manual: Watched) -> None:
    loaded(manual, snap())
    manual.session.update(snap(click(1, (5, 5))))
    manual.runner.finish()
    manual.session.update(snap(click(1, (6, 5)), click(2, (9, 9))))
    assert manual.session.accept() == (), "its mask does not answer the click that was moved"
    manual.session.update(snap(click(1, (5, 5)), click(2, (9, 9))))
    assert manual.session.accept() == ((place(), 1),)
    manual.session.update(snap(click(2, (9, 9))))
    manual.runner.finish_all()
    assert manual.objects == [[1], [2]]


def test_a_place_that_is_forgotten_is_unknown_whatever_still_comes(manual: Watched) -> None:
    loaded(manual, snap())
    manual.session.update(snap(click(1, (5, 5))))
    manual.session.forget_places([place()])
    assert manual.session.result(1) is None
    assert manual.session.places == ()
    manual.runner.finish_all()
    assert manual.session.status.state is State.READY


def test_one_session_takes_over_what_another_knows(sync: Watched) -> None:
    other = Watched(SyncRunner())
    other.session.update(snap(click(1, (5, 5))))
    sync.session.merge(other.session)
    sync.session.update(snap(click(1, (5, 5)), click(2, (30, 30))))
    assert [batch.objects for batch in sync.predictor.batches] == [(2,)]
    assert sync.session.result(1) is not None
    assert other.runner.closed
