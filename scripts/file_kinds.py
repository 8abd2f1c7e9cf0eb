"""Write ``docs/file-kinds.md`` from the tests that prove it: ``python -m scripts.file_kinds``."""

from __future__ import annotations

from tests.io.file_kinds import TABLE

if __name__ == "__main__":
    TABLE.page.write_text(TABLE.text(), encoding="utf-8")
