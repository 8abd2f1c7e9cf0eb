"""From a wish to masks: what is loaded, embedded and decoded, when, and which answers count.

What becomes of single objects is in ``test_session_objects``; what is done by hand, fails or is
cancelled in ``test_session_stops``.
"""

from __future__ import annotations

import sys

import numpy as np
from tests.engine.watched import NANO, TINY, Watched, box, click, loaded, snap
from tests.fakes import FakeEmbedding, place

from napari_samv2_prompts.engine import EmbeddingCache, Progress, State

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
