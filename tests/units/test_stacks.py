"""Stacks in partitions: the labels of one process, whatever happens to a partition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.test_through import BOXES, stack  # noqa: F401 - a fixture

from napari_samv2_prompts import SAMV2ImagePredictor, segment_stack
from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.io.file_views import StackFile
from napari_samv2_prompts.propagation import Wanted, partitions
from napari_samv2_prompts.through import stack_prompts
from napari_samv2_prompts.units.stacks import StackWork, StretchUnit
from napari_samv2_prompts.units.unit import Outcome, run_units


@pytest.fixture(scope="module")
def predictor() -> SAMV2ImagePredictor:
    return SAMV2ImagePredictor("nano", device="cpu")


class Workers:
    """Does units as a worker does, and remembers what became of them; may be stopped."""

    def __init__(self, predictor) -> None:
        self.predictor, self.outcomes, self.stops = predictor, list[Outcome](), 1000

    def __call__(self, units):
        for outcome in run_units(units, lambda: self.predictor, "weights"):
            self.outcomes.append(outcome)
            yield outcome
            if isinstance(outcome.unit, StretchUnit):
                self.stops -= 1
                if not self.stops:
                    raise KeyboardInterrupt

    @property
    def followed(self) -> list[bool]:
        """Of each stretch, whether it was left out since it was done before."""
        return [o.skipped for o in self.outcomes if isinstance(o.unit, StretchUnit)]


@pytest.fixture
def work(stack, tmp_path: Path, monkeypatch) -> tuple[StackWork, StackFile]:  # noqa: F811
    """Two objects, each a group of its own, one of them known on a plane in the middle."""
    monkeypatch.setattr(partitions, "GROUP", 1)
    tifffile.imwrite(tmp_path / "stack.tif", stack)
    seen = StackPicture.of(stack)
    wanted = Wanted.of(len(stack), None, None, "both")
    prompts = stack_prompts(seen.shape, BOXES)
    work = StackWork(seen, prompts, wanted, store=tmp_path / "store")
    return work, StackFile.of(tmp_path / "stack.tif", (0, 1, 2), seen)


def labels(work: StackWork, file: StackFile, workers: Workers) -> np.ndarray:
    return work.on(workers, file, lambda: workers.predictor)


def test_partitions_give_the_labels_of_one_process_and_leave_nothing_behind(work, predictor):
    workers = Workers(predictor)
    there = labels(*work, workers)
    assert workers.followed == [False] * 3, "up and down of the one, up of the other"
    assert np.array_equal(there, work[0].here(lambda: predictor))
    assert there[4, 14, 22] == 3
    assert not list(work[0].store.glob("followed*"))


def test_what_was_done_before_an_interrupt_is_not_done_again(work, predictor):
    stopped, again = Workers(predictor), Workers(predictor)
    stopped.stops = 2
    with pytest.raises(KeyboardInterrupt):
        labels(*work, stopped)
    there = labels(*work, again)
    assert again.followed == [True, True, False]
    assert np.array_equal(there, work[0].here(lambda: predictor))


def test_a_full_disk_is_a_sentence_and_costs_what_it_touched(work, predictor, monkeypatch):
    from napari_samv2_prompts.units import stacks

    real, full, again = stacks.write_filled, Workers(predictor), Workers(predictor)

    def write(path, parts, key):
        if path.name == "1.npz":
            raise OSError(28, "No space left on device")
        real(path, parts, key)

    with monkeypatch.context() as patch:
        patch.setattr(stacks, "write_filled", write)
        with pytest.raises(
            OSError, match=r"stack\.tif, 3, planes .* No space left .* run it again"
        ):
            labels(*work, full)
    assert full.followed == [False] * 3, "the others are done all the same"
    labels(*work, again)
    assert again.followed == [True, False, True]


def test_a_file_that_was_changed_meanwhile_is_not_followed_through(work, predictor):
    _, file = work
    tifffile.imwrite(file.image, np.zeros((5, 48, 48), np.uint16))
    with pytest.raises(OSError, match=r"stack\.tif was changed: begin again"):
        labels(*work, Workers(predictor))


def test_other_prompts_are_followed_anew(work, stack, predictor):  # noqa: F811
    stopped, again = Workers(predictor), Workers(predictor)
    stopped.stops = 3
    with pytest.raises(KeyboardInterrupt):
        labels(*work, stopped)
    prompts = stack_prompts(stack.shape, {3: BOXES[3], 5: (1, 26.5, 26.5, 41.5, 41.5)})
    other = StackWork(work[0].seen, prompts, work[0].wanted, store=work[0].store)
    labels(other, work[1], again)
    told = "what comes near the other's new prompt is followed again, the rest of it is not"
    assert again.followed == [False, True, False, False], told


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 3), (4, 2, 3)])
def test_a_stack_is_read_plane_by_plane_where_the_file_allows_that(axes, stack, tmp_path):  # noqa: F811
    turned, single = stack.transpose(np.argsort(axes)), max(axes) - 2
    path = tmp_path / ("turned.npy" if single else "turned.tif")
    if single:
        np.save(path, turned.reshape((1,) * single + turned.shape))
    else:
        tifffile.imwrite(path, turned)
    seen = StackPicture.of(stack)
    with StackFile.of(path, axes, seen).opened() as opened:
        assert opened.shape == seen.shape
        rows, columns = slice(3, 40), slice(5, 30)
        assert np.array_equal(opened.read(2, rows, columns), seen.read(2, rows, columns))


def test_what_workers_can_not_share_is_said(stack, tmp_path):  # noqa: F811
    client = object()
    with pytest.raises(ValueError, match="give the path, not the array"):
        segment_stack(stack, boxes=BOXES, client=client)
    with pytest.raises(ValueError, match="name a folder that all of them see"):
        segment_stack(tmp_path / "stack.tif", boxes=BOXES, client=client)


@pytest.mark.parametrize(
    ("through", "axes", "letters"),
    [
        ("t", (2, 0, 1), "YXT"),
        ("2", (2, 0, 1), "YXZ"),
        ("z", (0, 1, 2), "ZYX"),
        ("1", (1, 0, 2), "YZX"),
    ],
)
def test_labels_say_their_axes_in_the_order_of_the_file(through, axes, letters, tmp_path) -> None:
    from napari_samv2_prompts.cli.segment_stack import _letters
    from napari_samv2_prompts.io.exports import write_labels

    assert _letters(through, axes, "") == letters
    write_labels(tmp_path / "a.tif", np.ones((2, 3, 4), np.uint8), axes=letters)
    if letters.endswith("YX"):
        write_labels(tmp_path / "a.ome.tif", np.ones((2, 3, 4), np.uint8), axes=letters)
        return
    with pytest.raises(ValueError, match=f"the axes are {letters}: name the labels a.tif"):
        write_labels(tmp_path / "a.ome.tif", np.ones((2, 3, 4), np.uint8), axes=letters)


def test_a_film_by_the_position_of_its_axis_is_one_by_what_its_file_says() -> None:
    from napari_samv2_prompts.cli.segment_stack import _letters

    assert _letters("0", (0, 1, 2), "tyx") == "TYX"
    assert _letters("z", (0, 1, 2), "tyx") == "ZYX"
    assert _letters("0", (0, 1, 2), "qyx") == "ZYX"
