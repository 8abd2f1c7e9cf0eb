"""``segment FOLDER``: each picture with the table beside it."""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

from napari_samv2_prompts.cli.common import predictor, tell
from napari_samv2_prompts.cli.outputs import write_coco_file
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_MODEL


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only a folder has."""
    parser.add_argument("--ome", action="store_true", help="write OME-TIFF for a folder")
    parser.add_argument(
        "--overwrite", action="store_true", help="segment again what is done in a folder"
    )


def wanted(options: argparse.Namespace) -> bool:
    """Tell whether the image is a folder of pictures."""
    image: Path = options.image
    return image.is_dir() and image.suffix.lower() != ".zarr"


def run(options: argparse.Namespace) -> int:
    """Segment what is not done yet; 1 if something was left out."""
    from tqdm import tqdm

    from napari_samv2_prompts.batch import find_jobs, run_job, run_jobs

    one_for_all = options.boxes is not None and options.boxes.suffix.lower() == ".json"
    others = options.points or options.prompts or options.picture
    if others or (options.boxes and not one_for_all):
        raise ValueError(
            "A folder has its tables beside its pictures: leave out those options. Only a COCO "
            "file (--boxes FILE.json) can be for all."
        )
    out: Path = options.output or options.image / "labels"
    jobs, problems = find_jobs(
        options.image,
        out,
        ending=".ome.tif" if options.ome else ".tif",
        keep_prompts=options.save_prompts,
        boxes=options.boxes,
        box_format=options.box_format,
    )
    out.mkdir(parents=True, exist_ok=True)
    tell(problems)
    made = cache(lambda: predictor(options))  # only if there is anything to do
    model = options.model or DEFAULT_MODEL
    outcomes = run_jobs(
        jobs,
        lambda job: run_job(job, made, model, options.checkpoint),
        overwrite=options.overwrite,
    )
    done = skipped = failed = 0
    for outcome in tqdm(outcomes, total=len(jobs), unit="image", disable=None):
        done += not (outcome.error or outcome.skipped)
        skipped += outcome.skipped
        failed += bool(outcome.error)
        tell(outcome.notes)
        if outcome.error:
            name = outcome.job.image.name  # which most messages begin with
            about = "" if outcome.error.startswith(name) else f"{name}: "
            tell([f"{about}{outcome.error}"])
    print(f"{done} segmented, {skipped} done before, {failed + len(problems)} left out: {out}")
    write_coco_file(options, [job for job in jobs if job.labels.is_file()])
    return int(failed + len(problems) > 0)
