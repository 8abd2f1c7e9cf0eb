"""The metadata of OME-Zarr files: whatever is in them, a value or a reason comes out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.io.ngff import multiscale_of, plate_wells, safe_path, well_fields

words = st.sampled_from(
    ["multiscales", "datasets", "path", "axes", "name", "type", "unit", "ome", "version", "plate",
     "wells", "well", "images", "coordinateTransformations", "scale", "translation", "omero",
     "channels", "label", "channel", "y", "x"]
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)
numbers = st.lists(st.floats() | st.integers() | st.text(max_size=2), max_size=4) | json_values
changes = st.lists(
    st.fixed_dictionaries({"type": words}, optional={"scale": numbers, "translation": numbers}),
    max_size=3,
)
images = st.fixed_dictionaries(
    {"datasets": st.lists(
        st.fixed_dictionaries({"path": st.just("0") | json_values},
                              optional={"coordinateTransformations": changes | json_values}),
        max_size=3) | json_values},
    optional={"axes": st.lists(st.fixed_dictionaries({}, optional={
        "name": words | json_values, "type": words | json_values, "unit": json_values,
    }) | words, max_size=4) | json_values, "version": json_values},
)  # fmt: skip
owners = st.fixed_dictionaries(
    {},
    optional={
        "multiscales": st.lists(images, max_size=2) | json_values,
        "plate": st.fixed_dictionaries({"wells": json_values}) | json_values,
        "well": st.fixed_dictionaries({"images": json_values}) | json_values,
        "omero": json_values,
    },
)


def answer(ask, *arguments):
    """Return what is answered; None where a reason is given in place of it."""
    try:
        return ask(*arguments)
    except ValueError as error:
        reason = str(error)
    assert reason
    return None


@given(owners | owners.map(lambda inner: {"ome": inner}), st.integers(1, 6))
def test_whatever_metadata_say_is_a_value_or_a_reason(attributes: dict, ndim: int) -> None:
    for read in (plate_wells, well_fields):
        paths = answer(read, attributes) or ()
        assert all(safe_path(path, "it") == path for path in paths)
    described = answer(multiscale_of, attributes)
    if described is None:
        return
    assert described.levels
    axes, steps = answer(described.axes, ndim), answer(described.step, ndim)
    assert axes is None or (len(axes) == ndim and axes.endswith("yx"))
    assert steps is None or (len(steps) == ndim and all(0 < n < math.inf for n in steps[-2:]))


@pytest.mark.parametrize("path", ["../x", "/etc", "a//b", "a/../../b", "", None, 3, "a\\b", "."])
def test_no_path_leads_out_of_the_file(path: object) -> None:
    with pytest.raises(ValueError, match="names nothing in the file"):
        safe_path(path, "a well")


@pytest.mark.parametrize("nested", [False, True], ids=["0.4", "0.5"])
def test_an_image_as_both_versions_write_it(nested: bool) -> None:
    own = {
        "multiscales": [{
            "version": "0.4",
            "axes": [{"name": "c", "type": "channel"},
                     *({"name": n, "type": "space", "unit": "micrometer"} for n in "yx")],
            "datasets": [{"path": "0", "coordinateTransformations": [
                {"type": "scale", "scale": [1, 0.5, 0.25]}]}],
            "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 2]}],
        }],
        "omero": {"channels": [{"label": "DAPI"}, {}]},
    }  # fmt: skip
    described = multiscale_of({"ome": own | {"version": "0.5"}} if nested else own)
    assert described is not None
    assert described.version == ("0.5" if nested else "0.4")
    assert described.axes(3) == "cyx"
    assert described.step(3) == (1, 1, 0.5)
    assert described.channels == ("DAPI", "1")
