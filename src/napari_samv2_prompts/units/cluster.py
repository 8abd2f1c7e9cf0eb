"""Units of work on several processes or machines, by dask.distributed (the extra ``cluster``).

Here: how to come to a client, and :func:`run_on`.  Each worker makes one predictor and keeps it.
Units are submitted a few more than there are workers, so that a million of them weigh nothing, and
several in a message.  A worker that dies is replaced and its unit done again; a unit that ends
several workers is named and left out.  dask's own configuration is never changed, but for as long
as workers are started on this machine (:data:`KEPT_ON`).

Not here: what a unit is (``unit.py``), what the window has done (``parts.py``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from napari_samv2_prompts.units.unit import (
    ModelSettings,
    Outcome,
    Unit,
    failure,
    perform,
    run_units,
)

if TYPE_CHECKING:
    from distributed import Client

T_ = TypeVar("T_")

# Units that are submitted at a time, for each worker: one in work, others on their way.
AHEAD = 3
WAIT = 60  # seconds for the first worker to come
LOOK = 0.2  # seconds after which it is asked again whether to stop
KILLS = "it ended every worker that tried it: it is left out (too little memory?)."
LOST = "The connection to the dask scheduler was lost."
DESERTED = 30.0  # seconds without any worker of this machine: dask would wait for ever
# dask closes a process for good whose worker is away at one look, so long after it was lost: one
# that ends again and again would be left out at some time, and with it what it does then.
KEPT_ON = {"distributed.deploy.lost-worker-timeout": "1000d"}
NOBODY = "All workers have ended, and none was started again."
GPU = "GPU"  # the resource by which workers say that they have one; dask-cuda names it so, too
_PACKAGES = ("napari-samv2-prompts", "numpy", "torch")


@contextmanager
def cluster_client(workers: int | None = None, scheduler: str | None = None) -> Iterator[Client]:
    """Start workers on this machine, or come to those of a scheduler.

    - `workers`: how many processes to start, with one thread each
    - `scheduler`: address of a scheduler, or the file that it wrote.  Without both, the environment
      variable ``DASK_SCHEDULER_ADDRESS`` says it.
    - raises ImportError if dask.distributed is not installed; the message says how to get it
    - raises OSError if there is no scheduler at that address, or no such file
    """
    distributed = _distributed()
    if workers is None:
        address = scheduler
        if scheduler is not None and scheduler.endswith(".json"):
            address = _address_in(Path(scheduler))
        try:
            client = distributed.Client(address, set_as_default=False, timeout=20)
        except (OSError, ValueError) as error:
            raise OSError(f"There is no dask scheduler at {scheduler} ({error}).") from error
        with client:
            yield client
        return
    import dask

    with (
        TemporaryDirectory(prefix="napari-samv2-prompts-") as folder,
        dask.config.set(KEPT_ON),
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, memory_limit=0,
            dashboard_address=":0", local_directory=folder, silence_logs=50,
        ) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


def _address_in(file: Path) -> str:
    """Return the address in a scheduler's file; dask waits for ever for one that is not there."""
    try:
        return str(json.loads(file.read_text("utf-8"))["address"])
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no file {file}: start the scheduler first, with --scheduler-file."
        ) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise OSError(f"{file} is no file that a dask scheduler wrote.") from error


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ImportError(
            'Workers need dask.distributed: pip install "napari-samv2-prompts[cluster]"'
        ) from error
    return distributed


