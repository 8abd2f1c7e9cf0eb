"""Through a stack: objects that are known on some planes, found on the planes between and beyond.

Values in, values out: numpy and scipy only.  No torch (a predictor's ``embed`` and ``decode`` are
handed in), no napari, no scheduling (``engine``).
"""

from __future__ import annotations

from .doubt import doubts_of_planes
from .handover import HandOver
from .lineage import Lineage, Track
from .methods import Method, check_method, follower_of
from .painting import painted
from .partitions import Partition, partitions_of, propagate_partitions
from .recall import MemoryFollower
from .run import propagate
from .stacks import EMBEDDINGS, Embeddings
from .stretches import Wanted, current, current_ends, missing
from .values import (
    Anchors,
    End,
    EndKey,
    Filled,
    Follower,
    Found,
    Guess,
    History,
    Section,
    Stack,
    key_of,
)
