"""``python -m napari_samv2_prompts.cli``."""

from __future__ import annotations

import sys

from napari_samv2_prompts.cli import main

if __name__ == "__main__":  # worker processes import this module, too
    sys.exit(main())
