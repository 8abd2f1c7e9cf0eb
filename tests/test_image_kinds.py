"""What the guide says of kinds of images is so, and it says all of it."""

from __future__ import annotations

import pytest
from tests.image_kinds import KINDS, PAGE, Kind, table


@pytest.mark.parametrize("kind", [pytest.param(item, id=item.kind) for item in KINDS])
def test_what_the_guide_says_is_so(kind: Kind) -> None:
    kind.prove()


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == table(), "run: python -m scripts.image_kinds"
