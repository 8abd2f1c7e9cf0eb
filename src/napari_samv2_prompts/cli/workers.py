"""``--workers`` and ``--scheduler``, for the sub-commands whose work is made of units."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_samv2_prompts.cli.common import ensure_downloaded, predictor, settings_of, tell
from napari_samv2_prompts.cli.number_types import count

if TYPE_CHECKING:
    from napari_samv2_prompts.units.unit import Outcome, Unit

U = TypeVar("U", bound="Unit")


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers`` and ``--scheduler``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--workers", type=count, metavar="N", help="so many processes on this machine, by dask"
    )
    group.add_argument(
        "--scheduler", metavar="ADDRESS", help="workers of a dask scheduler, or its file (.json)"
    )


def do_units(
    options: argparse.Namespace, units: Sequence[U], out: Path, problems: Sequence[str] = ()
) -> tuple[int, list[U]]:
    """Do units with a bar, and say what became of them and what else is left out.

    - returns the exit status: 1 if something was left out
    - returns those that did not fail: what lies where another's result would be is older
    """
    tell(problems)
    done = skipped = 0
    failed: list[Unit] = []
    with runner_of(options) as run:
        for outcome in with_bar(run(units), len(units), "image"):
            done += not (outcome.error or outcome.skipped)
            skipped += outcome.skipped
            if outcome.error:
                failed.append(outcome.unit)
    left_out = len(failed) + len(problems)
    print(f"{done} segmented, {skipped} done before, {left_out} left out: {out}")
    return int(left_out > 0), [unit for unit in units if unit not in failed]


def with_bar(
    outcomes: Iterable[Outcome],
    total: int,
    unit: str,
    weight: Callable[[Outcome], int] = lambda outcome: 1,
) -> Iterator[Outcome]:
    """Hand outcomes on, showing how far they are, and saying what the user should know of each.

    - `unit`: what is counted
    - `weight`: how many of it an outcome is
    """
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, disable=None) as bar:
        for outcome in outcomes:
            bar.update(weight(outcome))
            tell(outcome.notes)
            if outcome.error:
                name = outcome.unit.name  # which most messages begin with
                about = "" if outcome.error.startswith(name) else f"{name}: "
                tell([f"{about}{outcome.error}"])
            yield outcome


@contextmanager
def runner_of(
    options: argparse.Namespace, *, overwrite: bool | None = None
) -> Iterator[Callable[[Iterable[Unit]], Iterator[Outcome]]]:
    """Hand out what does units where the options say, as often as it is called.

    - `overwrite`: whether to do what is done again; as the options say if not given
    """
    settings = settings_of(options)
    again = options.overwrite if overwrite is None else overwrite
    if options.workers is None and options.scheduler is None:
        from napari_samv2_prompts.units.unit import run_units

        make = cache(lambda: predictor(options))  # only if there is anything to do
        yield lambda units: run_units(units, make, settings.key(), overwrite=again)
        return
    from napari_samv2_prompts.units.cluster import cluster_client, run_on

    ensure_downloaded(options)  # once, not by each worker of this machine
    with cluster_client(options.workers, options.scheduler) as client:
        yield lambda units: run_on(client, units, settings, overwrite=again)
