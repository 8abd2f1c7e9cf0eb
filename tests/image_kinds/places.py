"""Planes and coordinates."""

from __future__ import annotations

import warnings

import numpy as np
from tests.image_kinds.common import Scene, row, shown, volume

# --- planes ---

PLANES = "Planes"


@row(PLANES, "2D, grey", "segmented")
def _() -> None:
    Scene(volume(6, 7)).segmented()


@row(
    PLANES,
    "ZYX, TYX, TZYX, CZYX and more axes",
    "the plane on screen; prompts and labels on it only",
)
def _() -> None:
    for shape, steps in (((4, 6, 7), (2,)), ((2, 4, 6, 7), (1, 3)), ((2, 2, 3, 6, 7), (1, 0, 2))):
        scene = Scene(volume(*shape)).at(*steps)
        np.testing.assert_array_equal(scene.picture(), shown(scene))
        scene.segmented()


@row(PLANES, "RGB and RGBA", "in colour; RGBA is laid over black, as on the canvas")
def _() -> None:
    rgb, rgba = Scene(volume(40, 50, 3)), Scene(volume(3, 40, 50, 4))
    assert rgb.picture().shape == rgba.picture().shape == (40, 50, 3)
    rgb.segmented()
    rgba.at(1).segmented()


@row(
    PLANES,
    "axes rolled or transposed",
    "as they are shown; labels are written back in their own order",
)
def _() -> None:
    for order in ((0, 2, 1), (1, 2, 0), (2, 0, 1)):
        scene = Scene(volume(5, 6, 7))
        scene.viewer.dims.order = order
        scene.at(2, 2, 2)
        np.testing.assert_array_equal(scene.picture(), shown(scene))
        scene.segmented()


@row(PLANES, "a flat image beside a stack", "its own plane, whatever the slider says")
def _() -> None:
    scene = Scene(volume(6, 7))
    scene.viewer.add_image(volume(4, 6, 7))
    scene.at(2).segmented()


@row(PLANES, "an image that lacks an axis on screen", "refused: roll or transpose the axes back")
def _() -> None:
    scene = Scene(volume(6, 7))
    scene.viewer.add_image(volume(4, 6, 7))
    scene.viewer.dims.order = (1, 2, 0)
    scene.refused("roll or transpose")


@row(PLANES, "slider beside the image", "refused: move it to where the image is")
def _() -> None:
    scene = Scene(volume(4, 6, 7))
    scene.viewer.add_image(volume(4, 6, 7), translate=(20, 0, 0))
    scene.viewer.dims.set_point(0, 22)
    scene.refused("slider")


@row(
    PLANES,
    "slices projected into one (thickness above 0)",
    "refused: set thickness 0 or projection none",
)
def _() -> None:
    scene = Scene(volume(4, 6, 7))
    scene.viewer.dims.thickness = (2, 0, 0)
    scene.refused("thickness")
    scene.image.projection_mode = "none"
    scene.segmented()


@row(PLANES, "3D display", "refused: switch to 2D")
def _() -> None:
    scene = Scene(volume(4, 6, 7))
    scene.viewer.dims.ndisplay = 3
    scene.refused("2D display")


# --- coordinates ---

PLACE = "Coordinates"


@row(
    PLACE,
    "scale (anisotropic, negative), translate",
    "segmented; prompts and labels at the same place",
)
def _() -> None:
    scene = Scene(volume(4, 6, 7), scale=(-3, 0.5, 2), translate=(100, -7, 3))
    np.testing.assert_array_equal(scene.picture(), shown(scene))
    scene.segmented()


@row(PLACE, "rotate, shear, affine within the plane", "segmented")
def _() -> None:
    affine = np.eye(4)
    affine[1:3, 1:3] = [[0.8, -0.6], [0.6, 0.9]]
    Scene(volume(4, 6, 7), affine=affine).segmented()


@row(
    PLACE, "a transform that tilts the plane on screen", "refused: only transforms within the plane"
)
def _() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Non-orthogonal")
        Scene(volume(4, 6, 7), rotate=(10, 20, 30)).refused("out of the plane")


@row(PLACE, "prompts in a layer with a transform of its own", "the same place of the world counts")
def _() -> None:
    scene = Scene(volume(4, 6, 7), scale=(1, 0.5, 0.5)).at(2)
    scene.segmented(scene.viewer.add_shapes(ndim=3, scale=(0.5, 2, 3), translate=(0, 40, -9)))


@row(
    PLACE, "units: nm beside um", "converted; units that don't fit are ignored, as the viewer does"
)
def _() -> None:
    scene = Scene(volume(5, 6, 7), units=("um", "um", "um"))
    scene.viewer.add_image(volume(5, 6, 7), units=("nm", "nm", "nm"))
    scene.viewer.dims.set_point(0, 3000)
    assert scene.plane.index == (3, None, None)
    scene.segmented()
