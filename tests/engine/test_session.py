from __future__ import annotations

import sys

import numpy as np
import pytest
from tests.engine.watched import NANO, TINY, Watched, box, click, loaded, snap
from tests.fakes import LOGITS, FakeEmbedding, FakeView, SyncRunner, place

from napari_samv2_prompts.engine import (
    AtOnce,
    EmbeddingCache,
    Job,
    Progress,
    Removal,
    State,
    Task,
)
from napari_samv2_prompts.engine.coordinates import in_view
from napari_samv2_prompts.engine.jobs import sentence
from napari_samv2_prompts.engine.prompt_changes import extends
from napari_samv2_prompts.prompts import Prompt

# --- the way from a wish to masks ---


def test_a_wish_loads_embeds_and_decodes(sync: Watched) -> None:
    sync.session.update(snap(box(3, 10, 20, 30, 40)))
    assert sync.states == [State.LOADING, State.EMBEDDING, State.DECODING, State.READY]
    (item,) = sync.results[0].items
    assert item.object == 3
    assert item.crop.box == (20, 10, 41, 31)
    assert sync.factory.made == [NANO]


def test_the_status_names_model_device_and_reason(sync: Watched) -> None:
    sync.session.update(snap())
    status = sync.session.status
    assert (status.model, status.device, status.device_reason) == (
        NANO, "cpu", "because this is a test"
    )  # fmt: skip


def test_prompts_placed_while_embedding_are_decoded_when_it_is_done(manual: Watched) -> None:
    manual.session.update(snap())
    manual.runner.finish()
    manual.session.update(snap(click(1, (5, 5))))
    manual.session.update(snap(click(1, (5, 5)), box(2, 10, 10, 20, 20)))
    assert manual.runner.states == [State.EMBEDDING]
    manual.runner.finish()
    manual.runner.finish()
    assert manual.objects == [[1, 2]]


def test_only_changed_objects_are_decoded_again_and_in_one_batch(sync: Watched) -> None:
    one, two, three = click(1, (5, 5)), click(2, (20, 20)), click(3, (40, 40))
    sync.session.update(snap(one, two, three))
    sync.session.update(snap(one, click(2, (21, 20)), click(3, (41, 40))))
    assert [batch.objects for batch in sync.predictor.batches] == [(1, 2, 3), (2, 3)]


