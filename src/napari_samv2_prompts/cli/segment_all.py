"""``segment IMAGE --all`` and ``segment FOLDER --all``: every object that can be found."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from napari_samv2_prompts.candidates import Order, Selection
from napari_samv2_prompts.cli.common import predictor, tell
from napari_samv2_prompts.cli.outputs import labels_path

if TYPE_CHECKING:
    from napari_samv2_prompts.batch import Job


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only finding all has."""
    usual = Selection()
    add = parser.add_argument
    add("--all", action="store_true", help="find all objects, without prompts")
    add("--min-score", type=float, default=usual.min_score, help="least score of an object")
    add("--min-area", type=float, default=0.0, help="least area of an object, in pixels")
    add("--order", choices=get_args(Order), default=usual.order, help="who wins where two overlap")


def wanted(options: argparse.Namespace) -> bool:
    """Tell whether all objects are wanted."""
    return bool(options.all)


def run(options: argparse.Namespace) -> int:
    """Find all objects of a picture, or of each picture of a folder; 1 if one was left out."""
    if options.boxes or options.points or options.prompts:
        raise ValueError("--all finds objects without prompts: leave out --boxes and --points.")
    selection = Selection(
        min_score=options.min_score, min_area=options.min_area, order=options.order
    )
    if options.image.is_dir() and options.image.suffix.lower() != ".zarr":
        return _folder(options, selection)
    from napari_samv2_prompts.batch import Job, run_all

    labels = labels_path(options)
    started = time.perf_counter()
    outcome = run_all(
        Job(options.image, labels, outlines=options.picture), lambda: predictor(options), selection
    )
    tell(outcome.notes)
    print(f"{outcome.objects} objects in {time.perf_counter() - started:.2f} s")
    print(f"Labels: {labels}")
    _write_coco(options, [outcome.job])
    return 0


def _folder(options: argparse.Namespace, selection: Selection) -> int:
    from tqdm import tqdm

    from napari_samv2_prompts.batch import find_pictures, run_all, run_jobs

    out: Path = options.output or options.image / "labels"
    jobs = find_pictures(options.image, out, ending=".ome.tif" if options.ome else ".tif")
    out.mkdir(parents=True, exist_ok=True)
    made = cache(lambda: predictor(options))  # only if there is anything to do
    outcomes = run_jobs(
        jobs, lambda job: run_all(job, made, selection), overwrite=options.overwrite
    )
    done = skipped = failed = 0
    for outcome in tqdm(outcomes, total=len(jobs), unit="image", disable=None):
        done += not (outcome.error or outcome.skipped)
        skipped += outcome.skipped
        failed += bool(outcome.error)
        tell(outcome.notes)
        if outcome.error:
            tell([f"{outcome.job.image.name}: {outcome.error}"])
    print(f"{done} segmented, {skipped} done before, {failed} left out: {out}")
    _write_coco(options, [job for job in jobs if job.labels.is_file()])
    return int(failed > 0)


def _write_coco(options: argparse.Namespace, jobs: Sequence[Job]) -> None:
    """Write the COCO file that was asked for, with the scores."""
    if options.coco is None:
        return
    from tifffile import imread

    from napari_samv2_prompts.io.exports import LabelledImage, write_coco
    from napari_samv2_prompts.io.object_tables import objects_path, read_scores

    images = (
        LabelledImage(job.image.name, imread(job.labels), read_scores(objects_path(job.labels)))
        for job in jobs
    )
    write_coco(options.coco, images, polygons=options.polygons)
    print(f"COCO: {options.coco}")
