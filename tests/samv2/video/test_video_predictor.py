"""The video predictor: passes, corrections, several objects, files, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.samv2.video.films import MINI, calm_network, moving_discs

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, SAMV2VideoPredictor, build_samv2
from napari_samv2_prompts.samv2.modeling.memory_parts import drop_memory
from napari_samv2_prompts.samv2.video.state import MAPS_KEPT, VideoState

SIDE = 128
FRAMES = 9
Frames = dict[int, np.ndarray]


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    return moving_discs(FRAMES, SIDE)


@pytest.fixture(scope="module")
def predictor() -> SAMV2VideoPredictor:
    return SAMV2VideoPredictor(calm_network(MINI, SIDE), device="cpu", dtype="float32")


def followed(predictor: SAMV2VideoPredictor, state: VideoState, **options: object) -> Frames:
    return {f: logits for f, _, logits in predictor.propagateinvideo(state, **options)}


def clicked(
    predictor: SAMV2VideoPredictor, film: object, frame: int = 0, **options: object
) -> VideoState:
    state = predictor.initstate(film, **options)
    predictor.addnewpoints(state, frame, 1, [[38, 51]], [1])
    return state


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def test_backwards_is_forwards_through_the_turned_film(predictor, film) -> None:
    there = followed(predictor, clicked(predictor, film))
    back = followed(predictor, clicked(predictor, film[::-1], FRAMES - 1), reverse=True)
    assert list(back) == list(range(FRAMES - 1, -1, -1))
    for frame, logits in there.items():
        np.testing.assert_allclose(back[FRAMES - 1 - frame], logits, atol=1e-4)


def test_objects_together_are_as_one_by_one(predictor, film) -> None:
    places = {3: [[38, 51]], 1: [[90, 77]], 8: [[60, 20]]}
    film = film[:6]
    together = predictor.initstate(film)
    for number, place in places.items():
        predictor.addnewpoints(together, 0, number, place, [1])
    predictor.addnewpoints(together, 3, 8, [[70, 20]], [1])  # looks at more than the others do
    all_of_them = followed(predictor, together)
    assert together.obj_ids == [3, 1, 8]
    for row, (number, place) in enumerate(places.items()):
        alone = predictor.initstate(film)
        predictor.addnewpoints(alone, 0, number, place, [1])
        if number == 8:
            predictor.addnewpoints(alone, 3, 8, [[70, 20]], [1])
        for frame, logits in followed(predictor, alone).items():
            np.testing.assert_allclose(all_of_them[frame][row], logits[0], atol=1e-3)


def test_half_precision_gives_the_same_masks(predictor, film) -> None:
    fast = SAMV2VideoPredictor(calm_network(MINI, SIDE), device="cpu", dtype="bfloat16")
    exact = followed(predictor, clicked(predictor, film))
    for frame, logits in followed(fast, clicked(fast, film)).items():
        assert iou(logits > 0, exact[frame] > 0) >= 0.99, frame


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "small", "base_plus", "large"])
def test_half_precision_gives_the_same_masks_with_every_size(size: str) -> None:
    """Random weights make outlines that are long and ragged: the median is what they bear."""
    film = moving_discs(12, 256)
    masks = []
    for dtype in ("float32", "bfloat16"):
        predictor = SAMV2VideoPredictor(calm_network(size, 256), device="cpu", dtype=dtype)
        state = predictor.initstate(film)
        predictor.addnewpoints(state, 0, 1, [[77, 102]], [1])
        masks.append([logits > 0 for logits in followed(predictor, state).values()])
    ious = [iou(one, other) for one, other in zip(*masks, strict=True)]
    assert np.median(ious) >= 0.99, ious
    assert min(ious) >= 0.985, ious  # nor does it drift away


def test_a_correction_is_kept_and_looked_at(predictor, film) -> None:
    state = clicked(predictor, film)
    before = followed(predictor, state)
    _, _, corrected = predictor.addnewpoints(state, 4, 1, [[100, 100], [40, 60]], [1, 0])
    after = followed(predictor, state)
    np.testing.assert_array_equal(after[4], corrected)
    assert list(state.objects[1].bank.conditioning) == [0, 4]
    for frame in (1, 8):  # before it and far behind it
        assert np.abs(after[frame] - before[frame]).max() > 1e-2


def test_an_object_prompted_late_is_followed_backwards_from_there(predictor, film) -> None:
    state = clicked(predictor, film)
    predictor.addnewpoints(state, 5, 2, [[75, 77]], [1])
    found = followed(predictor, state)
    alone = predictor.initstate(film)
    predictor.addnewpoints(alone, 5, 2, [[75, 77]], [1])
    backwards = followed(predictor, alone, reverse=True)
    assert list(found) == list(range(FRAMES))
    for frame, logits in backwards.items():
        np.testing.assert_allclose(found[frame][1], logits[0], atol=1e-3)


def test_a_part_of_the_film(predictor, film) -> None:
    state = clicked(predictor, film, 3)
    assert list(followed(predictor, state, max_frame_num_to_track=2)) == [3, 4, 5]
    assert list(followed(predictor, state, max_frame_num_to_track=2, reverse=True)) == [3, 2, 1]
    assert list(followed(predictor, state, start_frame_idx=7)) == [7, 8]
    assert list(followed(predictor, state, start_frame_idx=0, reverse=True)) == []


def test_few_maps_are_held_however_long_the_film_is(predictor) -> None:
    state = clicked(predictor, moving_discs(20, SIDE))
    predictor.addnewpoints(state, 7, 1, [[55, 51]], [1])
    followed(predictor, state)
    bank = state.objects[1].bank
    held = [f for f, memory in bank.tracked.items() if memory.features is not None]
    assert held == list(range(20 - MAPS_KEPT, 20))
    assert all(memory.features is not None for memory in bank.conditioning.values())
    assert len(state.embeddings) <= 2
    # A correction far behind makes those again that it looks at.
    predictor.addnewpoints(state, 5, 1, [[50, 51]], [1])
    assert {1, 2, 3, 4} <= {
        f for f, m in state.objects[1].bank.tracked.items() if m.features is not None
    }


def test_frames_are_read_when_they_are_needed(predictor, film) -> None:
    class Lazy:
        shape, read = film.shape, []

        def __len__(self) -> int:
            return len(film)

        def __getitem__(self, index: int) -> np.ndarray:
            self.read.append(index)
            return film[index]

    state = clicked(predictor, Lazy(), 2)
    followed(predictor, state, max_frame_num_to_track=2)
    assert sorted(Lazy.read) == [0, 2, 3, 4]  # the first one for its size


def test_a_folder_is_in_the_order_of_its_numbers(predictor, film, tmp_path: Path) -> None:
    for number, frame in enumerate(film):
        Image.fromarray(frame).save(tmp_path / f"t{2 * number}.png")
    (tmp_path / "notes.txt").write_text("not a frame")
    state = predictor.initstate(tmp_path)
    assert state.num_frames == FRAMES
    assert all((state.frames.read(n) == film[n]).all() for n in range(FRAMES))


def test_grey_films_and_lists(predictor, film) -> None:
    grey = film[..., 0]
    one = followed(predictor, clicked(predictor, grey))
    other = followed(predictor, clicked(predictor, [np.stack([f] * 3, -1) for f in grey]))
    for frame, logits in one.items():
        np.testing.assert_allclose(other[frame], logits, atol=1e-3)


def test_clearing_removing_and_resetting(predictor, film) -> None:
    state = clicked(predictor, film)
    predictor.addnewmask(state, 2, 9, film[2, ..., 1] > 200)
    followed(predictor, state)
    ids, updated = predictor.removeobject(state, 9)
    assert ids == [1]
    assert [(frame, logits.shape) for frame, logits in updated] == [(2, (1, 1, SIDE, SIDE))]
    assert predictor.removeobject(state, 9) == ([1], [])
    predictor.clearallpromptsinframe(state, 0, 1)
    with pytest.raises(ValueError, match="Object 1 has no prompts any more"):
        predictor.propagateinvideo(state)
    predictor.resetstate(state)
    assert state.obj_ids == []


def test_an_object_that_has_no_answer_is_nowhere(predictor, film) -> None:
    state = clicked(predictor, film)
    _, ids, logits = predictor.addnewmask(state, 4, 2, np.zeros((SIDE, SIDE), bool))
    assert ids == [1, 2]
    assert (logits[0] == -1024).all()
    assert (logits[1] < 0).all()


def test_objects_are_kept_apart_on_demand_and_holes_filled(film) -> None:
    network = calm_network(MINI, SIDE)
    apart = SAMV2VideoPredictor(
        network, device="cpu", dtype="float32", non_overlap_masks=True, max_hole_area=1e9
    )
    state = apart.initstate(film)
    apart.addnewpoints(state, 0, 1, [[38, 51]], [1])
    _, _, logits = apart.addnewpoints(state, 0, 2, [[38, 51]], [1])
    assert (logits > 0).sum(axis=0).max() == 1
    # The ground around the object is a hole of that size too.
    assert ((logits > 0).any(axis=0)).all()


def test_the_state_as_a_file(predictor, film, tmp_path: Path) -> None:
    state = clicked(predictor, film)
    predictor.addnewmask(state, 2, 9, film[2, ..., 1] > 200)
    followed(predictor, state, max_frame_num_to_track=4)
    predictor.savestate(state, tmp_path / "film.state")
    assert os.listdir(tmp_path) == ["film.state"]
    again = predictor.loadstate(tmp_path / "film.state", film)
    for one, other in zip(state.objects.values(), again.objects.values(), strict=True):
        assert one.answers.keys() == other.answers.keys()
        assert one.directions == other.directions
    _, _, expected = predictor.addnewpoints(state, 3, 1, [[60, 60]], [0])
    _, _, found = predictor.addnewpoints(again, 3, 1, [[60, 60]], [0])
    np.testing.assert_array_equal(found, expected)
    ours, theirs = followed(predictor, again), followed(predictor, state)
    assert all((ours[frame] == theirs[frame]).all() for frame in ours)
    with pytest.raises(ValueError, match="belongs to a film of 9 frames"):
        predictor.loadstate(tmp_path / "film.state", film[:5])
    (tmp_path / "film.state").write_bytes(b"nothing of it")
    with pytest.raises(ValueError, match="is damaged"):
        predictor.loadstate(tmp_path / "film.state", film)


def test_values_follow_without_a_film(predictor, film) -> None:
    """Embeddings of the image predictor serve; what was remembered of a mask is followed."""
    from napari_samv2_prompts.samv2.video.memory import MemoryBank

    embeddings = [predictor.image_predictor.embed(frame) for frame in film[:3]]
    bank = MemoryBank()
    bank = bank.with_conditioning(0, predictor.remember(embeddings[0], film[0, ..., 0] > 200))
    for frame in (1, 2):
        tracked = predictor.track(embeddings[frame], bank.memories(frame, n_frames=3))
        bank = bank.with_tracked(frame, predictor.remember(embeddings[frame], tracked))
    state = predictor.initstate(film[:3])
    predictor.addnewmask(state, 0, 1, film[0, ..., 0] > 200)
    followed(predictor, state)
    np.testing.assert_allclose(
        state.objects[1].answers[2].logits.numpy(), tracked.logits.numpy(), atol=1e-3
    )


def test_scarce_memory_halves_the_batch(predictor, film, monkeypatch) -> None:
    state = predictor.initstate(film)
    for number in range(4):
        predictor.addnewpoints(state, 0, number, [[20 + 25 * number, 51]], [1])
    expected = followed(predictor, state, max_frame_num_to_track=2)
    tracker = predictor._tracker
    step, sizes = tracker._step, []

    def scarce(*tensors: torch.Tensor | None) -> object:
        sizes.append(len(tensors[3]))
        if len(tensors[3]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(*tensors)

    monkeypatch.setattr(tracker, "_step", scarce)
    for frame, logits in followed(predictor, state, max_frame_num_to_track=2).items():
        np.testing.assert_allclose(logits, expected[frame], atol=1e-3)
    assert sizes[:3] == [4, 2, 2]


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (np.zeros((0, 8, 8), np.uint8), "has no frames"),
        (np.zeros((8, 8), np.uint8), r"shape \(T, H, W\)"),
        (np.zeros((3, 8, 8, 4), np.uint8), r"shape \(T, H, W\)"),
        (np.zeros((3, 8, 8)), "must be uint8"),
        ([np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8)], "of one size: frame 1 is 9 x 8"),
        (7, "an array, a list of images or a folder"),
        ("film.mp4", "write its frames to a folder first"),
    ],
)
def test_films_that_do_not_fit(predictor, video: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictor.initstate(video)


def test_folders_that_do_not_fit(predictor, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        predictor.initstate(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no numbered JPEG or PNG files"):
        predictor.initstate(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    Image.new("RGB", (9, 8)).save(tmp_path / "1.png")
    with pytest.raises(ValueError, match=r"of one size: 1\.png is 9 x 8"):
        predictor.initstate(tmp_path)
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"1\.png is not a picture"):
        predictor.initstate(tmp_path)
    (tmp_path / "1.png").rename(tmp_path / "last.png")
    with pytest.raises(ValueError, match=r"last\.png has no number"):
        predictor.initstate(tmp_path)


def test_prompts_that_do_not_fit(predictor, film) -> None:
    state = predictor.initstate(film)
    with pytest.raises(ValueError, match="prompt an object on a frame first"):
        predictor.propagateinvideo(state)
    with pytest.raises(ValueError, match="There is no frame 9: the film has frames 0 to 8"):
        predictor.addnewpoints(state, 9, 1, [[1, 1]], [1])
    with pytest.raises(ValueError, match="2 points and 1 labels"):
        predictor.addnewpoints(state, 0, 1, [[1, 1], [2, 2]], [1])
    with pytest.raises(ValueError, match="Labels must be 1"):
        predictor.addnewpoints(state, 0, 1, [[1, 1]], [5])
    with pytest.raises(ValueError, match="there is no prompt"):
        predictor.addnewpointsorbox(state, 0, 1)
    with pytest.raises(ValueError, match="A box comes before all points"):
        predictor.addnewpointsorbox(state, 0, 1, box=[1, 1, 9, 9], clear_old_points=False)
    with pytest.raises(ValueError, match="as large as the film"):
        predictor.addnewmask(state, 0, 1, np.zeros((4, 4), bool))
    with pytest.raises(ValueError, match="There is no object 4; prompted objects: none yet"):
        predictor.clearallpromptsinframe(state, 0, 4)
    with pytest.raises(TypeError, match="what initstate returned"):
        predictor.resetstate({})
    assert state.obj_ids == []  # nothing is left of what was refused


def test_models_without_a_memory_are_refused() -> None:
    with pytest.raises(ValueError, match="'nano' has no memory"):
        SAMV2VideoPredictor("nano", device="cpu")
    network = build_samv2(MINI)
    drop_memory(network)
    with pytest.raises(ValueError, match="weights have no memory"):
        SAMV2VideoPredictor(network, device="cpu")
    SAMV2ImagePredictor(network, device="cpu")  # for images they do


def test_a_state_belongs_to_its_network(predictor, film) -> None:
    other = SAMV2VideoPredictor(build_samv2(MINI), device="cpu")
    with pytest.raises(ValueError, match="call initstate again"):
        other.addnewpoints(predictor.initstate(film), 0, 1, [[1, 1]], [1])