def test_nothing_is_done_for_an_equal_snapshot(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    before = len(sync.statuses)
    sync.session.update(snap(click(1, (5, 5))))
    assert len(sync.predictor.batches) == 1
    assert len(sync.statuses) == before


def test_the_model_tells_how_far_an_embedding_is(sync: Watched) -> None:
    sync.session.update(snap())
    told = [status.progress for status in sync.statuses if status.state is State.EMBEDDING]
    assert Progress(0.5) in told


# --- newest wins ---


def test_the_embedding_of_a_view_that_was_left_is_told_to_stop(manual: Watched) -> None:
    manual.session.update(snap(view="a"))
    manual.runner.finish()
    manual.session.update(snap(view="b"))
    assert [task.cancelled for task in manual.runner.tasks] == [True, False]


def test_a_late_embedding_is_not_taken_for_the_new_view(manual: Watched) -> None:
    manual.session.update(snap(view="a"))
    manual.runner.finish()
    manual.session.update(snap(click(1, (5, 5)), view="b"))
    manual.runner.finish(0)  # the embedding of a, late
    assert manual.session.status.state is State.EMBEDDING
    assert manual.objects == []


def test_a_late_embedding_is_kept_for_when_one_comes_back(manual: Watched) -> None:
    manual.session.update(snap(view="a"))
    manual.runner.finish()
    manual.session.update(snap(view="b"))
    manual.runner.finish(0)  # the embedding of a, late
    manual.runner.finish_all()
    embedded = len(manual.predictor.images)
    manual.session.update(snap(view="a"))
    assert manual.session.status.state is State.READY
    assert len(manual.predictor.images) == embedded == 2


def test_an_answer_says_what_was_asked(sync: Watched) -> None:
    asked = snap(click(1, (5, 5)), at="here")
    sync.session.update(asked)
    assert sync.results[0].place == place("here")
    assert sync.results[0].request.prompts.objects == (1,)


def test_with_less_memory_the_picture_on_screen_stays_embedded(sync: Watched) -> None:
    for view in "abc":
        sync.session.update(snap(view=view))
    sync.session.set_cache_size(0)
    embedded = len(sync.predictor.images)
    sync.session.update(snap(click(1, (5, 5)), view="c"))
    assert sync.objects == [[1]]
    assert len(sync.predictor.images) == embedded
    sync.session.update(snap(view="a"))
    assert len(sync.predictor.images) == embedded + 1


def test_a_late_mask_of_an_older_prompt_is_dropped(manual: Watched) -> None:
    loaded(manual, snap())
    manual.session.update(snap(click(1, (5, 5))))
    manual.session.update(snap(click(1, (30, 30))))
    manual.runner.finish(-1)
    manual.runner.finish(0)  # the older one, after the newer
    (results,) = manual.results
    assert results.items[0].masks.crops[0].box == (25, 25, 36, 36)


def test_a_late_model_does_not_replace_the_one_chosen_after_it(manual: Watched) -> None:
    manual.session.update(snap(model=NANO))
    manual.session.update(snap(model=TINY))
    manual.runner.finish(-1)
    manual.runner.finish(0)
    assert manual.session.status.model == TINY


def test_a_late_error_is_not_shown(manual: Watched) -> None:
    manual.session.update(snap(view="a"))
    manual.runner.finish()
    manual.session.update(snap(view="b"))
    manual.runner.fail(RuntimeError("gone"), 0)
    assert State.FAILED not in manual.states


def test_no_more_than_one_task_is_wanted_at_a_time(manual: Watched) -> None:
    for view in "abcdef":
        manual.session.update(snap(view=view))
    assert len(manual.runner.live) == 1


def test_progress_of_the_task_is_told_and_that_of_an_older_one_is_not(manual: Watched) -> None:
    manual.session.update(snap(view="a"))
    manual.runner.finish()
    old = manual.runner.tasks[0]
    old.report(0.25, "a quarter")
    assert manual.session.status.progress == Progress(0.25, "a quarter")
    manual.session.update(snap(view="b"))
    assert old.on_report is not None
    old.on_report(Progress(0.75))
    assert manual.session.status.progress is None


# --- embeddings ---


def test_a_plane_that_was_embedded_before_is_ready_at_once(sync: Watched) -> None:
    for view in ("a", "b", "a", "b"):
        sync.session.update(snap(view=view))
    assert len(sync.predictor.images) == 2


def test_another_model_embeds_again_and_decodes_again(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    sync.session.update(snap(click(1, (5, 5)), model=TINY))
    assert sync.factory.made == [NANO, TINY]
    assert sync.session.status.model == TINY
    assert len(sync.predictor.images) == 2
    assert sync.objects == [[1], [1]]


def test_another_contrast_keeps_the_masks_there_are(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5)), view="dark"))
    sync.session.update(snap(click(1, (5, 5)), view="bright"))
    assert len(sync.predictor.images) == 2
    assert sync.objects == [[1]]


def test_a_plane_seen_again_keeps_its_masks(sync: Watched) -> None:
    here, there = snap(click(1, (5, 5)), view=0, at=0), snap(view=1, at=1)
    for snapshot in (here, there, here):
        sync.session.update(snapshot)
    assert sync.objects == [[1]]
    assert sync.removals == []


def test_the_cache_holds_its_budget_and_drops_what_was_used_longest_ago() -> None:
    cache: EmbeddingCache[FakeEmbedding] = EmbeddingCache(2.5)
    image = np.zeros((1, 1), np.uint8)
    for key in "ab":
        cache.put(key, FakeEmbedding(image).halved())
    cache.get("a")
    cache.put("c", FakeEmbedding(image).halved())
    cache.put("c", FakeEmbedding(image).halved())
    assert [key in cache for key in "abc"] == [True, False, True]
    assert cache.nbytes == 2_000_000
    cache.clear()
    assert cache.nbytes == 0


def test_the_embedding_on_screen_fits_whatever_the_budget() -> None:
    cache: EmbeddingCache[FakeEmbedding] = EmbeddingCache(0.1)
    image = np.zeros((1, 1), np.uint8)
    cache.put("now", FakeEmbedding(image))
    cache.put("late", FakeEmbedding(image), current="now")
    assert "now" in cache
    assert "late" not in cache


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


# --- by hand ---


def test_nothing_is_done_before_run_when_not_live(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5)), live=False))
    assert sync.statuses == []
    sync.session.run()
    assert sync.objects == [[1]]
    sync.session.update(snap(click(1, (6, 5)), live=False))
    assert sync.objects == [[1]]
    assert sync.session.pending == (1,)


def test_an_object_without_prompts_is_forgotten_also_when_not_live(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    sync.session.update(snap(live=False))
    assert sync.session.result(1) is None
    sync.session.update(snap(click(1, (5, 5)), live=False))
    assert sync.session.pending == (1,)
    before = len(sync.results)
    sync.session.run()
    assert len(sync.results) == before + 1


def test_run_predicts_what_has_changed_and_else_everything(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5)), live=False))
    sync.session.run()
    sync.session.update(snap(click(1, (5, 5)), click(2, (9, 9)), live=False))
    sync.session.run()
    sync.session.run()
    assert sync.objects == [[1], [2], [1, 2]]
    assert all(prompt.mask is None for prompt in sync.predictor.batches[-1])


