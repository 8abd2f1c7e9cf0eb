"""Drawing returns what it drew on, draws what it says and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from napari_samv2_prompts.samv2.visualization import showbox, showmask, showmasks, showpoints

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGE = np.full((40, 60, 3), 200, dtype=np.uint8)
MASK = np.zeros((40, 60), dtype=bool)
MASK[10:30, 20:50] = True


@pytest.fixture
def ax() -> Iterator[Axes]:
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def rendered(ax: Axes) -> np.ndarray:
    ax.figure.canvas.draw()
    return np.asarray(ax.figure.canvas.buffer_rgba())


@pytest.mark.parametrize("mask", [MASK, MASK[None], MASK.astype(np.float32)])
def test_a_mask_covers_its_pixels_only(ax: Axes, mask: np.ndarray) -> None:
    assert showmask(mask, ax, borders=False) is ax
    overlay = ax.images[-1].get_array()
    np.testing.assert_array_equal(np.asarray(overlay)[..., 3] > 0, MASK)


@pytest.mark.parametrize("mask", [np.zeros((4, 4)), np.ones((4, 4))])
def test_masks_without_a_border_draw_without_a_warning(ax: Axes, mask: np.ndarray) -> None:
    showmask(mask, ax)


def test_points_of_both_kinds_differ_in_shape_and_colour(ax: Axes) -> None:
    assert showpoints([[[5, 5]], [[9, 3]]], [[1], [0]], ax) is ax
    positive, negative = ax.collections
    np.testing.assert_array_equal(positive.get_offsets(), [[5, 5]])
    np.testing.assert_array_equal(negative.get_offsets(), [[9, 3]])
    assert len(positive.get_paths()[0]) != len(negative.get_paths()[0])


def test_a_box_is_outlined_where_it_is(ax: Axes) -> None:
    assert showbox([50, 30, 20, 10], ax) is ax
    box = ax.patches[0].get_bbox()
    assert (*box.min, *box.max) == (20, 10, 50, 30)


def test_candidates_stand_side_by_side_with_their_scores() -> None:
    figure = showmasks(
        IMAGE, np.stack([MASK] * 3), [0.9, 0.5, 0.1], [[5, 5]], [1, 2, 20, 30], input_labels=[1]
    )
    assert [ax.get_title() for ax in figure.axes] == [
        "mask 1, score 0.900",
        "mask 2, score 0.500",
        "mask 3, score 0.100",
    ]
    plt.close(figure)


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plt.close(showmasks(IMAGE, MASK[None], [0.9]))
    assert not list(tmp_path.iterdir())


def test_unusable_arguments_are_refused(ax: Axes) -> None:
    with pytest.raises(ValueError, match="input_labels"):
        showmasks(IMAGE, MASK[None], [0.9], point_coords=[[1, 1]])
    with pytest.raises(ValueError, match="1 masks but 2 scores"):
        showmasks(IMAGE, MASK[None], [0.9, 0.8])
    with pytest.raises(ValueError, match="two axes"):
        showmask(np.zeros((2, 3, 4)), ax)
