"""Write ``docs/image-kinds.md`` from the tests that prove it: ``python -m scripts.image_kinds``."""

from __future__ import annotations

from tests.image_kinds import TABLE

if __name__ == "__main__":
    TABLE.page.write_text(TABLE.text(), encoding="utf-8")
