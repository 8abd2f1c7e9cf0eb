"""All planes of an image are embedded: counted, taken up again, within memory or in a folder.

Planes beside the one that is shown are in ``test_prefetch``.
"""

from __future__ import annotations

from pathlib import Path

from tests.engine.ahead import Plane, Work
from tests.engine.watched import NANO
from tests.fakes import SyncRunner, place

from napari_samv2_prompts.engine import AllPlanes, EmbeddingStore, ModelChoice, Request, State
from napari_samv2_prompts.prompts import Prompt


def test_all_planes_are_embedded_and_counted() -> None:
    work = Work(SyncRunner())
    work.show(2, all_=True)
    assert work.embedded == [2, 0, 1, 3, 4, 5]
    counts = [status.planes.at for status in work.statuses if status.planes]
    assert counts == sorted(counts)
    assert work.planes == AllPlanes(done=6, total=6, at=6, running=False)
    for plane in range(6):
        work.show(plane)
    assert len(work.embedded) == 6


def test_it_is_told_from_the_first_moment_though_neighbours_come_first(work: Work) -> None:
    work.ready(0, ahead=(5,), all_=True)
    assert work.session.status.embedding_all
    work.runner.finish()
    assert work.kept == {0, 5}
    assert work.session.status.embedding_all


def test_prompts_come_first_and_it_goes_on_afterwards(work: Work) -> None:
    work.ready(0, all_=True)
    work.runner.finish()
    before = work.planes
    assert before.running
    work.show(0, Prompt(1, points=[(3, 3)]), all_=True)
    assert work.runner.states == [State.DECODING]
    assert work.planes == before
    work.runner.finish_all()
    assert sorted(work.embedded) == list(range(6))
    assert work.planes.done == 6


def test_stopped_and_started_again_it_skips_what_is_there(work: Work) -> None:
    work.ready(0, all_=True)
    for _ in range(2):
        work.runner.finish()
    work.show(0)
    assert work.runner.live == []
    assert work.session.status.planes is None
    work.runner.jobs.clear()
    work.show(0, all_=True)
    assert work.planes.done == 3
    work.runner.finish_all()
    assert work.embedded == list(range(6))


def test_what_does_not_fit_in_memory_is_said_before_it_is_begun() -> None:
    work = Work(SyncRunner(), cache_mb=3)
    work.show(0, all_=True)
    assert work.embedded == [0]
    assert not work.planes.running
    assert "All 6 planes take 6 MB" in work.planes.problem
    assert "choose a folder" in work.planes.problem


def test_it_begins_as_soon_as_there_is_a_folder_or_more_memory(tmp_path: Path) -> None:
    work = Work(SyncRunner(), cache_mb=3)
    work.show(0, all_=True)
    work.session.set_store(EmbeddingStore(tmp_path))
    assert work.planes == AllPlanes(done=6, total=6, at=6, running=False)
    assert len(list(tmp_path.iterdir())) == 6
    assert len(work.session.cache) == 3
    other = Work(SyncRunner(), cache_mb=3)
    other.show(0, all_=True)
    other.session.set_cache_size(6)
    assert other.planes.done == 6


def test_a_killed_process_is_taken_up_from_the_folder(tmp_path: Path) -> None:
    killed = Work(store=EmbeddingStore(tmp_path))
    killed.ready(0, all_=True)
    for _ in range(3):
        killed.runner.finish()
    again = Work(SyncRunner(), store=EmbeddingStore(tmp_path))
    again.show(5, all_=True)
    assert again.embedded == [5, 4]
    assert again.planes.done == 6


def test_a_plane_that_was_being_embedded_for_another_folder_is_not_missing(tmp_path: Path) -> None:
    first, then = EmbeddingStore(tmp_path / "first"), EmbeddingStore(tmp_path / "then")
    work = Work(store=first)
    work.ready(0, all_=True)
    work.session.set_store(then)  # while a plane is being embedded
    work.runner.finish_in_turn()
    assert work.planes.done == 6
    assert len(list(then.folder.iterdir())) == 6


def test_an_array_edited_in_place_leaves_no_wrong_entry(tmp_path: Path) -> None:
    work = Work(SyncRunner(), planes=2)
    work.show(0)
    work.show(1)
    for plane in work.views:
        plane.edited = 100
    work.session.set_store(EmbeddingStore(tmp_path))
    work.show(1, all_=True)
    assert work.embedded == [0, 1, 100, 101]


def test_with_a_folder_memory_holds_no_more_than_its_budget(tmp_path: Path) -> None:
    work = Work(SyncRunner(), cache_mb=2, store=EmbeddingStore(tmp_path))
    work.show(0, all_=True)
    assert work.kept == {0, 1}
    assert work.planes.done == 6
    work.show(4)
    assert len(work.embedded) == 6  # plane 4 came from the folder


def test_all_planes_of_an_image_drop_those_of_others_but_none_of_their_own() -> None:
    work = Work(SyncRunner(), cache_mb=6)
    work.show(1)
    for other in (70, 71, 72, 73):
        work.session.update(Request(Plane(other, (8, 8)), place(other), NANO))
    work.show(0, all_=True)
    assert work.kept == set(range(6))
    assert work.embedded.count(1) == 1


def test_a_full_folder_ends_it_with_a_sentence_if_memory_is_too_small(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    work = Work(SyncRunner(), cache_mb=3, store=EmbeddingStore(tmp_path / "file"))
    work.show(0, all_=True)
    assert not work.planes.running
    assert "choose a folder" in work.planes.problem
    assert "can't be kept" in work.session.status.store


def test_a_limit_that_is_too_small_is_said_before_it_is_begun(tmp_path: Path) -> None:
    work = Work(SyncRunner(), store=EmbeddingStore(tmp_path, limit_mb=3))
    work.show(0, all_=True)
    assert work.embedded == [0]
    assert "raise its limit" in work.planes.problem


def test_planes_that_can_not_be_read_are_left_out_and_said() -> None:
    work = Work(SyncRunner())
    work.views[3].error = OSError("bad sector")
    work.show(0, all_=True)
    assert work.planes == AllPlanes(5, 6, 6, running=False, problem="bad sector.")


def test_another_model_embeds_all_again() -> None:
    work = Work(SyncRunner())
    work.show(0, all_=True)
    view, tiny = work.views[0], ModelChoice("tiny")
    work.session.update(Request(view, place(0), tiny, all_planes=work.views))
    assert len(work.embedded) == 12


def test_without_live_all_planes_are_embedded_and_nothing_is_predicted() -> None:
    work = Work(SyncRunner())
    work.show(0, Prompt(1, points=[(3, 3)]), live=False)
    assert work.embedded == []
    work.show(0, Prompt(1, points=[(3, 3)]), live=False, all_=True)
    assert work.planes.done == 6
    assert work.session.pending == (1,)
    assert work.factory.predictor.batches == []
    work.session.run()
    assert work.session.pending == ()


def test_without_live_planes_do_not_stop_what_run_started(work: Work) -> None:
    click = Prompt(1, points=[(3, 3)])
    work.show(0, click, live=False)
    work.session.run()
    while work.session.status.state is not State.DECODING:
        work.runner.finish()
    work.show(0, click, live=False, all_=True)
    assert work.runner.states == [State.DECODING]
    work.runner.finish_all()
    assert work.session.pending == ()
    assert work.planes.done == 6
