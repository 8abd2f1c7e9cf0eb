"""What is kept of results: candidates made in the worker, a budget, and where masks come from."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from tests.engine.watched import Watched, box, click, snap
from tests.fakes import LOGITS, FakeView, SyncRunner, crop_of, outcome_of, place

from napari_samv2_prompts.engine import ObjectResult, Provenance, Session, State
from napari_samv2_prompts.engine.decode import is_quick
from napari_samv2_prompts.engine.result_store import Known, ResultStore
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.mask_crops import Crops, MaskCrop
from napari_samv2_prompts.prompts import ItemMasks, Masks

LOGIT_BYTES = 4 * LOGITS**2


def lazy_candidates(watched: Watched) -> list[int]:
    """Have the model make its second and third candidates when they are looked at; note which."""
    made: list[int] = []
    plain = watched.predictor._item

    def item(prompt, size) -> ItemMasks:
        masks = plain(prompt, size)

        def make(index: int) -> MaskCrop:
            made.append(index)
            return masks.crops[index]

        lazy = (lambda i=i: make(i) for i in range(1, len(masks.crops)))
        return replace(masks, crops=Crops((masks.crops[0], *lazy)))

    watched.predictor._item = item
    return made


# --- choosing among the candidates ---


def test_a_small_candidate_is_there_at_once(manual: Watched) -> None:
    manual.session.update(snap(click(1, (30, 30))))
    manual.runner.finish_all()
    assert manual.session.choose(1)
    assert [results.items[0].chosen for results in manual.results] == [0, 1]
    assert manual.runner.jobs == []
    assert manual.session.accept() == ((place(), 1),)


@pytest.fixture
def large(manual: Watched, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """A session to which every mask is large."""
    monkeypatch.setattr("napari_samv2_prompts.engine.decode.QUICK", 0)
    return manual


@pytest.mark.parametrize(("side", "quick"), [(40, True), (120, False)])
def test_what_is_large_is_told_from_the_logits(side: int, quick: bool) -> None:
    logits = np.full((1, 256, 256), -1, np.float32)
    logits[0, 10 : 10 + side, 20 : 20 + side] = 1
    crops = (MaskCrop(0, 0, np.ones((1, 1), bool)),)
    masks = ItemMasks(1, crops, np.ones(1, np.float32), logits, 1.0)
    result = ObjectResult.of(masks, 0, FakeView("a", (2560, 2560)))
    assert is_quick(Known(result, click(1, (5, 5)), None)) is quick


def test_what_waits_for_its_candidate_is_not_accepted(large: Watched) -> None:
    large.session.update(snap(click(1, (30, 30)), click(2, (9, 9))))
    large.runner.finish_all()
    large.session.choose(1)
    assert large.session.accept() == ((place(), 2),)
    large.session.update(snap(click(1, (30, 30))))
    large.runner.finish_all()
    assert large.session.accept() == ((place(), 1),)


def test_another_candidate_is_made_in_the_worker(large: Watched) -> None:
    made = lazy_candidates(large)
    large.session.update(snap(click(1, (30, 30))))
    large.runner.finish_all()
    assert large.session.choose(1)
    assert made == []
    assert large.session.status.busy
    assert len(large.results) == 1
    large.runner.finish()
    assert made == [1]
    (item,) = large.results[1].items
    assert large.results[1].is_choice
    assert item.chosen == 1
    assert item.crop.area > large.results[0].items[0].crop.area
    assert large.session.status.state is State.READY


def test_a_choice_that_stays_is_made_in_the_worker_when_the_prompt_moves(large: Watched) -> None:
    made = lazy_candidates(large)
    large.session.update(snap(click(1, (30, 30))))
    large.runner.finish_all()
    large.session.choose(1, 2)
    large.runner.finish_all()
    large.session.update(snap(click(1, (31, 30))))
    made.clear()
    task, on_done, _ = large.runner.jobs.pop()
    outcome = outcome_of(task)  # in the worker
    assert made == [2]
    on_done(task, outcome)
    assert large.results[-1].items[0].chosen == 2
    assert not large.results[-1].is_choice
    assert made == [2]


def test_pressing_quickly_goes_on_from_what_was_wanted_last(large: Watched) -> None:
    large.session.update(snap(click(1, (30, 30))))
    large.runner.finish_all()
    assert large.session.choose(1)
    assert large.session.choose(1)
    large.runner.finish_all()
    assert [results.items[0].chosen for results in large.results] == [0, 2]


def test_back_at_the_first_candidate_nothing_is_left_to_do(large: Watched) -> None:
    large.session.update(snap(click(1, (30, 30))))
    large.runner.finish_all()
    large.session.choose(1, 2)
    large.session.choose(1, 0)
    assert large.session.status.state is State.READY
    large.runner.finish_all()
    assert [results.items[0].chosen for results in large.results] == [0]


def test_a_candidate_that_is_not_there_can_not_be_chosen(sync: Watched) -> None:
    sync.session.update(snap(click(1, (30, 30)), box(2, 5, 5, 9, 9)))
    assert not sync.session.choose(1, 0), "it is chosen already"
    assert not sync.session.choose(1, 3)
    assert not sync.session.choose(2, 1)
    assert not sync.session.choose(9, 0)
    assert len(sync.results) == 1


def test_a_candidate_is_chosen_while_the_picture_on_screen_is_embedded(large: Watched) -> None:
    large.session.update(snap(click(1, (30, 30))))
    large.runner.finish_all()
    large.session.update(snap(click(1, (30, 30)), view="another contrast"))
    large.session.choose(1)
    assert large.runner.states == [State.DECODING]
    large.runner.finish()
    assert large.results[-1].items[0].chosen == 1
    assert large.runner.states == [State.EMBEDDING]


def test_a_candidate_that_can_not_be_made_is_said_and_the_work_goes_on(large: Watched) -> None:
    large.session.update(snap(click(1, (30, 30))))
    large.runner.finish_all()
    large.session.choose(1)
    large.runner.fail(MemoryError())
    assert large.session.status.state is State.FAILED
    large.session.update(snap(click(1, (30, 30)), click(2, (9, 9))))
    large.runner.finish()
    assert large.objects[-1] == [2]


# --- the budget ---


def test_logits_and_crops_are_kept_up_to_a_budget(sync: Watched) -> None:
    session = Session(sync.factory, SyncRunner(), results_mb=20 * LOGIT_BYTES / 1e6)
    prompts = [box(n, n, n, n + 1, n + 1) for n in range(1, 51)]
    for n in range(1, 51):
        session.update(snap(*prompts[:n]))
    assert session._results.nbytes <= 20 * LOGIT_BYTES
    released = [result.is_released for result in session.results(range(1, 51))]
    assert released == sorted(released, reverse=True), "what was used longest ago goes first"
    assert 0 < sum(released) < 50


def test_what_is_released_answers_its_prompt_and_says_what_it_said(sync: Watched) -> None:
    session = Session(sync.factory, SyncRunner(), results_mb=0)
    session.update(snap(click(1, (5, 5)), click(2, (30, 30))))
    decoded = len(sync.predictor.batches)
    session.update(snap(click(1, (5, 5)), click(2, (30, 30))))
    assert len(sync.predictor.batches) == decoded
    result = session.result(1)
    assert result is not None
    assert result.is_released
    assert not session.result(2).is_released, "what came last stays"
    assert result.score == pytest.approx(0.9)
    assert not result.is_empty


def test_a_released_object_is_refined_from_its_prompts(sync: Watched) -> None:
    session = Session(sync.factory, SyncRunner(), results_mb=0)
    session.update(snap(click(1, (5, 5)), click(2, (30, 30))))
    session.update(snap(click(1, (5, 5), (8, 5)), click(2, (30, 30), (33, 30))))
    released, kept = sync.predictor.batches[-1]
    assert released.mask is None
    assert kept.mask is not None


def test_a_candidate_of_a_released_object_is_decoded_again(sync: Watched) -> None:
    sync.session._results.budget_mb = 0
    sync.session.update(snap(click(1, (30, 30)), click(2, (9, 9))))
    assert sync.session.choose(1)
    assert [item.chosen for item in sync.results[-1].items] == [1]
    assert sync.session.pending == ()


def test_results_of_other_planes_are_released() -> None:
    store = ResultStore(1)
    big = MaskCrop(0, 0, np.ones((1000, 500), bool))
    for n in range(10):
        store.put(place(n), ObjectResult.propagated(1, big, 0.9, 0.1))
    assert store.nbytes <= 1e6
    assert [at for at in store.places if at.labels == place(0).labels] == [place(0)]


# --- where masks come from ---


def test_masks_say_whether_they_were_prompted_or_accepted(sync: Watched) -> None:
    here = place()
    sync.session.update(snap(click(1, (5, 5)), click(2, (30, 30))))
    sync.session.accept(only={1})
    assert [sync.known(here, n).provenance for n in (1, 2)] == [
        Provenance.ACCEPTED,
        Provenance.PROMPTED,
    ]
    assert sync.session.result(1) is None, "it is the user's own now"
    sync.session.update(snap(click(2, (30, 30))))
    assert sync.removals == []


def test_prompts_on_an_accepted_object_start_anew(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    sync.session.accept()
    assert sync.session.accept() == ()
    sync.session.update(snap(click(1, (5, 5), (8, 5))))
    assert sync.predictor.batches[-1][0].mask is None
    result = sync.session.result(1)
    assert result is not None
    assert result.provenance is Provenance.PROMPTED


def test_what_was_carried_over_gives_way_to_prompts_and_never_the_other_way_round() -> None:
    watched, at = Watched(SyncRunner()), place()
    store = watched.session._results
    carried = ObjectResult.propagated(1, crop_of(np.ones((3, 3), bool)), 0.8, 0.2)
    assert store.put(at, carried)
    assert store.put(at, carried)
    watched.session.update(snap())
    assert watched.removals == [], "an object needs no prompts to be carried over"
    watched.session.update(snap(click(1, (5, 5))))
    assert watched.objects == [[1]]
    assert not store.put(at, carried)
    watched.session.accept()
    assert not store.put(at, carried)


def test_an_object_is_known_on_the_planes_of_its_labels() -> None:
    store, at = ResultStore(1), place()
    crop = crop_of(np.ones((3, 3), bool))
    planes = [Plane((1, 2), (z, None, None), (64, 64)) for z in range(4)]
    for z, plane in enumerate(planes):
        store.put(at.at(plane), ObjectResult.propagated(1, crop, 0.9, z / 10))
    store.put(place("other labels"), ObjectResult.propagated(1, crop, 0.9, 0))
    known = [store.get(at.at(plane), 1) for plane in planes]
    assert [k and k.result.doubt for k in known] == [0.0, 0.1, 0.2, 0.3]
    accepted = replace(ObjectResult.propagated(1, crop, 0.9, 0), provenance=Provenance.ACCEPTED)
    store.put(at.at(Plane((1, 2), (9, None, None), (64, 64))), accepted)
    store.put(at.at(planes[0]), replace(accepted, masks=replace(accepted.masks, object=2)))
    assert store.provenance(at.labels, lambda plane: () if plane == planes[3] else None) == {
        1: (Provenance.PROPAGATED, 0.2),
        2: (Provenance.ACCEPTED, 0.0),
    }
    assert store.provenance(at.labels, lambda plane: {2}).keys() == {1, 2}


def test_an_object_that_waits_for_its_mask_is_accepted_on_no_plane(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5)), at="there"))
    sync.session.update(snap(click(1, (9, 9)), live=False))
    assert sync.session.pending == (1,)
    assert sync.session.accept() == ()


def test_choosing_is_for_the_masks_that_are_there(manual: Watched) -> None:
    """A decode that ends while another candidate is made does not get the old one's mask."""
    manual.session.update(snap(click(1, (30, 30))))
    manual.runner.finish_all()
    store = manual.session._results
    old = manual.session.result(1).masks
    store.take(snap(click(1, (9, 9))), Masks((replace(old),), (64, 64)))
    assert store.choose(place(), old, 2) is None


def test_the_thread_of_the_window_makes_no_candidate_of_a_large_mask() -> None:
    threads: list[int] = []

    def make() -> MaskCrop:
        threads.append(threading.get_ident())
        return MaskCrop(0, 0, np.ones((9, 9), bool))

    store = ResultStore(1)
    crops = Crops((MaskCrop(0, 0, np.ones((3, 3), bool)), make))
    scores, logits = np.array([0.9, 0.8], np.float32), np.zeros((2, 4, 4), np.float32)
    request = snap(click(1, (5, 5)))
    store.take(request, Masks((ItemMasks(1, crops, scores, logits, 1.0),), (64, 64)))
    store.prefer(place(), 1, 1)
    again = ItemMasks(1, Crops((crops[0], make)), scores, logits, 1.0)
    store.take(request, Masks((again,), (64, 64)))
    assert threads == []
    assert store.unmade_choice(place()) is not None