def run_here_or_on(
    client: Client | None,
    units: Iterable[Unit],
    settings: ModelSettings,
    *,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Do units on the workers of a client, or without one in this process."""
    if client is None:
        return run_units(units, cache(settings.make), settings.key(), overwrite=overwrite)
    return run_on(client, units, settings, overwrite=overwrite)


def run_on(
    client: Client,
    units: Iterable[Unit],
    settings: ModelSettings,
    *,
    overwrite: bool = False,
    check: Callable[[], object] = lambda: None,
) -> Iterator[Outcome]:
    """Do units on the workers of a client, and yield what became of each, in no order.

    - `client`: its workers see the same files under the same names
    - `units`: taken as they are needed
    - `settings`: what each worker makes its predictor of
    - `overwrite`: see :func:`.perform`
    - `check`: called now and then; what it raises ends the work
    - raises ValueError if a worker has other versions of what decides on the results, or other
      weights
    - raises OSError if there are no workers, or the scheduler is gone
    """
    weights = settings.key()
    resources = agreed(client, settings, weights)

    def send(units: Sequence[Unit]) -> list[Any]:
        futures: list[Any] = client.map(
            _perform, units, pure=False, resources=resources,
            settings=settings, weights=weights, overwrite=overwrite,
        )  # fmt: skip
        return futures

    killed: list[Unit] = []
    for done, _ in flow(client, units, send, check):
        killed += [unit for future, unit in done.items() if _ended_workers(future)]
        yield from _outcomes(client, {f: unit for f, unit in done.items() if unit not in killed})
    # dask also suspects what was waiting for a worker that ended: each is tried by itself.
    for unit in killed if len(killed) > 1 else ():
        for done, _ in flow(client, [unit], send, check):
            yield from _outcomes(client, done)
    if len(killed) == 1:
        yield Outcome(killed[0], error=KILLS)


def flow(
    client: Client,
    units: Iterable[T_],
    send: Callable[[Sequence[T_]], list[Any]],
    check: Callable[[], object],
    news: SimpleQueue[Any] | None = None,
) -> Iterator[tuple[dict[Any, T_], list[Any]]]:
    """Keep workers supplied, and yield what has come from them.

    - `units`: taken as they are needed
    - `send`: submits units, all in one message: each message costs milliseconds.  Returns their
      futures.
    - `check`: called now and then; what it raises ends the work
    - `news`: what else is waited for
    - yields the units that are done, also where it failed, and what was in the queue
    - raises OSError if the scheduler is gone, or all workers of this machine are
    """
    news = SimpleQueue() if news is None else news
    left, waiting = iter(units), dict[Any, T_]()

    def submit(count: int) -> None:
        more = list(islice(left, count))
        futures = send(more) if more else []
        waiting.update(zip(futures, more, strict=True))
        for future in futures:
            future.add_done_callback(news.put)

    alone = 0  # looks in a row without a worker: one that ended is soon started again
    try:
        submit(AHEAD * max(1, len(client.nthreads())))
        while waiting:
            with suppress(Empty):
                come = [news.get(timeout=LOOK)]
                while not news.empty():
                    come.append(news.get())
                done = {future: waiting.pop(future) for future in come if future in waiting}
                if any(future.status == "cancelled" for future in done):
                    raise OSError(LOST)
                submit(len(done))
                yield done, [one for one in come if one not in done]
            alone = alone + 1 if _is_deserted(client) else 0
            if alone * LOOK > DESERTED:
                raise OSError(NOBODY)
            check()
    finally:
        with suppress(Exception):  # where the scheduler is gone there is nothing to be called back
            client.cancel(list(waiting))


def _is_deserted(client: Client) -> bool:
    """Tell whether workers of this machine have all ended.

    Those of a scheduler may be waiting for a place in a queue.
    """
    local = isinstance(client.cluster, _distributed().LocalCluster)
    return local and not client.cluster.scheduler.workers


def _outcomes(client: Client, done: dict[Any, Unit]) -> list[Outcome]:
    """Return what became of units that are done, fetched in one message where all is well."""
    well = [future for future in done if future.status == "finished"]
    try:
        found = dict(zip(well, client.gather(well), strict=True))
    except Exception:  # noqa: BLE001 - one by one, so that the others are not lost with it
        found = {}
    return [found.get(future) or _outcome(future, unit) for future, unit in done.items()]


def _outcome(future: Any, unit: Unit) -> Outcome:
    try:
        found: Outcome = future.result()
    except Exception as error:  # noqa: BLE001 - also what can't be pickled back
        return Outcome(unit, error=reason_of(error))
    return found


def _ended_workers(future: Any) -> bool:
    return future.status == "error" and isinstance(future.exception(), _distributed().KilledWorker)


def reason_of(error: Exception) -> str:
    """Return why a unit failed on its worker, in a sentence."""
    return KILLS if isinstance(error, _distributed().KilledWorker) else failure(error)


def agreed(client: Client, settings: ModelSettings, weights: str) -> dict[str, float] | None:
    """Refuse workers that would give other results; return what a unit asks of one."""
    try:
        client.wait_for_workers(1, timeout=WAIT)
        states = client.run(_state, settings)
    except TimeoutError as error:
        raise OSError(f"The scheduler got no worker within {WAIT} seconds.") from error
    except ImportError as error:
        raise ValueError(
            f"The workers lack something ({error}): install the same napari-samv2-prompts there."
        ) from error
    here = _versions()
    for address, (there, key, _) in states.items():
        other = [name for name in _PACKAGES if there[name] != here[name]]
        if other:
            told = ", ".join(f"{name} {there[name]} and not {here[name]}" for name in other)
            raise ValueError(f"The worker at {address} has {told}: results could differ.")
        if key != weights:
            raise ValueError(f"The worker at {address} has other weights under the same name.")
    return {GPU: 1} if any(gpu for _, _, gpu in states.values()) else None


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _PACKAGES}


# --- in a worker ---


def _state(settings: ModelSettings, dask_worker: Any = None) -> tuple[dict[str, str], str, bool]:
    """Return a worker's versions, the weights it has, and whether it says that it has a GPU."""
    try:
        key = settings.key()
    except OSError as error:
        key = str(error)
    return _versions(), key, GPU in dask_worker.state.total_resources


def _perform(unit: Unit, settings: ModelSettings, weights: str, overwrite: bool) -> Outcome:
    return perform(unit, kept_predictor(settings), weights, overwrite=overwrite)


def kept_predictor(settings: ModelSettings) -> Callable[[], Any]:
    """Return what makes this worker's predictor when it is first called, and keeps it."""
    from distributed import get_worker

    worker: Any = get_worker()
    made: dict[ModelSettings, Any] = worker.__dict__.setdefault("_samv2_predictors", {})
    if settings not in made:
        made.clear()  # one at a time: they are large
        made[settings] = cache(settings.make)
    kept: Callable[[], Any] = made[settings]
    return kept
