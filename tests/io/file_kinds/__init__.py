"""Kinds of files and what happens with them: each row of the guide's table with its proof.

``scripts/file_kinds.py`` writes the table to ``docs/file-kinds.md``; ``test_file_kinds.py`` runs
the proofs and sees to it that the page is up to date.
"""

# The order of the table.
from tests.io.file_kinds import numbers  # isort: skip
from tests.io.file_kinds import pictures  # isort: skip
from tests.io.file_kinds import folders  # isort: skip
from tests.io.file_kinds import tables  # isort: skip
from tests.io.file_kinds import annotations  # isort: skip
from tests.io.file_kinds.common import TABLE

__all__ = ["TABLE", "annotations", "folders", "numbers", "pictures", "tables"]
