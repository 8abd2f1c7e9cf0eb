"""Objects that are let go of, labels that get another number, and labels that become objects.

What masks do to pixels otherwise is in ``test_masks``.
"""

from __future__ import annotations

import numpy as np
from tests.painted_page import SHAPE, Page, rectangle

from napari_samv2_prompts.masks import freeze, relabelled, respect_edits, unfreeze


def two_that_overlap():
    page = Page()
    page.write({1: rectangle(0, 0, 5, 5)})
    page.write({2: rectangle(2, 2, 5, 5)})
    return page


def test_what_is_released_comes_back_from_under_what_lies_over_it():
    page = two_that_overlap()
    page.live = freeze(page.live, [1])
    page.write({2: None})
    np.testing.assert_array_equal(page.labels, rectangle(0, 0, 5, 5).full(SHAPE))


def test_what_lies_under_a_released_object_gives_up_what_it_covers():
    page = two_that_overlap()
    page.live = freeze(page.live, [2])
    page.write({1: rectangle(0, 0, 6, 6)}, "replace")
    assert (page.labels[2:5, 2:5] == 2).all()
    page.write({1: None})
    np.testing.assert_array_equal(page.labels, 2 * rectangle(2, 2, 5, 5).full(SHAPE))


def test_what_is_released_is_no_more_of_those_below_than_it_covers():
    page = Page()
    page.write({1: rectangle(0, 0, 4, 4)})
    page.write({2: rectangle(2, 2, 4, 4)})
    page.write({3: rectangle(5, 5, 2, 2)})
    page.live = freeze(page.live, [2])
    assert page.live[1].owned.sum() == 12
    assert page.live[3].owned.all()
    page.write({1: None, 3: None})
    expected = 2 * rectangle(2, 2, 4, 4).full(SHAPE)
    np.testing.assert_array_equal(page.labels, expected)


def test_who_has_nothing_to_do_with_what_is_released_stays_the_same():
    page = two_that_overlap()
    page.write({3: rectangle(8, 8, 1, 1)})
    assert freeze(page.live, [70]) == page.live
    kept = freeze(page.live, [1])
    assert set(kept) == {2, 3}
    assert kept[3] is page.live[3]
    assert kept[2] is not page.live[2]


def test_another_label_for_what_lies_under_an_object_comes_back_as_that():
    page = Page()
    page.labels[0, :4] = 9
    page.write({1: rectangle(0, 0, 2, 2)}, "replace")
    page.write({2: rectangle(5, 5, 2, 2)}, "replace")
    two = page.live[2]
    page.live = relabelled(page.live, 9, 4)
    assert page.live[2] is two
    page.write({1: None})
    assert page.labels[0, :4].tolist() == [4, 4, 9, 9]
    assert not page.labels[1].any()


def test_an_adopted_label_lies_below_all_objects_with_nothing_under_it():
    page = Page()
    page.labels[0:4, 1:5] = 7
    for number, left in ((1, 3), (2, 4)):
        page.write({number: rectangle(2, left, 4, 4)}, "replace")
    origin = rectangle(0, 1, 4, 4)
    page.live = unfreeze(page.read, page.live, 7, origin)
    assert page.write({}) == []
    page.write({1: None})
    assert (page.labels[2:4, 3] == 7).all()
    assert (page.labels[2:4, 4] == 2).all(), "it came up over another object"
    page.write({2: None})
    np.testing.assert_array_equal(page.labels, 7 * rectangle(0, 1, 4, 4).full(SHAPE))
    page.write({7: rectangle(6, 6, 2, 2)})
    np.testing.assert_array_equal(page.labels, 7 * rectangle(6, 6, 2, 2).full(SHAPE))
    assert page.live[7].origin is origin


def test_a_label_can_be_adopted_where_there_is_no_object_yet():
    page = Page()
    page.labels[0:4, 1:5] = 7
    page.live = unfreeze(page.read, {}, 7, rectangle(0, 1, 4, 4))
    page.write({7: None})
    assert not page.labels.any()


def test_adopting_takes_the_label_out_from_under_those_above():
    page = Page()
    page.labels[2:4, 2:4], page.labels[0, 0] = 7, 5
    page.write({1: rectangle(0, 0, 3, 3)}, "replace")
    origin = rectangle(2, 2, 2, 2)
    live = unfreeze(page.read, respect_edits(page.read, page.live, [origin.box]), 7, origin)
    assert live[1].covered.tolist() == [[5, 0, 0], [0, 0, 0], [0, 0, 0]]
    page.live = live
    page.write({7: rectangle(8, 8, 1, 1)})
    page.write({1: None})
    assert page.labels[0, 0] == 5
    assert not page.labels[1:4, 1:4].any()
