"""Kinds of images and what happens with them: each row of the guide's table with its proof.

``scripts/image_kinds.py`` writes the table to ``docs/image-kinds.md``; ``test_image_kinds.py`` runs
the proofs and sees to it that the page is up to date.
"""

# The order of the table.
from tests.image_kinds import places  # isort: skip
from tests.image_kinds import contents  # isort: skip
from tests.image_kinds.common import TABLE

__all__ = ["TABLE", "contents", "places"]
