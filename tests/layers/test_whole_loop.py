"""From layers to prompts to labels, without a model: a fake one that fills what is prompted."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from tests.fakes import adopt

from napari_samv2_prompts.layers import (
    LabelsTarget,
    colour_prompts,
    current_plane,
    image_view,
    make_layers,
    prompted_objects,
    read_prompts,
    remove_objects,
    set_new_prompt,
)
from napari_samv2_prompts.mask_crops import MaskCrop


def fill(prompt) -> MaskCrop:
    """The pixels whose centres lie in the box of a prompt."""
    x0, y0, x1, y1 = np.ceil(prompt.box).astype(int)
    return MaskCrop(y0, x0, np.ones((y1 - y0, x1 - x0), bool))


def predict(viewer, image, points, shapes, target):
    plane = current_plane(viewer.dims, image)
    prompts, _ = read_prompts(points, shapes, image, plane, viewer.dims)
    target.write(plane, {p.object: fill(p) for p in prompts if p.box is not None})


@pytest.mark.parametrize("wrap", [lambda viewer: viewer, PublicOnlyProxy], ids=["bare", "proxy"])
def test_the_whole_loop_works_on_what_plugins_get(wrap):
    viewer = wrap(ViewerModel())
    data = np.random.default_rng(0).integers(0, 4096, (3, 40, 50)).astype(np.uint16)
    viewer.add_image(data, name="cells", scale=(4, 0.5, 0.5), units=("um",) * 3)
    image = viewer.layers["cells"]
    points, shapes, labels = make_layers(viewer, image)
    target = LabelsTarget(labels, highest=0)
    target.check(image, viewer.dims)
    viewer.dims.set_current_step(0, 1)
    for number, corner in ((1, 5), (2, 20)):
        assert target.next_free(max(prompted_objects(points, shapes), default=0)) == number
        set_new_prompt(points, shapes, object_=number, labels=labels)
        box = [[1, corner, 10], [1, corner, 30], [1, corner + 10, 30], [1, corner + 10, 10]]
        shapes.add_rectangles(np.array(box, dtype=float))
        predict(viewer, image, points, shapes, target)
    colour_prompts(points, shapes, labels)
    assert image_view(image, current_plane(viewer.dims, image)).read().shape == (40, 50)
    expected = np.zeros((3, 40, 50), int)
    expected[1, 5:15, 10:30], expected[1, 20:30, 10:30] = 1, 2
    np.testing.assert_array_equal(labels.data, expected)

    remove_objects([points, shapes], [1])
    target.remove(target.live() - prompted_objects(points, shapes))
    expected[expected == 1] = 0
    np.testing.assert_array_equal(labels.data, expected)
    labels.undo()
    assert (labels.data == 1).sum() == 200
    target.close()


def test_each_physical_box_is_labelled_where_it_was_drawn_whatever_the_layers_transforms():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((40, 50)), scale=(0.2, 0.4), translate=(3, -7), rotate=30)
    labels = make_layers(viewer, image)[2]
    shapes = viewer.add_shapes(name="in world coordinates", ndim=2)
    adopt(shapes)
    frame = np.array([[8.0, 10], [8, 30], [20, 30], [20, 10]])
    shapes.add_rectangles(np.array([image.data_to_world(corner) for corner in frame]))
    target = LabelsTarget(labels, highest=0)
    predict(viewer, image, None, shapes, target)
    # Shapes hold single-precision vertices, so a pixel at the very edge may go either way.
    assert (labels.data[9:20, 11:30] == 1).all()
    outside = np.ones((40, 50), bool)
    outside[8:21, 10:31] = False
    assert not labels.data[outside].any()


def test_labels_of_one_plane_never_reach_another():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((2, 3, 40, 50)))
    points, shapes, labels = make_layers(viewer, image)
    target = LabelsTarget(labels, highest=0)
    for number, (t, z) in enumerate(((0, 2), (1, 1)), start=1):
        set_new_prompt(points, shapes, object_=number, labels=labels)
        box = [[t, z, 5, 5], [t, z, 5, 20], [t, z, 20, 20], [t, z, 20, 5]]
        shapes.add_rectangles(np.array(box, dtype=float))
        viewer.dims.set_current_step(0, t)
        viewer.dims.set_current_step(1, z)
        predict(viewer, image, points, shapes, target)
    found = {
        tuple(int(i) for i in index): np.unique(labels.data[tuple(index)]).tolist()
        for index in np.ndindex(2, 3)
        if labels.data[tuple(index)].any()
    }
    assert found == {(0, 2): [0, 1], (1, 1): [0, 2]}