def test_run_before_there_is_anything_does_nothing(sync: Watched) -> None:
    sync.session.run()
    assert sync.statuses == []


def test_work_that_is_done_at_once_is_told_of_its_task() -> None:
    ended: list[object] = []
    task = Task(Job("key", lambda task: task))
    AtOnce().submit(task, lambda *end: ended.extend(end), lambda *_: None)
    done, outcome = ended
    assert done is outcome.value is task


# --- failing and cancelling ---


def test_a_failure_says_why_and_is_not_tried_again_by_itself(sync: Watched) -> None:
    sync.factory.error = ValueError("The file is broken: choose another")
    sync.session.update(snap())
    sync.session.update(snap(click(1, (5, 5))))
    assert sync.session.status.state is State.FAILED
    assert sync.session.status.reason == "The file is broken: choose another."
    assert sync.states.count(State.LOADING) == 1


def test_run_tries_again_after_a_failure(sync: Watched) -> None:
    sync.factory.error = ValueError("no network")
    sync.session.update(snap(click(1, (5, 5))))
    sync.factory.error = None
    sync.session.run()
    assert sync.objects == [[1]]


def test_another_model_is_tried_after_a_failure(sync: Watched) -> None:
    sync.factory.error = ValueError("no network")
    sync.session.update(snap(model=TINY))
    sync.factory.error = None
    sync.session.update(snap(model=NANO))
    assert sync.session.status.state is State.READY


def test_another_plane_works_after_one_could_not_be_read(sync: Watched) -> None:
    sync.session.update(snap(view=FakeView("bad", error=OSError("disk gone"))))
    assert sync.session.status.state is State.FAILED
    sync.session.update(snap(view="good"))
    assert sync.session.status.state is State.READY


def test_cancel_stops_and_stays_stopped_until_run(manual: Watched) -> None:
    manual.session.update(snap())
    manual.runner.finish()
    manual.session.cancel()
    assert manual.runner.tasks[0].cancelled
    status = manual.session.status
    assert (status.state, status.reason) == (State.IDLE, "Cancelled. Press Run to go on.")
    manual.session.update(snap(click(1, (5, 5))))
    assert len(manual.runner.tasks) == 1
    manual.runner.jobs.clear()
    manual.session.run()
    manual.runner.finish_all()
    assert manual.objects == [[1]]


def test_no_wish_stops_the_work_and_says_why(manual: Watched) -> None:
    manual.session.update(snap())
    manual.session.update(None, "There is no image.")
    assert manual.runner.tasks[0].cancelled
    assert (manual.session.status.state, manual.session.status.reason) == (
        State.IDLE, "There is no image."
    )  # fmt: skip
    manual.session.update(None)
    assert manual.session.status.reason == ""


def test_close_is_idempotent_stops_the_work_and_ends_the_news(manual: Watched) -> None:
    manual.session.update(snap(click(1, (5, 5))))
    before = len(manual.statuses)
    manual.session.close()
    manual.session.close()
    manual.runner.finish()
    manual.session.update(snap(view="b"))
    manual.session.run()
    assert manual.runner.closed == 1
    assert manual.runner.jobs == []
    assert len(manual.statuses) == before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "smaller model"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "smaller model"),
        (RuntimeError("[enforce fail] not enough memory: you tried to"), "smaller model"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"), "smaller model"),
        (ValueError("Choose a\n file"), "Choose a file."),
        (ValueError("Choose a file."), "Choose a file."),
        (KeyError("x"), "KeyError: 'x'"),
        (IndexError(), "IndexError: no details"),
    ],
)
def test_errors_become_one_sentence(error: Exception, words: str) -> None:
    text = sentence(error)
    assert words in text
    assert "\n" not in text
    assert text.endswith(".")
    assert not text.endswith("..")


@pytest.mark.parametrize("end", [".", "!", "?"])
def test_what_is_a_sentence_already_stays_as_it_is(end: str) -> None:
    assert sentence(ValueError(f"Choose a file{end}")) == f"Choose a file{end}"


def test_the_bookkeeping_of_a_thousand_objects_is_a_few_calls_for_each(sync: Watched) -> None:
    prompts = [click(i, (i % 60, i // 60)) for i in range(1, 1001)]
    sync.session.update(snap(*prompts))
    changed = snap(*prompts[:-1], click(1000, (1, 1)))
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        sync.session.update(changed)
    finally:
        sys.setprofile(None)
    assert len(sync.predictor.batches[-1]) == 1
    assert calls < 50 * len(prompts), calls
