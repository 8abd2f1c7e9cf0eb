"""Images of random pixels in viewer models, and transforms for layers."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from napari.components import ViewerModel


def viewer_with(data, **kwargs):
    viewer = ViewerModel()
    return viewer, viewer.add_image(data, **kwargs)


def volume(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def shown_by_napari(layer):
    """The slice that the viewer draws, from its own slicing."""
    return np.asarray(layer._slice.image.raw)


placements = st.fixed_dictionaries(
    {
        "scale": st.tuples(*[st.sampled_from((-3.0, 0.01, 0.5, 1.0, 40.0))] * 2),
        "translate": st.tuples(*[st.floats(-500, 500)] * 2),
        "rotate": st.floats(-180, 180),
        "shear": st.floats(-1, 1),
        "unit": st.sampled_from(("um", "nm", "mm")),
    }
)


def place(placement, ndim, hidden_scale):
    """Arguments of a layer that is transformed within its last two axes."""
    turn = np.deg2rad(placement["rotate"])
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ [[1, placement["shear"]], [0, 1]]
    affine = np.eye(ndim + 1)
    affine[ndim - 2 : ndim, ndim - 2 : ndim] = linear
    lead = [hidden_scale] * (ndim - 2)
    return {
        "affine": affine,
        "scale": [*lead, *placement["scale"]],
        "translate": [*([0] * (ndim - 2)), *placement["translate"]],
        "units": [*(["um"] * (ndim - 2)), *([placement["unit"]] * 2)],
    }
