"""What the guide says of kinds of images is so, and it says all of it."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import pytest
from tests.image_kinds import TABLE

if TYPE_CHECKING:
    from tests.kinds import Kind


@pytest.mark.parametrize("kind", TABLE.kinds, ids=attrgetter("kind"))
def test_what_the_guide_says_is_so(kind: Kind) -> None:
    kind.prove()


def test_the_page_is_up_to_date() -> None:
    assert TABLE.page.read_text(encoding="utf-8") == TABLE.text(), (
        "run: python -m scripts.image_kinds"
    )
