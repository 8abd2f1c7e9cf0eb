"""A stack flooded part by part ends much like one that is flooded at once."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.segmentation import watershed

from napari_samv2_prompts.propagation.flooding import GROUND, RegionGraph, regions_of

SHAPE = 6, 14, 15


def flooded(height, known, planes, covered=None, least=0.0, shallow=1.0):
    """Labels of a stack that is flooded so many planes at a time."""
    covered = np.ones(SHAPE, bool) if covered is None else covered
    graph, parts, before = RegionGraph(int(known.max())), [], None
    for start in range(0, len(height), planes):
        part = slice(start, start + planes)
        within = np.ones(height[part].shape, bool)
        regions = regions_of(height[part], known[part], within, 1.0, graph.count + 1)
        graph.add(regions, height[part], covered[part], before)
        before = regions[-1], height[part][-1]
        parts.append(regions)
    return graph.settled(shallow, least)[np.concatenate(parts)]


def agreement(seed, planes):
    """The share of pixels where both ways agree, in nothing but noise: on pictures it is more."""
    rng = np.random.default_rng(seed)
    height = rng.permutation(np.prod(SHAPE)).reshape(SHAPE).astype(np.float32)  # no two alike
    known = np.zeros(SHAPE, np.int32)
    count = 2 + seed % 4
    known.ravel()[rng.choice(known.size, count, replace=False)] = 1 + np.arange(count)
    return np.mean(flooded(height, known, planes) == watershed(height, known))


@pytest.mark.parametrize("planes", range(1, 7))
def test_parts_are_flooded_as_a_watershed_floods_the_whole(planes):
    assert np.mean([agreement(seed, planes) for seed in range(20)]) > 0.98


@pytest.mark.parametrize(("least", "label"), [(0.0, 2), (0.2, GROUND), (0.05, 2)])
def test_a_region_of_which_little_is_covered_is_ground(least, label):
    height = np.zeros(SHAPE, np.float32)
    height[:, :, 5], height[:, :, 10] = 50, 90  # two walls, the lower one towards the object
    known = np.zeros(SHAPE, np.int32)
    known[:, 7, 2], known[:, 7, 13] = 2, GROUND
    covered = np.zeros(SHAPE, bool)
    covered[:, :, :5] = covered[:, :1] = True
    labels = flooded(height, known, 6, covered, least)
    assert (labels[:, :, 6:10] == label).all()
    assert (labels[:, :, :5] == 2).all()
    assert (labels[:, :, 11:] == GROUND).all()


def test_noise_within_a_cell_makes_no_part_of_it_ground():
    """The cell is covered for the most part; its right half has a minimum of its own."""
    height = np.zeros(SHAPE, np.float32)
    height[:, :, 10], height[:, :, 7] = 90, 3
    known = np.zeros(SHAPE, np.int32)
    known[:, 7, 2], known[:, 7, 13] = 2, GROUND
    covered = np.zeros(SHAPE, bool)
    covered[:, :, :7] = True
    assert (flooded(height, known, 6, covered, 0.2, shallow=5.0)[:, :, :10] == 2).all()
    assert (flooded(height, known, 6, covered, 0.2, shallow=2.0)[:, :, 8:10] == GROUND).all()


def test_what_nothing_known_is_connected_to_has_no_label():
    height, known = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.int32)
    known[0, 3, 2] = GROUND
    within = np.ones(SHAPE, bool)
    within[:, :, 7] = False
    graph = RegionGraph(GROUND)
    regions = regions_of(height, known, within, 1.0, graph.count + 1)
    graph.add(regions, height, within, None)
    labels = graph.settled(1.0, 0.0)[regions]
    assert (labels[:, :, :7] == GROUND).all()
    assert not labels[:, :, 7:].any()
