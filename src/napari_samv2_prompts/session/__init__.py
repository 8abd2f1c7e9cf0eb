"""The engine: wishes in, masks out; no Qt, napari or torch.

``engine`` decides, ``values`` is what goes in and comes out, ``cache`` holds embeddings,
``refinement`` compares prompts, ``errors`` words failures.
"""

from .cache import EmbeddingCache
from .engine import PredictorFactory, Session
from .values import (
    Cancelled,
    Done,
    Embedding,
    Failed,
    ModelChoice,
    ObjectResult,
    Outcome,
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
    "Failed",
    "ModelChoice",
    "ObjectResult",
    "Outcome",
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
