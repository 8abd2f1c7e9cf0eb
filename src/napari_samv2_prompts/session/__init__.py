"""The engine: wishes in, masks out; no Qt, napari or torch.

``engine`` decides, ``work`` is what it has done, ``answers`` remembers what came of it, ``values``
is what goes in and comes out.  ``cache`` and ``store`` hold embeddings in memory and on the disk,
``refinement`` compares prompts, ``errors`` words failures.
"""

from .cache import EmbeddingCache, Memory
from .engine import PredictorFactory, Session
from .store import EmbeddingStore
from .values import (
    Cancelled,
    Done,
    Embedding,
    Failed,
    ModelChoice,
    ObjectResult,
    Outcome,
    Packing,
    Predictor,
    Progress,
    Removal,
    Results,
    Runner,
    Snapshot,
    State,
    Status,
    Stopped,
    Task,
    View,
)

__all__ = [
    "Cancelled",
    "Done",
    "Embedding",
    "EmbeddingCache",
    "EmbeddingStore",
    "Failed",
    "Memory",
    "ModelChoice",
    "ObjectResult",
    "Outcome",
    "Packing",
    "Predictor",
    "PredictorFactory",
    "Progress",
    "Removal",
    "Results",
    "Runner",
    "Session",
    "Snapshot",
    "State",
    "Status",
    "Stopped",
    "Task",
    "View",
]
