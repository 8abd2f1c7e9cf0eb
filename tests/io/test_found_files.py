"""What planes gained, in a file: the same comes back, and half a file is none."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.io.found_files import (
    FilledFolder,
    found_key,
    read_filled,
    write_filled,
)
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import End, Filled, Section

KEYS = st.none() | st.tuples(st.integers(0, 99), st.text("0123456789abcdef", min_size=4))
BETWEEN = st.tuples(KEYS, KEYS)
MASKS = st.builds(
    lambda rows, columns, seed: np.random.default_rng(seed).random((rows, columns)) < 0.5,
    st.integers(0, 9), st.integers(0, 9), st.integers(0, 99),
)  # fmt: skip
CROPS = st.builds(MaskCrop, st.integers(0, 500), st.integers(0, 500), MASKS)
SECTIONS = st.builds(
    Section,
    CROPS, st.floats(0, 1), st.floats(0, 1), BETWEEN, st.booleans(), st.none() | CROPS,
    st.text("0123456789abcdef", max_size=16),
)  # fmt: skip
PARTS = st.builds(
    lambda plane, sections, ends: Filled(
        plane, sections, tuple(End(n, at, way, between, why) for n, at, way, between, why in ends)
    ),
    st.integers(0, 99),
    st.dictionaries(st.integers(1, 10**6), SECTIONS, max_size=3),
    st.lists(
        st.tuples(
            st.integers(1, 9),
            st.integers(0, 99),
            st.sampled_from([1, -1]),
            BETWEEN,
            st.sampled_from(["not seen", ""]),
        ),
        max_size=2,
    ),
)


def mask(crop: MaskCrop | None) -> object:
    return None if crop is None else (crop.box, crop.mask.tobytes())


def told(parts: list[Filled]) -> list:
    return [
        (
            part.plane,
            part.ends,
            {
                number: (
                    mask(s.crop),
                    s.score,
                    s.doubt,
                    s.between,
                    s.rough,
                    mask(s.followed),
                    s.fitted_to,
                )
                for number, s in part.sections.items()
            },
        )
        for part in parts
    ]


@given(st.lists(PARTS, max_size=4), st.text(max_size=20))
def test_what_was_written_comes_back(parts, key) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "0.npz"
        key = key.replace("\0", "")  # which numpy leaves out at the end of a text
        write_filled(path, parts, key)
        assert told(read_filled(path)) == told(parts)
        assert found_key(path) == key
        path.write_bytes(path.read_bytes()[:-30])
        assert found_key(path) is None
        assert found_key(path.with_name("none.npz")) is None


@given(st.lists(PARTS, max_size=6), st.integers(0, 6))
def test_a_folder_gives_back_what_was_found_also_after_a_stop(parts, stop) -> None:
    parts = [part for one in parts for part in (one, Filled(one.plane, {}))]  # work goes on
    with TemporaryDirectory() as folder:
        for some in (parts[:stop], parts[stop:]):
            assert list(FilledFolder(Path(folder), "key").noted(some)) == some
        found = [part for part in parts if part.sections or part.ends]
        assert told(FilledFolder(Path(folder), "key").read()) == told(found)
        assert len(list(Path(folder).iterdir())) == len(found)
