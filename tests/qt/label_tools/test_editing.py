"""A label that is there is refined by prompts, and is what it was without them.

What is merged, deleted or kept is in ``test_merging_keeping``.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.bench import Bench, objects_of
from tests.qt.labelled_bench import FIRST, SECOND, tools_of, with_labels

from napari_samv2_prompts._qt.widget_state import Options

pytestmark = pytest.mark.usefixtures("qapp")


def asked(bench: Bench) -> object:
    return bench.factory.predictor.batches[-1].items[-1]


def test_editing_changes_nothing_before_there_is_a_prompt(bench: Bench) -> None:
    before = bench.labels.data.copy()
    assert tools_of(bench).edit(3)
    assert bench.controller.state().current == 3
    np.testing.assert_array_equal(bench.labels.data, before)
    assert bench.decoded == []


def test_a_label_too_high_for_an_object_is_not_edited(bench: Bench) -> None:
    before = bench.controller.state().current
    assert not tools_of(bench).edit(2**31)
    assert "too high" in tools_of(bench).said
    assert bench.controller.state().current == before


def test_the_first_prompt_starts_from_the_labels_mask(bench: Bench) -> None:
    tools_of(bench).edit(3)
    bench.click(15, 35)
    assert objects_of(bench.points) == [3]
    start = asked(bench).mask  # of the fake's 16 x 16 logits over 80 x 100 pixels
    rows, columns = (np.arange(16) + 0.5) * 5 - 0.5, (np.arange(16) + 0.5) * 6.25 - 0.5
    inside = ((rows > 9.5) & (rows < 19.5))[:, None] & ((columns > 9.5) & (columns < 29.5))
    np.testing.assert_array_equal(start > 0, inside)


def test_a_refined_label_takes_its_new_mask_and_undo_gives_the_old_one_back(bench: Bench) -> None:
    before = bench.labels.data.copy()
    tools_of(bench).edit(3)
    bench.click(15, 35)
    assert bench.labels.data[15, 35] == 3
    assert bench.labels.data[11, 11] == 0  # the fake forgets what it started from
    bench.controller.undo()
    np.testing.assert_array_equal(bench.labels.data, before)


def test_without_its_prompts_an_edited_label_is_what_it_was(bench: Bench) -> None:
    before = bench.labels.data.copy()
    tools_of(bench).edit(3)
    bench.click(15, 35)
    bench.click(60, 20)
    bench.points.data = np.empty((0, 2))
    bench.controller.refresh()
    np.testing.assert_array_equal(bench.labels.data, before)
    bench.click(15, 35)  # and can be refined again
    assert asked(bench).mask is not None


def test_what_a_refined_label_covered_comes_back(bench: Bench) -> None:
    bench.controller.set_options(Options(policy="replace"))
    tools_of(bench).edit(3)
    bench.click(45, 50)
    assert bench.labels.data[45, 50] == 3
    bench.points.data = np.array([[15.0, 35.0]])
    bench.controller.refresh()
    assert (bench.labels.data[SECOND] == 7).all()


def test_a_label_that_is_only_to_be_edited_is_covered_by_nothing(bench: Bench) -> None:
    tools_of(bench).edit(3)
    bench.draw((5, 5, 25, 35))
    assert (bench.labels.data[FIRST] == 3).all()


def test_an_accepted_label_can_be_edited_and_accepted_again(bench: Bench) -> None:
    bench.click(65, 65)
    bench.controller.accept()
    tools_of(bench).edit(8)
    bench.click(65, 72)
    assert asked(bench).mask is not None
    assert bench.labels.data[65, 72] == 8
    assert bench.controller.accept() == (8,)
    bench.click(65, 85)
    assert bench.painted == {3, 7, 8, 9}


def test_editing_an_object_with_prompts_only_makes_it_current(bench: Bench) -> None:
    bench.click(65, 65)
    bench.controller.next_object()
    assert tools_of(bench).edit(8)
    bench.click(65, 72)
    assert objects_of(bench.points) == [8, 8]


def test_undo_of_older_results_leaves_an_edited_label_editable(bench: Bench) -> None:
    bench.click(65, 65)
    tools_of(bench).edit(3)
    bench.click(15, 35)
    bench.controller.undo()
    bench.controller.undo()
    assert bench.painted == {3, 7}
    bench.click(15, 40)
    assert bench.labels.data[15, 40] == 3
    assert bench.labels.data[11, 11] == 0


def test_the_preview_of_an_edited_label_starts_from_its_mask(bench: Bench) -> None:
    bench.controller.set_options(Options(preview=True))
    tools_of(bench).edit(3)
    prompt = bench.controller._preview._prompt_at((15.0, 20.0))
    assert (prompt.object, prompt.mask is not None) == (3, True)


def test_a_transposed_plane_of_a_stack() -> None:
    bench = with_labels((2, 80, 100))
    bench.viewer.dims.order = (0, 2, 1)
    bench.controller.refresh()
    before = bench.labels.data.copy()
    tools_of(bench).edit(3)
    bench.click(0, 15, 35)
    assert bench.labels.data[0, 15, 35] == 3
    x0, y0, x1, y1 = bench.session.request.prompts[0].mask_box
    assert (x0, y0, x1, y1) == (9.5, 9.5, 19.5, 29.5)
    bench.points.data = np.empty((0, 3))
    bench.controller.refresh()
    np.testing.assert_array_equal(bench.labels.data, before)
    bench.controller.close()
