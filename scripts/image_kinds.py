"""Write ``docs/image-kinds.md`` from the tests that prove it: ``python -m scripts.image_kinds``."""

from __future__ import annotations

from tests.image_kinds import PAGE, table

if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
