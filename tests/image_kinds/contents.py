"""Values, sources and sizes of images, and Labels layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.image_kinds.common import Scene, row, volume

from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.images import render_plane
from napari_samv2_prompts.layers import (
    LabelsTarget,
    TargetError,
    composed_view,
    image_view,
    shown_plane,
)
from napari_samv2_prompts.layers.planes import visible_part
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.regions import choose_region

# --- values ---

VALUES = "Values"


@row(VALUES, "bool, whole numbers of 8 to 32 bit, real numbers, negative ones",
     "8 bit by contrast limits and gamma, as on screen")  # fmt: skip
def _() -> None:
    for dtype in ("bool", "u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"):
        data = (volume(6, 7) > 99) if dtype == "bool" else (volume(6, 7) // 3).astype(dtype)
        scene = Scene(data, contrast_limits=(0, 80))
        scene.image.gamma = 0.7
        expected = np.rint(np.clip(data / 80, 0, 1) ** 0.7 * 255)
        np.testing.assert_allclose(scene.picture(), expected, atol=1)


@row(VALUES, "NaN and infinite values", "NaN is black, infinite values saturate")
def _() -> None:
    scene = Scene(np.array([[np.nan, -np.inf], [np.inf, 0.5]]), contrast_limits=(0, 1))
    assert scene.picture().tolist() == [[0, 0], [255, 128]]


@row(VALUES, "constant", "black; no error")
def _() -> None:
    assert not render_plane(np.full((6, 7), 5), Scene(volume(6, 7)).plane).any()


@row(VALUES, "complex", "refused: convert it to real numbers")
def _() -> None:
    plane = Scene(volume(6, 7)).plane
    with pytest.raises(ValueError, match="convert it to real numbers"):
        render_plane(np.zeros((6, 7), complex), plane)


@row(VALUES, "*by percentiles*", "a contrast of its own, whatever is on screen")
def _() -> None:
    data = np.linspace(1000, 1100, 4200).reshape(60, 70)
    scene = Scene(data, contrast_limits=(0, 60_000))
    assert np.ptp(scene.picture()) < 5
    assert np.ptp(scene.picture("percentiles")) == 255


@row(
    VALUES,
    "several channel layers, *all visible channels*",
    "one picture in their colours and blending",
)
def _() -> None:
    scene = Scene(np.full((6, 7), 200, np.uint8), colormap="red", contrast_limits=(0, 255))
    green = scene.viewer.add_image(
        np.full((6, 7), 100, np.uint8), colormap="green", blending="additive",
        contrast_limits=(0, 255),
    )  # fmt: skip
    picture = composed_view([scene.image, green], scene.plane, scene.viewer.dims).read()
    np.testing.assert_allclose(picture[0, 0], (200, 100, 0), atol=1)


@row(VALUES, "channels of another shape or place", "refused by name")
def _() -> None:
    scene = Scene(volume(6, 7))
    moved = scene.viewer.add_image(volume(6, 7), translate=(0, 3), name="moved")
    with pytest.raises(PlaneError, match="moved"):
        composed_view([scene.image, moved], scene.plane, scene.viewer.dims)


# --- sources and size ---

SOURCES = "Sources and size"


class Store:
    """An array that counts what is read from it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.read = array, 0
        self.shape, self.dtype, self.ndim, self.size = (
            array.shape, array.dtype, array.ndim, array.size,
        )  # fmt: skip

    def __getitem__(self, key: Any) -> np.ndarray:
        part = np.asarray(self.array[key])
        self.read += part.nbytes
        return part


@row(
    SOURCES,
    "numpy, dask, zarr, xarray, tensorstore",
    "read by the worker, and of a stack only the plane on screen",
)
def _() -> None:
    dask, zarr = pytest.importorskip("dask.array"), pytest.importorskip("zarr")
    data = volume(5, 6, 7)
    xarray, tensorstore = pytest.importorskip("xarray"), pytest.importorskip("tensorstore")
    kinds = dask.from_array, zarr.array, xarray.DataArray, tensorstore.array
    for lazy in (data, *(kind(data) for kind in kinds)):
        scene = Scene(lazy, contrast_limits=(0, 255)).at(3)
        np.testing.assert_array_equal(scene.picture(), data[3])
    store = Store(np.broadcast_to(np.uint8(0), (10_000, 6, 7)))
    scene = Scene(store, contrast_limits=(0, 255), visible=False)
    store.read = 0
    scene.picture()
    assert store.read == 6 * 7


@row(
    SOURCES, "a pyramid (multiscale)", "the coarsest level that has all the detail the model takes"
)
def _() -> None:
    full = volume(256, 256)
    stores = [Store(full[:: 2**i, :: 2**i]) for i in range(4)]
    scene = Scene(stores, multiscale=True, contrast_limits=(0, 255), visible=False)
    view = image_view(scene.image, scene.plane)
    for store in stores:
        store.read = 0
    view.within(view.region, 64).read()
    assert [store.read for store in stores] == [0, 0, 64 * 64, 0]


