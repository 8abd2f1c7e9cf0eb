"""Which labels are free, what a layer can hold, and which layers are refused."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.layers.labels_bench import PLANE, SHAPE, disc, paint, target_on

from napari_samv2_prompts.layers import (
    LabelsTarget,
    TargetError,
    converted_labels,
    highest_label,
    make_layers,
)
from napari_samv2_prompts.layers.found import Accepting, FoundLayer
from napari_samv2_prompts.prompts import MAX_OBJECT


def test_next_free_label_follows_painting_without_reading_the_volume_again(monkeypatch):
    reads = []
    monkeypatch.setattr(
        "napari_samv2_prompts.layers.labels_checks.highest_label",
        lambda data: reads.append(1) or highest_label(data),
    )
    target = target_on(np.full(SHAPE, 41, np.uint16))
    assert target.numbers.needs_scan
    assert target.next_free() == 42
    target.write(PLANE, {50: disc(5, 5, 2)}, "replace")
    assert target.next_free() == 51
    paint(target.labels, disc(1, 1, 1).full(SHAPE), 60)
    assert target.next_free() == 61
    target.labels.selected_label = 70
    target.labels.paint((1, 1), 70)
    assert target.next_free() == 71
    assert target.next_free(at_least=99) == 100
    assert len(reads) == 1


def test_labels_painted_during_the_scan_count():
    target = target_on(np.full(SHAPE, 41, np.uint16))
    found = target.numbers.scan_job(target.labels)()
    target.labels.paint((1, 1), 60)
    target.numbers.set_highest(found)
    assert not target.numbers.needs_scan
    assert target.next_free() == 61


@pytest.mark.parametrize("highest", [MAX_OBJECT - 1, MAX_OBJECT, 2**40])
def test_found_objects_are_merged_with_no_label_whatever_the_highest(highest):
    data = np.zeros(SHAPE, np.int64)
    data[0, :3] = 1, 3, highest
    target = target_on(data)
    crops = [disc(5, column, 1) for column in (2, 6, 10)]
    accepting = Accepting(target, PLANE, crops, 4)
    assert list(accepting.left) == [5, 6, 7]
    assert accepting.write_some()
    assert np.unique(target.labels.data).tolist() == [0, 1, 3, 5, 6, 7, highest]


def test_more_found_objects_than_16_bit_can_number_are_all_shown():
    viewer = ViewerModel()
    found = FoundLayer(viewer, viewer.add_image(np.zeros(SHAPE)), PLANE)
    found.show({2**16 - 1: disc(5, 2, 1), 2**16: disc(5, 6, 1), 2**16 + 1: disc(5, 10, 1)})
    assert found.layer.data[5, [2, 6, 10]].all()


def test_found_objects_are_refused_by_labels_of_another_shape():
    target = target_on(np.zeros(SHAPE, np.uint16))
    accepting = Accepting(target, PLANE, [disc(5, 5, 2)], 0)
    target.labels.data = np.zeros((3, 3), np.uint16)
    with pytest.raises(TargetError, match="have another shape by now"):
        accepting.write_some()


def test_a_new_layer_needs_no_scan():
    viewer = ViewerModel()
    labels = make_layers(viewer, viewer.add_image(np.zeros(SHAPE)))[2]
    target = LabelsTarget(labels, highest=0)
    assert not target.numbers.needs_scan
    assert target.next_free() == 1


def test_replaced_data_starts_afresh():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 2)})
    target.labels.data = np.full(SHAPE, 3, np.uint16)
    assert target.live() == frozenset()
    assert target.next_free() == 4
    target.write(PLANE, {1: None})
    assert (target.labels.data == 3).all()
    target.labels.data = np.zeros((3, 3), np.uint16)
    assert target.live() == frozenset()


def test_labels_beyond_255_do_not_wrap():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {300: disc(5, 5, 2)})
    assert np.unique(target.labels.data).tolist() == [0, 300]


def test_a_label_that_the_dtype_cannot_hold_is_refused_with_an_offer():
    target = target_on(np.full(SHAPE, 200, np.uint8))
    with pytest.raises(
        TargetError, match=r"uint8 and can't hold label 256; convert .* uint16"
    ) as e:
        target.write(PLANE, {256: disc(5, 5, 2)})
    assert (target.labels.data == 200).all()
    wide = converted_labels(target.labels, e.value.dtype)
    assert wide.dtype == np.uint16
    target.labels.data = wide
    target.write(PLANE, {256: disc(5, 5, 2)}, "replace")
    assert target.labels.data[5, 5] == 256
    with pytest.raises(TargetError, match="uint32"):
        target.write(PLANE, {70000: disc(5, 5, 2)})


def test_converting_keeps_what_others_marked_below_0():
    target = target_on(np.full(SHAPE, -1, np.int16))
    with pytest.raises(TargetError, match="convert them to int32") as refused:
        target.write(PLANE, {40000: disc(5, 5, 2)}, "replace")
    assert (converted_labels(target.labels, refused.value.dtype) == -1).all()


def test_converting_the_layer_after_an_edit_by_hand_leaves_its_objects_live():
    target = target_on(np.zeros(SHAPE, np.uint8))
    target.write(PLANE, {1: disc(5, 5, 3)})
    erased = disc(5, 8, 1).full(SHAPE) & disc(5, 5, 3).full(SHAPE)
    paint(target.labels, erased, 0)
    target.labels.data = converted_labels(target.labels, np.dtype(np.uint16))
    assert target.live() == {1}
    target.write(PLANE, {1: disc(5, 6, 3)})
    assert not target.labels.data[erased].any()
    target.write(PLANE, {1: None})
    assert not target.labels.data.any()


def test_other_data_in_which_a_label_happens_to_stand_has_no_live_objects():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 3)})
    target.labels.data = disc(5, 7, 2).full(SHAPE).astype(np.uint16)
    assert not target.live()
    target.write(PLANE, {1: None})
    assert (target.labels.data == disc(5, 7, 2).full(SHAPE)).all()


def test_converting_the_layer_leaves_its_objects_live():
    target = target_on(np.zeros(SHAPE, np.uint8))
    target.write(PLANE, {1: disc(5, 5, 3), 2: disc(5, 10, 1)})
    target.labels.data = converted_labels(target.labels, np.dtype(np.uint16))
    assert target.live() == {1, 2}
    target.write(PLANE, {1: disc(5, 5, 1), 300: disc(10, 10, 1)})
    assert (target.labels.data == 1).sum() == disc(5, 5, 1).area
    target.labels.undo()
    assert (target.labels.data == 1).sum() == disc(5, 5, 3).area
    target.remove(target.live())
    assert not target.labels.data.any()


def test_after_converting_objects_are_let_go_of_whatever_their_numbers():
    target = target_on(np.full(SHAPE, 255, np.uint8))
    target.unfreeze(PLANE, 255)
    target.write(PLANE, {1: disc(5, 5, 1)}, "replace")
    target.labels.data = converted_labels(target.labels, np.dtype(np.uint16))
    target.write(PLANE, {300: disc(5, 5, 3)}, "replace")
    target.accept([300])
    assert target.live() == {1, 255}
    target.remove([1])
    assert (target.labels.data == 300).sum() == disc(5, 5, 3).area


def test_after_converting_undo_comes_back_to_objects_that_can_be_let_go_of():
    target = target_on(np.full(SHAPE, 7, np.uint8))
    target.write(PLANE, {1: disc(5, 5, 3)}, "replace")
    target.write(PLANE, {1: disc(5, 5, 2)}, "replace")
    target.labels.data = converted_labels(target.labels, np.dtype(np.uint16))
    target.labels.undo()
    assert target.relabel(PLANE, [7], 300)
    target.remove([1])
    assert (target.labels.data == 300).all()


def test_converting_to_what_holds_less_lets_go_of_what_it_cannot_hold():
    target = target_on(np.full(SHAPE, 400, np.uint16))
    target.write(PLANE, {300: disc(5, 5, 1)}, "replace")
    target.write(PLANE, {1: disc(5, 5, 20)}, "replace")
    target.labels.data = converted_labels(target.labels, np.dtype(np.uint8))
    assert target.live() == {1}
    target.remove([1])
    assert not target.labels.data.any()


class TestRefusals:
    @pytest.fixture
    def viewer(self):
        viewer = ViewerModel()
        viewer.add_image(np.zeros(SHAPE), scale=(2, 0.5), name="cells")
        return viewer

    def refuse(self, viewer, labels, match):
        target = LabelsTarget(labels)
        with pytest.raises(TargetError, match=match) as e:
            target.check(viewer.layers["cells"], viewer.dims)
        assert str(e.value).count("\n") == 0
        return e.value

    def test_another_shape(self, viewer):
        labels = viewer.add_labels(np.zeros((5, 5), np.uint16))
        self.refuse(viewer, labels, r"make new ones\. Their shape is \(5, 5\), .* \(12, 14\)")

    def test_another_place(self, viewer):
        labels = viewer.add_labels(np.zeros(SHAPE, np.uint16))
        self.refuse(viewer, labels, "lie elsewhere")

    def test_multiscale(self, viewer):
        pyramid = [np.zeros(SHAPE, np.uint16), np.zeros((6, 7), np.uint16)]
        labels = viewer.add_labels(pyramid, scale=(2, 0.5), multiscale=True)
        error = self.refuse(viewer, labels, "multiscale")
        assert converted_labels(labels, error.dtype).shape == SHAPE

    def test_lazy_arrays(self, viewer):
        dask = pytest.importorskip("dask.array")
        labels = viewer.add_labels(dask.zeros(SHAPE, dtype=np.uint16), scale=(2, 0.5))
        error = self.refuse(viewer, labels, "dask array")
        assert isinstance(converted_labels(labels, error.dtype), np.ndarray)
        with pytest.raises(TargetError, match="dask"):
            LabelsTarget(labels).write(PLANE, {1: disc(5, 5, 2)})

    def test_read_only_arrays(self, viewer):
        data = np.zeros(SHAPE, np.uint16)
        data.flags.writeable = False
        labels = viewer.add_labels(data, scale=(2, 0.5))
        self.refuse(viewer, labels, "read-only")

    @pytest.mark.parametrize("kind", ["u2", "i2", "i4", "u8"])
    def test_the_byte_order_of_other_machines(self, viewer, kind):
        """Of 16 bits, napari writes 256 where 1 is asked for."""
        data = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.dtype(kind).newbyteorder())
        labels = viewer.add_labels(data, scale=(2, 0.5))
        error = self.refuse(viewer, labels, "byte order")
        labels.data = converted_labels(labels, error.dtype)
        target = LabelsTarget(labels)
        target.write(PLANE, {500: disc(5, 5, 2)}, "replace")
        assert labels.data[5, 5] == 500
        assert labels.data[0, 1] == 1

    def test_the_image_s_own_labels_are_taken(self, viewer):
        labels = make_layers(viewer, viewer.layers["cells"])[2]
        LabelsTarget(labels).check(viewer.layers["cells"], viewer.dims)


def test_a_closed_target_no_longer_listens():
    target = target_on(np.zeros(SHAPE, np.uint16))
    assert target.next_free() == 1
    target.close()
    target.close()
    target.labels.paint((1, 1), 9)
    assert target.next_free() == 1


def test_highest_label_reads_in_blocks(monkeypatch):
    monkeypatch.setattr("napari_samv2_prompts.layers.labels_checks.BLOCK", 10)
    data = np.zeros((7, 5), np.int32)
    data[6, 4], data[0, 0] = 12, -3
    assert highest_label(data) == 12
    assert highest_label(np.zeros((0, 5), int)) == 0
