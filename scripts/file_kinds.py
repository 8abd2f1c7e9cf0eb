"""Write ``docs/file-kinds.md`` from the tests that prove it: ``python -m scripts.file_kinds``."""

from __future__ import annotations

from tests.io.file_kinds import PAGE, table

if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
