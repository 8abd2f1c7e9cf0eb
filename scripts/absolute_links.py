"""Put an address in front of the README's links and pictures, for places that show it alone.

    python scripts/absolute_links.py https://example.org/napari-samv2-prompts/v0.2.0

PyPI and the napari hub show the README without the repository around it.  Run this on the copy that
is built; links that are absolute already, and those within the page, stay.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
LINK = re.compile(r"(\]\(|src=\")(?!https?://|#|mailto:)")


def absolute(text: str, address: str) -> str:
    """Return a page in Markdown with an address in front of its relative links."""
    return LINK.sub(rf"\g<1>{address.rstrip('/')}/", text)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].startswith("https://"):
        sys.exit(__doc__)
    README.write_text(absolute(README.read_text("utf-8"), sys.argv[1]), "utf-8")
