"""The random user's ledger: takes what the rules allow, and objects to what they don't."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.fakes import crop_of
from tests.qt.ledger import Ledger, Witness

from napari_samv2_prompts.geometry import Plane

SHAPE = (12, 16)
PLANE = Plane((0, 1), (None, None), SHAPE)


def block(left: int, right: int):
    mask = np.zeros(SHAPE, bool)
    mask[3:9, left:right] = True
    return crop_of(mask)


@pytest.fixture
def witness() -> Witness:
    labels = ViewerModel().add_labels(np.zeros(SHAPE, np.uint16))
    return Witness(labels, None, Ledger(labels))


@pytest.mark.parametrize("policy", ["keep", "replace", "background"])
def test_what_was_accepted_may_come_back_from_under_another(witness: Witness, policy: str) -> None:
    witness.write(PLANE, {1: block(1, 8)})
    witness.write(PLANE, {2: block(5, 12)})
    witness.accept({1})
    witness.write(PLANE, {2: block(10, 14)}, policy)
    witness.ledger.check(witness)
    assert (witness.labels.data[3:9, 1:8] == 1).all()
    while witness.ledger.past:
        witness.ledger.undo()
    assert not witness.labels.data.any()


def test_what_the_user_erased_of_one_object_another_may_have(witness: Witness) -> None:
    witness.write(PLANE, {1: block(1, 8)}, "background")
    witness.labels.data_setitem(np.nonzero(block(5, 8).full(SHAPE)), 0)
    witness.ledger.user_edited()
    witness.write(PLANE, {1: block(1, 8), 2: block(4, 9)}, "background")
    witness.ledger.check(witness)
    witness.write(PLANE, {2: block(4, 10)}, "background")
    witness.ledger.check(witness)
    assert (witness.labels.data[3:9, 5:10] == 2).all()


def test_what_lay_below_an_accepted_object_may_not_cover_it(witness: Witness) -> None:
    for number, left in ((1, 1), (2, 3), (3, 5)):
        witness.write(PLANE, {number: block(left, left + 7)})
    witness.accept({2})
    witness.labels.data[3:9, 6] = 1  # as if 3 had gone and left the pixels to 1
    with pytest.raises(AssertionError, match="nowhere"):
        witness.ledger.written({PLANE: {3: None}}, "keep")


def test_a_pixel_that_no_rule_explains_is_found(witness: Witness) -> None:
    witness.write(PLANE, {1: block(1, 8)})
    witness.labels.data[0, 0] = 1
    with pytest.raises(AssertionError, match="behind our back"):
        witness.ledger.check(witness)
