from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.regions import MARGIN, InputSides, Region, choose_region

SHAPE = (10_000, 8_000)
SIDES = InputSides(512, 1024)

sides = st.integers(1, 30_000)
shapes = st.tuples(sides, sides)
places = st.tuples(st.floats(-1, 2), st.floats(-1, 2), st.floats(0, 1.5), st.floats(0, 1.5))


def extent_on(shape, place):
    """An extent given in shares of a plane, perhaps partly or wholly beside it."""
    y, x, height, width = place
    return x * shape[1], y * shape[0], (x + width) * shape[1], (y + height) * shape[0]


def visible(x, y, width, height):
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


@given(shapes, places, st.integers(1, 3000), st.sampled_from((1.0, 0.2, 7.0)))
def test_a_region_lies_on_the_plane_and_has_all_that_is_visible(shape, place, least, ratio):
    extent = extent_on(shape, place)
    region = choose_region(shape, extent, pixel_size=(ratio, 1.0), sides=InputSides(least, 4000))
    assert 0 <= region.top < region.bottom <= shape[0]
    assert 0 <= region.left < region.right <= shape[1]
    x0, y0, x1, y1 = region.extent
    on_plane = (extent[2] >= -0.5 and extent[0] <= shape[1] - 0.5) and (
        extent[3] >= -0.5 and extent[1] <= shape[0] - 0.5
    )
    if on_plane:
        assert x0 <= max(extent[0], -0.5) + 1e-9
        assert y0 <= max(extent[1], -0.5) + 1e-9
        assert x1 >= min(extent[2], shape[1] - 0.5) - 1e-9
        assert y1 >= min(extent[3], shape[0] - 0.5) - 1e-9


@given(shapes, places, places)
def test_a_view_of_a_prompt_holds_it_however_large_and_wherever_it_is(shape, place, prompt):
    region = choose_region(shape, extent_on(shape, place))
    extent = extent_on(shape, prompt)
    held = region if region.holds(extent, shape) else region.holding(extent, shape)
    assert held.holds(extent, shape)
    assert held.is_within(shape)


@given(shapes, places)
def test_a_region_is_kept_while_nothing_moves(shape, place):
    extent = extent_on(shape, place)
    region = choose_region(shape, extent)
    assert choose_region(shape, extent, current=region) is region


def test_a_region_is_as_square_as_the_plane_allows_and_not_much_larger_than_needed():
    region = choose_region(SHAPE, visible(4000, 5000, 600, 400))
    height, width = region.size
    assert height == width
    assert 600 * (1 + 2 * MARGIN) <= width <= 600 * (1 + 2 * MARGIN) * 9 / 8
    assert choose_region((300, 8000), visible(4000, 100, 600, 400)).size == (300, width)


def test_pixels_that_are_not_square_give_a_region_that_is_square_in_the_world():
    height, width = choose_region(SHAPE, visible(4000, 5000, 800, 200), pixel_size=(4.0, 1.0)).size
    assert 0.8 < 4 * height / width < 1.25


def test_small_pans_and_zooms_keep_the_region_and_large_ones_do_not():
    first = choose_region(SHAPE, visible(4000, 5000, 800, 800))
    near = visible(4030, 4980, 800, 800), visible(4000, 5000, 600, 600)
    assert all(choose_region(SHAPE, extent, current=first) == first for extent in near)
    far = visible(4600, 5000, 800, 800), visible(4000, 5000, 200, 200)
    wide = visible(4000, 5000, 3000, 3000)
    regions = [choose_region(SHAPE, extent, current=first) for extent in (*far, wide)]
    assert len({first, *regions}) == 4
    assert regions[1].size < first.size < regions[2].size


def test_coming_back_asks_for_the_same_region():
    first = choose_region(SHAPE, visible(4000, 5000, 800, 800))
    away = choose_region(SHAPE, visible(1000, 1000, 800, 800), current=first)
    assert choose_region(SHAPE, visible(4005, 5010, 795, 790), current=away) == first


def test_the_whole_plane_is_one_region():
    whole = Region.whole(SHAPE)
    assert choose_region(SHAPE, visible(4000, 5000, 20_000, 20_000)) == whole
    assert choose_region(SHAPE, visible(4000, 5000, 6600, 6600)) == whole
    assert whole.holds((-100.0, -100.0, 9000.0, 20_000.0), SHAPE)


def test_closer_than_half_the_smallest_input_nothing_changes():
    near = choose_region(SHAPE, visible(4000, 5000, 30, 30), sides=SIDES)
    assert near.size == (256, 256)
    assert choose_region(SHAPE, visible(4000, 5000, 3, 3), sides=SIDES, current=near) == near


def test_zooming_in_asks_for_a_new_region_only_where_the_model_would_see_more_detail():
    def zoomed(width, current=None):
        extent = visible(4000, 5000, width, width)
        return choose_region(SHAPE, extent, sides=SIDES, current=current)

    coarse = zoomed(1600)
    assert coarse.size == (2048, 2048)
    own = zoomed(800, coarse)
    assert own.size == (1024, 1024)
    assert zoomed(300, own) == own  # pixel by pixel already, and hardly scaled up
    assert zoomed(200, own).size == (256, 256)
    assert zoomed(600, Region.whole((2000, 2000))) != Region.whole((2000, 2000))


def test_beside_the_image_the_region_stays():
    first = choose_region(SHAPE, visible(4000, 5000, 800, 800))
    beside = visible(-9000, 0, 100, 100)
    assert choose_region(SHAPE, beside, current=first) == first
    assert choose_region(SHAPE, beside) == Region.whole(SHAPE)
    assert choose_region((50, 50), beside, current=first) == Region.whole((50, 50))


def test_ends_are_whole_pixels_of_coarser_levels():
    region = choose_region((20_000, 20_000), visible(7777, 3333, 5000, 5000))
    assert all(edge % 512 == 0 for edge in (region.top, region.left, region.bottom, region.right))


def test_what_is_cut_by_an_edge_is_not_held_unless_the_plane_ends_there():
    region = Region(0, 0, 1000, 1000)
    assert region.holds((0.0, 0.0, 5.0, 5.0), SHAPE)
    assert not region.holds((990.0, 500.0, 995.0, 505.0), SHAPE)
