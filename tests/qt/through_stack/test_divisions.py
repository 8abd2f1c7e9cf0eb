"""Divisions and tracks: daughters, whose they are, and the layer that shows them.

How tracks are measured and written to files is in ``tests/propagation/test_lineage.py`` and
``tests/io/test_lineage_files.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.qt.stack_bench import Stack, box_on

from napari_samv2_prompts.propagation import Lineage, Track

pytestmark = pytest.mark.usefixtures("qapp")


# --- divisions ---


def test_divides_here_makes_two_of_an_object_from_there_on(bench: Stack) -> None:
    bench.through.propagate([2])
    before = bench.labels.data.copy()
    bench.go(4)
    covered = bench.labels.data[4] == 2
    daughters = bench.through.divide_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3]
    parts = [bench.labels.data[4] == number for number in daughters]
    assert np.array_equal(parts[0] | parts[1], covered)
    assert min(part.sum() for part in parts) > 0.4 * covered.sum()
    bench.through.propagate([2, *daughters], "forward")
    assert bench.planes_of(2) == [0, 1, 2, 3]
    assert all(bench.planes_of(number)[0] == 4 for number in daughters)
    assert bench.through.stack.lineage().parents == dict.fromkeys(daughters, 2)
    bench.labels.undo()
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, before)


def test_daughters_are_followed_with_all_objects(bench: Stack) -> None:
    bench.through.propagate()
    bench.go(4)
    daughters = bench.through.divide_here(2)
    bench.through.propagate()
    for number in daughters:
        assert bench.planes_of(number) == [4, 5, 6]


def test_an_object_that_divides_where_it_was_drawn_stays_before(bench: Stack) -> None:
    bench.through.propagate([2])
    before = bench.labels.data == 2
    daughters = bench.through.divide_here(2)
    assert bench.planes_of(2) == [0, 1, 2]
    bench.through.propagate()
    assert np.array_equal(bench.labels.data[:3] == 2, before[:3])
    assert bench.through.stack.lineage().parents == dict.fromkeys(daughters, 2)
    assert all(bench.planes_of(number) == [3, 4, 5, 6] for number in daughters)


def test_daughters_are_known_not_to_be_there_before(bench: Stack) -> None:
    bench.through.propagate([2])
    bench.go(4)
    daughters = bench.through.divide_here(2)
    read = bench.through._track.read_anchors
    for number, anchors in read(frozenset(daughters)).items():
        assert {place: crop.area > 0 for place, crop in anchors.items()} == {3: False, 4: True}
        assert number in daughters
    bench.labels.undo()
    assert read(frozenset(daughters)) == {}


def test_a_division_that_was_undone_is_none(bench: Stack) -> None:
    bench.through.propagate([2])
    followed = bench.labels.data.copy()
    bench.go(4)
    first, _ = bench.through.divide_here(2)
    bench.labels.undo()
    bench.labels.data_setitem(np.nonzero(box_on(6, 0, 4, 0, 4)), first)  # the number is free again
    assert bench.through.stack.lineage().parents == {}
    bench.through.propagate([2])
    assert np.array_equal(bench.labels.data == 2, followed == 2)


def test_labels_that_can_hold_no_daughters_can_be_converted(bench: Stack) -> None:
    data = bench.labels.data.astype(np.uint8)
    data[0, :2, :2] = 254
    bench.labels.data = data
    bench.controller.refresh()
    bench.go(3)
    with pytest.raises(ValueError, match="convert them to uint16"):
        bench.through.divide_here(2)
    assert bench.controller.state().offer == "uint16"
    bench.controller.choose(bench.controller.label_tools.convert())
    assert bench.through.divide_here(2) == (255, 256)
    assert bench.controller.state().offer == ""


def test_pieces_that_were_drawn_are_the_daughters(bench: Stack) -> None:
    left, right = box_on(4, 2, 8, 2, 12), box_on(4, 2, 8, 20, 30)
    bench.labels.data_setitem(np.nonzero(left | right), 5)
    bench.go(4)
    daughters = bench.through.divide_here(5)
    assert sorted((bench.labels.data[4] == n).tobytes() for n in daughters) == sorted(
        (left[4].tobytes(), right[4].tobytes())
    )


def test_what_is_clicked_next_is_no_daughter(bench: Stack) -> None:
    bench.labels.data_setitem(np.nonzero(box_on(3, 2, 6, 2, 6)), 5)
    bench.controller.refresh()
    bench.controller.next_object()
    daughters = bench.through.divide_here(1)
    bench.click(3, 24, 52)
    assert bench.points.features["object"].iloc[-1] not in daughters


def test_what_is_drawn_next_is_no_daughter(bench: Stack) -> None:
    daughters = bench.through.divide_here(1)
    bench.draw((28, 32, 44, 48))
    assert bench.shapes.features["object"].iloc[-1] not in daughters


def test_an_object_that_is_not_there_does_not_divide(bench: Stack) -> None:
    bench.go(4)
    with pytest.raises(ValueError, match="Object 2 is not on this plane"):
        bench.through.divide_here(2)
    assert bench.planes_of(2) == [3]


# --- tracks ---


def test_tracks_are_shown_with_their_parents(bench: Stack) -> None:
    bench.through.propagate([2])
    bench.go(4)
    one, other = bench.through.divide_here(2)
    tracks = bench.through.stack.show_tracks()
    again = bench.through.stack.show_tracks()
    assert tracks not in bench.viewer.layers
    assert again.graph == {one: [2], other: [2]}
    rows = again.data[again.data[:, 0] == 2]
    assert rows[:, 1].tolist() == [0, 1, 2, 3]
    assert np.allclose(rows[:, 2:], (36, 40), atol=1.5)
    assert bench.through.stack.lineage().tracks == (
        Track(1, 3, 3), Track(2, 0, 3), Track(one, 4, 4, 2), Track(other, 4, 4, 2)
    )  # fmt: skip


def test_what_the_user_does_while_tracks_are_measured_is_not_in_them(
    bench: Stack, monkeypatch
) -> None:
    bench.through.propagate([2])
    bench.go(4)
    before, measure, divided = bench.through.stack.lineage(), Lineage.of, []

    def of(*film):
        divided.append(bench.through.divide_here(2))
        return measure(*film)

    monkeypatch.setattr(Lineage, "of", of)
    assert bench.through.stack.lineage().tracks == before.tracks
    assert divided


def test_tracks_lie_where_the_labels_lie(bench: Stack) -> None:
    turned = np.eye(4)
    turned[1:3, 1:3] = [[0, -2], [2, 1]]
    for layer in (bench.image, bench.labels):
        layer.affine, layer.translate = turned, (3, 4, 5)
    tracks = bench.through.stack.show_tracks()
    assert tracks.data_to_world((3, 36, 40)) == bench.labels.data_to_world((3, 36, 40))


@pytest.mark.parametrize("kind", ["points", "tracks"])
def test_a_layer_of_the_users_stays_whatever_its_name(bench: Stack, kind: str) -> None:
    name = f"{bench.labels.name} tracks"
    if kind == "points":
        theirs = bench.viewer.add_points([[1, 2, 3]], name=name)
    else:
        theirs = bench.viewer.add_tracks([[1, 0, 2, 3], [1, 1, 2, 3]], name=name)
    bench.through.stack.show_tracks()
    assert theirs in bench.viewer.layers


def test_tracks_are_shown_anew_whatever_the_labels_are_called(bench: Stack) -> None:
    before = bench.through.stack.show_tracks()
    bench.labels.name = "renamed"
    again = bench.through.stack.show_tracks()
    assert before not in bench.viewer.layers
    assert again.name == "renamed tracks"
