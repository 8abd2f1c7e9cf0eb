"""``--workers`` and ``--scheduler``, for the sub-commands whose work is made of units."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.cli.common import ensure_downloaded, predictor, settings_of, tell

if TYPE_CHECKING:
    from napari_samv2_prompts.units import Outcome, Unit

__all__ = ["add_worker_options", "do_units", "outcomes_of"]


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers`` and ``--scheduler``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--workers", type=int, metavar="N", help="so many processes on this machine, by dask"
    )
    group.add_argument(
        "--scheduler", metavar="ADDRESS", help="workers of a dask scheduler, or its file (.json)"
    )


def do_units(
    options: argparse.Namespace, units: Sequence[Unit], out: Path, problems: Sequence[str] = ()
) -> int:
    """Do units with a bar, and say what became of them and what else is left out.

    Returns
    -------
    int
        The exit status: 1 if something was left out.
    """
    from tqdm import tqdm

    tell(problems)
    done = skipped = failed = 0
    with outcomes_of(options, units) as outcomes:
        for outcome in tqdm(outcomes, total=len(units), unit="image", disable=None):
            done += not (outcome.error or outcome.skipped)
            skipped += outcome.skipped
            failed += bool(outcome.error)
            tell(outcome.notes)
            if outcome.error:
                name = outcome.unit.name  # which most messages begin with
                about = "" if outcome.error.startswith(name) else f"{name}: "
                tell([f"{about}{outcome.error}"])
    failed += len(problems)
    print(f"{done} segmented, {skipped} done before, {failed} left out: {out}")
    return int(failed > 0)


@contextmanager
def outcomes_of(options: argparse.Namespace, units: Iterable[Unit]) -> Iterator[Iterable[Outcome]]:
    """Hand out what becomes of units, done where the options say."""
    settings = settings_of(options)
    if options.workers is None and options.scheduler is None:
        from napari_samv2_prompts.units import run_units

        make = cache(lambda: predictor(options))  # only if there is anything to do
        yield run_units(units, make, settings.key(), overwrite=options.overwrite)
        return
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers is {options.workers}: it is a whole number from 1.")
    from napari_samv2_prompts.cluster import cluster_client, run_on

    ensure_downloaded(options)  # once, not by each worker of this machine
    with cluster_client(options.workers, options.scheduler) as client:
        yield run_on(client, units, settings, overwrite=options.overwrite)