@row(SOURCES, "a pyramid whose levels have fewer planes, too",
     "read from the levels that have the very plane; coarser ones mix it with others")  # fmt: skip
def _() -> None:
    full = volume(8, 256, 256)
    levels = [Store(full), Store(full[:, ::2, ::2]), Store(full[::2, ::4, ::4])]
    scene = Scene(levels, multiscale=True, contrast_limits=(0, 255), visible=False).at(5)
    view = image_view(scene.image, scene.plane)
    for level in levels:
        level.read = 0
    np.testing.assert_array_equal(view.within(view.region, 64).read(), full[5, ::2, ::2])
    assert [level.read for level in levels] == [0, 128 * 128, 0]


@row(
    SOURCES,
    "larger than 1024 x 1024, the models' input",
    "what is on screen, with a margin; *whole plane* is a choice",
)
def _() -> None:
    scene = Scene(np.broadcast_to(np.uint8(0), (20_000, 20_000)), contrast_limits=(0, 255))
    scene.viewer.scene.camera.center = (5000, 7000)
    scene.viewer.scene.camera.zoom = 2
    visible = visible_part(scene.viewer, shown_plane(scene.viewer.dims, scene.image))
    region = choose_region(scene.plane.shape, visible.extent)
    assert region.holds(visible.extent, scene.plane.shape)
    assert max(region.size) < 1000
    view = image_view(scene.image, scene.plane).within(region, 1024)
    assert view.read().shape == region.size


@row(SOURCES, "larger than the input, without a pyramid, zoomed out",
     "read in strips and averaged, so that memory stays small")  # fmt: skip
def _() -> None:
    scene = Scene(np.broadcast_to(np.uint8(9), (4000, 6000)), contrast_limits=(0, 255))
    view = image_view(scene.image, scene.plane)
    picture = view.within(view.region, 64).read()
    assert max(picture.shape) < 4 * 64
    assert (picture == 9).all()


# --- labels ---

LABELS = "Labels layers"


def labels_refused(data: Any, words: str, **layer: Any) -> TargetError:
    scene = Scene(volume(6, 7))
    labels = scene.viewer.add_labels(data, **layer)
    target = LabelsTarget(labels, highest=0)

    def use() -> None:
        target.check(scene.image, scene.viewer.dims)
        target.write(scene.plane, {300: MaskCrop(0, 0, np.ones((2, 2), bool))})

    with pytest.raises(TargetError, match=words) as error:
        use()
    assert not np.asarray(labels.data[0] if labels.multiscale else labels.data).any()
    return error.value


@row(LABELS, "numpy, any whole-number type", "changed pixels only, one undo step")
def _() -> None:
    for dtype in (np.uint8, np.int16, np.uint16, np.uint32, np.int64):
        scene = Scene(volume(6, 7))
        labels = scene.viewer.add_labels(np.zeros((6, 7), dtype))
        target = LabelsTarget(labels, highest=0)
        target.write(scene.plane, {7: MaskCrop(1, 1, np.ones((2, 3), bool))})
        assert (labels.data[1:3, 1:4] == 7).all()
        labels.undo()
        assert not labels.data.any()


@row(
    LABELS, "numpy, in the byte order of other machines (big-endian)",
    "refused; this machine's is offered",
)  # fmt: skip
def _() -> None:
    other = np.dtype(np.uint16).newbyteorder()
    assert labels_refused(np.zeros((6, 7), other), "byte order").dtype == np.uint16


@row(LABELS, "a label that the type can't hold", "refused whole; a wider type is offered")
def _() -> None:
    assert labels_refused(np.zeros((6, 7), np.uint8), "convert them").dtype == np.uint16


@row(LABELS, "dask or zarr", "refused; a copy in memory is offered")
def _() -> None:
    dask, zarr = pytest.importorskip("dask.array"), pytest.importorskip("zarr")
    for data in (dask.zeros((6, 7), dtype=np.uint16), zarr.zeros((6, 7), dtype=np.uint16)):
        assert labels_refused(data, "can't be edited with undo").dtype == np.uint16


@row(LABELS, "read-only, or locked against editing", "refused; a copy is offered")
def _() -> None:
    data = np.zeros((6, 7), np.uint16)
    data.flags.writeable = False
    assert labels_refused(data, "read-only").dtype == np.uint16


@row(LABELS, "multiscale", "refused; a copy of the full size is offered")
def _() -> None:
    data = np.zeros((6, 7), np.uint16)
    assert labels_refused([data, data[::2, ::2]], "multiscale").dtype == np.uint16


@row(LABELS, "another shape or place than the image's", "refused: make new ones")
def _() -> None:
    labels_refused(np.zeros((5, 7), np.uint16), "shape")
    labels_refused(np.zeros((6, 7), np.uint16), "lie elsewhere", scale=(2, 1))
