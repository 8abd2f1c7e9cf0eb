"""What results do to the labels: written, moved, taken away, accepted, refused in words.

Labels that were there before the prompts are in ``label_tools``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.bench import Bench, objects_of
from tests.fakes import ManualRunner

from napari_samv2_prompts._qt.widget_state import Options
from napari_samv2_prompts.layers import Chosen

pytestmark = pytest.mark.usefixtures("qapp")


# --- masks and prompts ---


def test_moving_a_box_moves_its_label(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.shapes.data = [bench.shapes.data[0] + 40]
    bench.controller.refresh()
    assert bench.labels.data[10, 10] == 0
    assert bench.labels.data[50, 50] == 1


def test_deleting_the_last_prompt_takes_the_label_away(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20), (30, 30, 40, 50))
    bench.shapes.selected_data = {0}
    bench.shapes.remove_selected()
    bench.controller.refresh()
    assert bench.painted == {2}
    assert objects_of(bench.shapes) == [2]


def test_one_result_is_one_undo_step(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20), (30, 30, 40, 50))
    bench.controller.undo()
    assert bench.painted == set()


def test_cycling_writes_the_next_candidate_over_the_last(bench: Bench) -> None:
    bench.click(40, 40)
    areas = []
    for _ in range(4):
        areas.append(int((bench.labels.data == 1).sum()))
        bench.controller.choose_mask()
    assert areas[0] < areas[1] < areas[2]
    assert areas[3] == areas[0]


def test_labels_that_were_there_are_kept_unless_replaced(bench: Bench) -> None:
    bench.labels.data[5:10, 5:10] = 9
    bench.labels.refresh()
    bench.draw((0, 0, 20, 20))
    assert (bench.labels.data[5:10, 5:10] == 9).all()
    bench.controller.set_options(Options(policy="replace"))
    bench.draw((0, 0, 20, 20))
    assert (bench.labels.data[5:10, 5:10] != 9).all()


def test_labels_that_the_user_replaced_stay_so_until_something_is_asked_for(bench: Bench) -> None:
    bench.draw((10, 10, 30, 30), (40, 40, 60, 60))
    bench.labels.data = np.zeros_like(bench.labels.data)
    bench.controller.refresh()
    assert bench.painted == set()
    bench.controller.next_object()
    bench.click(70, 70)
    assert bench.painted == {3}
    bench.controller.run()
    assert bench.painted == {1, 2, 3}


def test_other_prompt_layers_do_not_take_the_labels_of_the_first_away(bench: Bench) -> None:
    bench.click(20, 20)
    first = bench.points
    other = bench.viewer.add_points(ndim=2, name="other")
    bench.choose(replace(bench.controller.chosen, points=other))
    assert bench.painted == {1}
    bench.click(60, 60)
    assert bench.painted == {1, 2}
    bench.choose(replace(bench.controller.chosen, points=first))
    assert bench.painted == {1, 2}
    bench.viewer.layers.remove(first)
    bench.choose(replace(bench.controller.chosen, points=None))
    assert bench.painted == {1, 2}


def test_empty_masks_are_told_until_they_have_pixels(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.controller.next_object()
    bench.controller.flip_sign()
    bench.click(60, 60)  # the fake model answers a lone negative click with nothing
    assert bench.controller.state().empty == (2,)
    bench.controller.flip_sign()
    bench.click(60, 80)
    assert bench.controller.state().empty == ()


# --- accepting ---


def test_accept_keeps_the_labels_and_clears_the_prompts(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.click(30, 30)
    assert bench.controller.accept() == (1,)
    assert (len(bench.shapes.data), len(bench.points.data)) == (0, 0)
    assert bench.painted == {1}
    bench.click(60, 60)
    assert bench.painted == {1, 2}


def test_what_was_accepted_is_not_wanted_any_more(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.controller.accept()
    assert not bench.session.pending  # whatever goes on next would predict it again


@pytest.mark.parametrize("how", ["accepted", "kept"])
def test_objects_of_another_image_are_not_accepted_for_their_number(bench: Bench, how: str) -> None:
    bench.draw((5, 5, 15, 20))
    first = bench.controller.chosen
    bench.choose(Chosen(bench.viewer.add_image(np.ones((80, 100)), name="other")))
    bench.make_layers()
    assert not bench.controller.state().acceptable
    bench.draw((30, 30, 40, 50))
    if how == "accepted":
        assert bench.controller.accept() == (1,)
    else:
        assert bench.controller.label_tools.keep(1, on=True)
    bench.choose(first)
    assert bench.controller.state().acceptable
    bench.shapes.selected_data = {0}
    bench.shapes.remove_selected()
    bench.controller.refresh()
    assert bench.painted == set()


def test_accept_leaves_the_prompts_of_an_object_that_waits() -> None:
    runner = ManualRunner()
    bench = Bench(runner=runner).make_layers()
    runner.finish_all()
    bench.draw((5, 5, 15, 20))
    runner.finish_all()
    bench.draw((30, 30, 40, 50))
    assert bench.controller.accept() == (1,)
    assert objects_of(bench.shapes) == [2]
    bench.controller.close()


# --- layers that do not fit ---


def test_labels_that_do_not_fit_for_a_while_lose_nothing(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    painted = bench.labels.data.copy()
    bench.labels.scale = (2, 2)
    bench.controller.refresh()
    assert "lie elsewhere" in bench.controller.state().problem
    np.testing.assert_array_equal(bench.labels.data, painted)
    bench.labels.scale = (1, 1)
    bench.shapes.data = [bench.shapes.data[0] + [20, 0]]
    bench.controller.refresh()
    assert bench.labels.data[30, 10] == 1
    assert not bench.labels.data[:20].any()


def test_a_label_beyond_the_layers_type_offers_another_type(bench: Bench) -> None:
    data = np.zeros((80, 100), np.uint8)
    data[0, 0] = 255
    labels = bench.viewer.add_labels(data)
    bench.choose(replace(bench.controller.chosen, labels=labels))
    bench.click(40, 40)
    now = bench.controller.state()
    assert "255" in now.problem or "uint8" in now.problem
    assert now.offer
    bench.choose(bench.controller.label_tools.convert())
    bench.controller.run()
    assert bench.labels == labels
    assert labels.data[40, 40] == 256
    assert labels.data[0, 0] == 255
    assert bench.controller.state().problem == ""


def test_lazy_labels_are_offered_as_a_copy_and_left_alone(bench: Bench) -> None:
    array = pytest.importorskip("dask.array")
    data = array.zeros((80, 100), dtype=np.uint16)
    lazy = bench.viewer.add_labels(data, name="lazy")
    bench.choose(replace(bench.controller.chosen, labels=lazy))
    assert "dask" in bench.controller.state().problem
    bench.choose(bench.controller.label_tools.convert())
    assert bench.labels != lazy
    bench.click(40, 40)
    assert bench.painted == {1}
    assert lazy.data is data


def test_a_labels_layer_of_another_shape_is_refused_in_words(bench: Bench) -> None:
    labels = bench.viewer.add_labels(np.zeros((10, 10), np.uint16))
    bench.choose(replace(bench.controller.chosen, labels=labels))
    bench.click(5, 5)
    assert bench.controller.state().problem
    assert not labels.data.any()
