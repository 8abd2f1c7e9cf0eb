"""What the guide says of kinds of files is so, and it says all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.io.file_kinds import KINDS, PAGE, Kind, table
from tests.io.file_kinds.common import GREY, Desk

from napari_samv2_prompts import segment


@pytest.mark.parametrize("kind", [pytest.param(item, id=item.kind) for item in KINDS])
def test_what_the_guide_says_is_so(kind: Kind, tmp_path: Path, capsys, monkeypatch) -> None:
    kind.prove(Desk(tmp_path, capsys, monkeypatch))


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == table(), "run: python -m scripts.file_kinds"


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 4)), {}])
def test_a_script_may_have_no_objects(nothing: object) -> None:

    labels = segment(GREY, boxes=nothing)
    assert labels.shape == GREY.shape
    assert not labels.any()
