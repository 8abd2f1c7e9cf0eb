"""The engine: wishes in, masks out; no Qt, napari or torch.

``engine`` decides, ``work`` is what it has done, ``answers`` remembers what came of it, ``values``
is what goes in and ``news`` what comes out.  ``cache`` and ``store`` hold embeddings in memory and
on the disk, ``ahead`` says what to embed when nothing else is to be done, ``refinement`` compares
prompts, ``errors`` words failures.
"""

from .cache import EmbeddingCache, Memory
from .hover import Hover
from .loading import PredictorFactory
from .news import AllPlanes, ObjectResult, Outline, Removal, Results, Status
from .session import Session
from .store import EmbeddingStore
from .tasks import (
    AtOnce,
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
    Packing,
    Predictor,
    Snapshot,
    State,
    View,
)

__all__ = [
    "AllPlanes",
    "AtOnce",
    "Cancelled",
    "Done",
    "Embedding",
    "EmbeddingCache",
    "EmbeddingStore",
    "Failed",
    "Hover",
    "Memory",
    "ModelChoice",
    "ObjectResult",
    "Outcome",
    "Outline",
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
