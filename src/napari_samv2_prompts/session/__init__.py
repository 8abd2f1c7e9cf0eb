"""The engine: wishes in, masks out; no Qt, napari or torch.

``engine`` decides, ``work`` is what it has done, ``answers`` remembers what came of it, ``values``
is what goes in and comes out.  ``cache`` and ``store`` hold embeddings in memory and on the disk,
``refinement`` compares prompts, ``errors`` words failures.
"""

from .cache import EmbeddingCache, Memory
from .engine import PredictorFactory, Session
from .store import EmbeddingStore
from .tasks import (
    Cancelled,
    Done,
    Failed,
    Outcome,
    Progress,
    Runner,
    Stopped,
    Task,
)
from .values import (
    Embedding,
    ModelChoice,
    ObjectResult,
    Packing,
    Predictor,
    Removal,
    Results,
    Snapshot,
    State,
    Status,
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
