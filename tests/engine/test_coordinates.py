"""The session and regions of a plane: prompts go in, masks come out, in pixels of the plane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import (
    LOGITS,
    Factory,
    FakeView,
    ManualRunner,
    SyncRunner,
    crop_of,
    fake_mask,
    place,
)

from napari_samv2_prompts.engine import ModelChoice, Request, Session, State
from napari_samv2_prompts.engine.coordinates import in_view, is_cut
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.regions import Region

SHAPE = (1000, 800)
NEAR, FAR = Region(100, 200, 300, 400), Region(600, 500, 800, 700)


def view_of(region: Region | None = None) -> FakeView:
    return FakeView("picture", SHAPE, region=region)


def click(number: int, *xy: tuple[float, float]) -> Prompt:
    return Prompt(number, points=xy)


class Watched:
    def __init__(self, runner: SyncRunner | ManualRunner) -> None:
        self.runner, self.factory = runner, Factory()
        self.predictor = self.factory.predictor
        self.session = Session(self.factory, runner)
        self.masks: dict[int, np.ndarray] = {}
        self.decoded: list[tuple[int, ...]] = []
        self.session.decoded.connect(self._on_decoded)

    def _on_decoded(self, results) -> None:
        self.decoded.append(tuple(item.object for item in results.items))
        self.masks.update({item.object: item.crop.full(SHAPE) for item in results.items})

    def show(self, region: Region | None, *prompts: Prompt) -> None:
        wish = Request(view_of(region), place(), ModelChoice(), PromptBatch(prompts))
        self.session.update(wish)

    @property
    def embedded(self) -> list[tuple[int, int]]:
        return [image.shape[:2] for image in self.predictor.images]


@pytest.fixture
def sync() -> Watched:
    return Watched(SyncRunner())


def test_a_mask_lands_where_its_prompt_is_whatever_part_of_the_plane_is_embedded(sync) -> None:
    for region in (NEAR, None, Region(96, 160, 1000, 800)):
        watched = Watched(SyncRunner())
        prompt = click(1, (250, 150))
        watched.show(region, prompt)
        np.testing.assert_array_equal(watched.masks[1], fake_mask(prompt, SHAPE))
        watched.show(region, Prompt(1, box=(220.0, 120.0, 290.0, 180.0)))
        assert watched.masks[1].sum() == 71 * 61
        assert watched.masks[1][120:181, 220:291].all()


def test_only_the_region_is_read_and_masks_are_in_pixels_of_the_plane(sync) -> None:
    sync.show(NEAR, click(1, (250, 150)))
    assert sync.embedded == [NEAR.size]
    assert sync.masks[1].shape == SHAPE


def test_moving_the_camera_embeds_and_decodes_nothing_again(sync) -> None:
    prompts = click(1, (250, 150)), click(2, (260, 250))
    sync.show(NEAR, *prompts)
    for region in (FAR, None, NEAR):
        sync.show(region, *prompts)
    assert sync.decoded == [(1, 2)]
    assert sync.embedded == [NEAR.size, FAR.size, SHAPE]


def test_a_prompt_outside_the_view_is_decoded_in_a_view_that_holds_it(sync) -> None:
    near, far = click(1, (250, 150)), click(2, (600, 700))
    sync.show(NEAR, far, near)
    assert sync.decoded == [(1,), (2,)]
    np.testing.assert_array_equal(sync.masks[2], fake_mask(far, SHAPE))
    assert sync.session.status.state is State.READY
    assert all(height < 300 for height, _ in sync.embedded)


def test_prompts_that_fit_one_view_are_decoded_together(sync) -> None:
    sync.show(NEAR, click(1, (600, 700)), click(2, (620, 720)), click(3, (590, 690)))
    assert sync.decoded == [(1, 2, 3)]


def test_a_box_larger_than_the_view_makes_the_view_grow(sync) -> None:
    box = Prompt(1, box=(50.0, 60.0, 700.0, 650.0))
    sync.show(NEAR, box)
    np.testing.assert_array_equal(sync.masks[1], fake_mask(box, SHAPE))


def test_a_decode_under_way_is_not_stopped_by_the_camera() -> None:
    watched = Watched(ManualRunner())
    runner, prompt = watched.runner, click(1, (250, 150))
    watched.show(NEAR)
    runner.finish_all()
    watched.show(NEAR, prompt)
    watched.show(FAR, prompt)
    assert runner.states == [State.DECODING]
    runner.finish()
    assert watched.decoded == [(1,)]
    assert runner.states == [State.EMBEDDING]
    runner.finish_all()
    assert watched.embedded == [NEAR.size, FAR.size]


def test_a_decode_of_a_prompt_that_changed_is_stopped_wherever_the_camera_is() -> None:
    watched = Watched(ManualRunner())
    watched.show(NEAR)
    watched.runner.finish_all()
    watched.show(NEAR, click(1, (250, 150)))
    watched.show(FAR, click(1, (251, 150)))
    watched.runner.finish_all()
    assert watched.decoded == [(1,)]
    np.testing.assert_array_equal(watched.masks[1], fake_mask(click(1, (251, 150)), SHAPE))


def test_a_refinement_in_the_same_view_gets_the_logits_as_they_were(sync) -> None:
    sync.show(NEAR, click(1, (250, 150)))
    sync.show(NEAR, click(1, (250, 150), (256, 152)))
    np.testing.assert_array_equal(
        sync.predictor.batches[-1][0].mask, np.full((LOGITS, LOGITS), 1, np.float32)
    )


def test_a_refinement_in_another_view_gets_them_where_they_belong(sync) -> None:
    sync.show(NEAR, click(1, (250, 150)))
    sync.show(Region(100, 200, 500, 600), click(1, (250, 150), (256, 152)))
    mask = sync.predictor.batches[-1][0].mask
    assert (mask[: LOGITS // 2, : LOGITS // 2] == 1).all()
    assert (mask[LOGITS // 2 :] == -10).all()
    assert (mask[:, LOGITS // 2 :] == -10).all()


@pytest.mark.parametrize(("region", "clings"), [(NEAR, True), (Region(50, 50, 400, 400), False)])
def test_a_mask_that_its_view_cut_off_is_not_clung_to_in_another(sync, region, clings) -> None:
    sync.show(NEAR, click(1, (207, 150)))
    assert not sync.session.result(1).is_cut
    sync.session.choose(1)  # the larger candidate reaches to the edge of the view
    assert sync.session.result(1).is_cut
    sync.show(region, click(1, (207, 150), (256, 152)))
    assert (sync.predictor.batches[-1][0].mask is not None) is clings


def test_what_ends_with_the_plane_is_not_cut() -> None:
    assert not is_cut(crop_of(np.ones(SHAPE, bool)), view_of())
    crop = crop_of(fake_mask(click(1, (250, 150)), SHAPE))
    assert not is_cut(crop, view_of(NEAR))
    assert is_cut(crop, view_of(Region(145, 200, 300, 400)))


@pytest.mark.parametrize("side", range(4), ids=["top", "left", "bottom", "right"])
def test_a_mask_is_cut_at_whichever_side_its_view_ends(side: int) -> None:
    view, box = (50, 50, 90, 90), [55, 55, 85, 85]
    box[side] = view[side]
    mask = np.zeros(SHAPE, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    assert is_cut(crop_of(mask), view_of(Region(*view)))
    assert not is_cut(crop_of(mask), view_of(Region(40, 40, 100, 100)))


def test_memory_for_one_embedding_alone_still_comes_to_an_end(sync) -> None:
    sync.session.cache.budget_mb = 1
    sync.show(NEAR, click(1, (250, 150)), click(2, (600, 700)))
    assert sync.decoded == [(1,), (2,)]
    assert sync.session.status.state is State.READY


boxes = st.tuples(
    st.integers(0, 600), st.integers(0, 800), st.integers(5, 200), st.integers(5, 200)
)


@given(boxes, boxes)
def test_a_mask_prompt_covers_the_same_place_in_every_view(covered, seen) -> None:
    x, y, width, height = covered
    mask_box = (x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5)
    region = Region(seen[1], seen[0], seen[1] + seen[3], seen[0] + seen[2])
    prompt = Prompt(1, box=mask_box, mask=np.full((64, 64), 10.0), mask_box=mask_box)
    mask = in_view(prompt, view_of(region), 32).mask
    rows = region.top - 0.5 + (np.arange(32) + 0.5) / 32 * region.size[0]
    columns = region.left - 0.5 + (np.arange(32) + 0.5) / 32 * region.size[1]
    cell = max(region.size) / 32
    inside = np.logical_and.outer(
        (rows > mask_box[1] + cell) & (rows < mask_box[3] - cell),
        (columns > mask_box[0] + cell) & (columns < mask_box[2] - cell),
    )
    outside = ~np.logical_and.outer(
        (rows > mask_box[1] - cell) & (rows < mask_box[3] + cell),
        (columns > mask_box[0] - cell) & (columns < mask_box[2] + cell),
    )
    if mask is None:  # nothing of it is seen
        assert not inside.any()
    else:
        assert (mask[inside] == 10).all()
        assert (mask[outside] == -10).all()
