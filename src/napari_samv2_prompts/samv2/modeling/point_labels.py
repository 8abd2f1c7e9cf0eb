"""What the labels of points mean to the network, as in the published checkpoints."""

from __future__ import annotations

PAD, NEGATIVE, POSITIVE, BOX_START, BOX_END = -1, 0, 1, 2, 3
