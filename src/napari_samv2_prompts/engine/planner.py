"""Which jobs are missing, and what becomes of their results.

A :class:`Planner` compares what is wanted with what there is - a loaded model, embeddings,
results - and names what is missing: make the candidate that was chosen, load, embed or decode; then
what was asked for in the background, and what may be of use later.

All changed objects that one view holds go in one batch: those in the view on screen first, then
others in views of their own.  Which have changed is in ``prompt_changes.py``.  A decode that is
under way is let finish when nothing but the part of the plane on screen has changed.

Not here: starting and stopping jobs (``scheduler.py``), who is told (``session.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from napari_samv2_prompts.prompts import ItemMasks, Masks, Prompt, PromptBatch

from .cache import EmbeddingCache, EmbeddingKey
from .coordinates import held_by
from .decode import choose_job, decode_job
from .embed import Embedded, embed_job
from .jobs import Job, Priority
from .load import Loaded, Loader, PredictorFactory
from .prefetch import Prefetch
from .preview import outline
from .prompt_changes import next_part, refined, still_asked
from .protocols import Embedding, Predictor
from .requested import RequestedWork
from .requests import ModelChoice, Place, Request
from .result_store import ResultStore
from .results import Results
from .store import EmbeddingStore


class Planner:
    """What there is, and what is missing.

    - `requested`: what the user may ask for in the background, the most urgent first
    - `announce`: told new masks
    - `.active`: what is acted on; None: nothing
    - `.model`, `.predictor`: what is loaded
    """

    def __init__(
        self,
        make_predictor: PredictorFactory,
        cache: EmbeddingCache[Embedding],
        store: EmbeddingStore | None,
        results: ResultStore,
        requested: Sequence[RequestedWork[Any]],
        announce: Callable[[Results], object],
    ) -> None:
        self.active: Request | None = None
        self.model: ModelChoice | None = None
        self.predictor: Predictor | None = None
        self.store = store
        self.prefetch = Prefetch(cache)
        self._loader, self._cache = Loader(make_predictor), cache
        self._results, self._requested, self._announce = results, requested, announce

    def missing(self) -> Iterator[Job[Any]]:
        """Yield the jobs that are missing, the most urgent first.

        Without anything to act on, what was asked for in the background still goes on.  What
        follows a job of prompts can be done without it.
        """
        active, prompts = self.active, None
        known = active and self._results.unmade_choice(active.place)
        if active and known:
            yield choose_job(active.place, known, self.choose)
        model = active.model if active else self._asked_model
        if model is None:
            return
        predictor, cache, store = self.predictor, self._cache, self.store
        if predictor is None or self.model != model:
            load = self._loader.job(model, self._on_loaded)
            yield load if active else replace(load, priority=Priority.REQUESTED, state=None)
            return
        if active:
            prompts = self._job_for_prompts(active, predictor)
        if prompts:
            yield prompts
        for work in self._requested:
            if job := work.job(predictor, cache, store):
                yield job
        if active and not prompts and (ahead := self.prefetch.job(active, predictor, store)):
            yield ahead

    @property
    def _asked_model(self) -> ModelChoice | None:
        """The model of what was asked for in the background, if that is done here."""
        return next((work.model_here for work in self._requested if work.model_here), None)

    @property
    def can_work(self) -> bool:
        """Whether the model that is wanted now is there."""
        wanted = self.active.model if self.active else self._asked_model
        return self.predictor is not None and self.model == wanted

    def _job_for_prompts(self, active: Request, predictor: Predictor) -> Job[Any] | None:
        results = self._results
        part = next_part(active, results)
        embedding = self._cache.get(EmbeddingKey.of(part.view, part.model))
        if embedding is None:
            return embed_job(predictor, part.view, part.model, self.store, self._on_embedded)
        if not part.prompts:
            return None
        batch = PromptBatch(tuple(refined(part, prompt, results) for prompt in part.prompts))
        return decode_job(
            predictor, embedding, part, batch, results.preferred(part.place), self._on_masks,
            still_useful=lambda: still_asked(part, self.active, results),
        )  # fmt: skip

    def outline_job(self, request: Request, prompt: Prompt) -> Job[Any] | None:
        """Return the job of outlining what a prompt would give; None if that takes more."""
        predictor, view = self.predictor, request.view
        embedding = self._cache.get(EmbeddingKey.of(view, request.model))
        if predictor is None or self.model != request.model or embedding is None:
            return None
        if not held_by(view, [prompt]):
            return None
        asked = refined(request, prompt, self._results)
        return Job("outline", lambda task: outline(predictor, embedding, view, asked))

    def close(self) -> None:
        """Let go of the model."""
        self.active = self.model = self.predictor = None

    # --- where results go ------------------------------------------------------------------

    def _on_loaded(self, model: ModelChoice, loaded: Loaded) -> None:
        self.predictor, self.model = loaded.predictor, model
        if self._loader.is_other(model, loaded):
            self._cache.drop(lambda key: key.model == model)
            self.prefetch.forget_disk()
            self._results.outdate(model)

    def _on_embedded(self, key: EmbeddingKey, embedded: Embedded) -> None:
        self.prefetch.note(key, embedded)
        if embedded.embedding is not None:
            part = next_part(self.active, self._results) if self.active else None
            current = EmbeddingKey.of(part.view, part.model) if part else None
            self._cache.put(key, embedded.embedding, current=current)

    def _on_masks(self, part: Request, masks: Masks) -> None:
        self._announce(Results(part.place, self._results.take(part, masks), part))

    def choose(self, place: Place, masks: ItemMasks, candidate: int) -> None:
        """Have an object show one of its candidates, which was made."""
        result = self._results.choose(place, masks, candidate)
        if result is not None:
            self._announce(Results(place, (result,), is_choice=True))
