"""The engine: requests in, masks out; no Qt, napari or torch.

``session`` says which job is missing next, ``scheduler`` runs it, ``jobs`` is what a job is.  The
kinds of jobs are ``load``, ``embed``, ``decode``, ``prefetch`` and ``preview``.
``requests`` is what goes in, ``results`` what comes out.  ``result_store``,
``cache`` and ``store`` keep results, embeddings in memory and embeddings on the disk.
``prompt_changes`` says which prompts are to be decoded, and how; ``coordinates`` is between the
plane and the view of it that is embedded.
"""

from typing import TYPE_CHECKING, Any

from .cache import EmbeddingCache
from .generate import Chunk, Generation
from .jobs import (
    AtOnce,
    Cancelled,
    Done,
    Failed,
    Job,
    OnDone,
    OnReport,
    Outcome,
    Partial,
    Priority,
    Progress,
    Report,
    Runner,
    State,
    Stopped,
    Task,
)
from .load import PredictorFactory
from .preview import Outline
from .protocols import Predictor
from .requested import Step, Tools, WorkUpdate, with_time
from .requests import ModelChoice, Place, Request
from .results import AllPlanes, ObjectResult, Provenance, Removal, Results, Status
from .session import Session
from .store import EmbeddingStore

if TYPE_CHECKING:
    from .propagate import Propagation


def __getattr__(name: str) -> Any:
    if name == "Propagation":  # following objects needs many modules, and few ask for it
        from .propagate import Propagation

        return Propagation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
