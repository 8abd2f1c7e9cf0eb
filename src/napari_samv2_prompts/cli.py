"""The command line: demo, segment, models.

Options and what is printed belong here; what is done with an image is in ``scripting.py`` and
``batch.py``. torch is imported once a command is known to need it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.io.prompt_tables import BOX_COLUMNS, POINT_COLUMNS
from napari_samv2_prompts.samv2.torch_problem import is_about_torch, torch_problem
from napari_samv2_prompts.samv2.weights.registry import PUBLISHED_FILES, CheckpointError, find
from napari_samv2_prompts.samv2.weights.variants import (
    DEFAULT_MODEL,
    DEFAULT_VERSION,
    VARIANTS,
    find_variant,
)

if TYPE_CHECKING:
    from napari_samv2_prompts.batch import Job
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

__all__ = ["main"]

_PROGRAM = "napari-samv2-prompts"
_DEVICES = ("auto", "cuda", "mps", "cpu")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 for an error, 130 if interrupted.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if not given.
    """
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options) or 0)
    except KeyboardInterrupt:
        print(f"\n{_PROGRAM}: stopped.", file=sys.stderr)
        return 130
    except (ValueError, OSError, MemoryError, ImportError) as error:
        wrong = isinstance(error, ImportError | OSError) and is_about_torch(error)
        print(f"{_PROGRAM}: {torch_problem(error) if wrong else error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="Segment objects from points and boxes with SAMV2."
    )
    parser.add_argument("--version", action=_ShowVersion)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="segment a bundled picture of coins")
    demo.add_argument("--out", type=Path, default=Path("samv2-demo"), metavar="DIR")
    _add_model_options(demo)
    demo.set_defaults(run=_demo)

    segment = commands.add_parser(
        "segment",
        help="segment a picture, or a folder of them, from tables of prompts",
        description="Segment a picture from tables of prompts, or each picture of a folder from "
        "the table of the same name beside it: cells.tif with cells.csv.",
    )
    segment.add_argument("image", type=Path, help="picture (TIFF, PNG, JPEG, ...) or folder")
    segment.add_argument("--boxes", type=Path, help=f"CSV table: {','.join(BOX_COLUMNS)}")
    segment.add_argument("--points", type=Path, help=f"CSV table: {','.join(POINT_COLUMNS)}")
    segment.add_argument("--prompts", type=Path, help="prompts that were saved as .json")
    segment.add_argument(
        "-o",
        "--output",
        type=Path,
        help="labels.tif, labels.ome.tif, or the folder for those of a folder",
    )
    segment.add_argument("--picture", type=Path, help="also write the outlines on the picture")
    segment.add_argument(
        "--save-prompts", action="store_true", help="also write prompts and settings as .json"
    )
    segment.add_argument("--coco", type=Path, metavar="FILE", help="also write all as COCO JSON")
    segment.add_argument("--polygons", action="store_true", help="outlines in the COCO file")
    segment.add_argument("--ome", action="store_true", help="write OME-TIFF for a folder")
    segment.add_argument(
        "--overwrite", action="store_true", help="segment again what is done in a folder"
    )
    _add_model_options(segment)
    segment.set_defaults(run=_segment)

    models = commands.add_parser("models", help="list, download and locate models")
    models.set_defaults(run=_list_models)
    actions = models.add_subparsers(metavar="ACTION")
    actions.add_parser("list", help="what there is, and what is on this machine")
    download = actions.add_parser("download", help="download a published model")
    download.add_argument("name", metavar="NAME")
    download.set_defaults(run=_download_model)
    path = actions.add_parser("path", help="say where a model's file lies")
    path.add_argument("name", metavar="NAME")
    path.set_defaults(run=_print_path)
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=None, help=f"see `models list`; default {DEFAULT_MODEL}")
    parser.add_argument("--checkpoint", type=Path, help="weights of your own in published layout")
    parser.add_argument("--device", choices=_DEVICES, default="auto")


def _demo(options: argparse.Namespace) -> None:
    from napari_samv2_prompts.io.exports import write_labels
    from napari_samv2_prompts.io.pictures import label_image, write_outlines
    from napari_samv2_prompts.sample_data import COIN_BOXES, coins
    from napari_samv2_prompts.scripting import prompts_of

    ((image, _, _),) = coins()
    prompts = prompts_of(image.shape, COIN_BOXES)
    options.out.mkdir(parents=True, exist_ok=True)
    predictor = _predictor(options)
    started = time.perf_counter()
    embedding = predictor.embed(image)
    embedded = time.perf_counter()
    labels = label_image(predictor.decode(embedding, prompts))
    decoded = time.perf_counter()
    print(
        f"{len(prompts)} objects: image embedded in {embedded - started:.2f} s, "
        f"masks decoded in {decoded - embedded:.2f} s"
    )
    write_labels(options.out / "labels.tif", labels)
    write_outlines(options.out / "outlines.png", image, labels)
    print(f"Labels:   {options.out / 'labels.tif'}")
    print(f"Outlines: {options.out / 'outlines.png'}")
    print("To segment by hand: start napari, then Plugins > SAMV2 Prompts.")


def _segment(options: argparse.Namespace) -> int:
    if options.image.is_dir():
        return _segment_folder(options)
    if options.prompts is not None:
        return _replay(options)
    from napari_samv2_prompts.batch import Job, run_job

    if options.boxes is None and options.points is None:
        raise ValueError(
            "Give prompts: a table of boxes (--boxes) or of points (--points), or prompts that "
            "were saved (--prompts)."
        )
    output = _output(options)
    kept = output.with_name(f"{_bare(output)}.prompts.json") if options.save_prompts else None
    job = Job(options.image, output, options.boxes, options.points, options.picture, kept)
    started = time.perf_counter()
    count = run_job(
        job, lambda: _predictor(options), options.model or DEFAULT_MODEL, options.checkpoint
    )
    print(f"{count} objects in {time.perf_counter() - started:.2f} s")
    for what, path in (("Labels", output), ("Outlines", options.picture), ("Prompts", kept)):
        if path is not None:
            print(f"{what}: {path}")
    _write_coco(options, [job])
    return 0


def _output(options: argparse.Namespace) -> Path:
    output: Path = options.output or Path("labels.tif")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {output.parent} to write the labels to.")
    return output


def _bare(path: Path) -> str:
    return path.name.removesuffix(path.suffix).removesuffix(".ome")


def _replay(options: argparse.Namespace) -> int:
    from napari_samv2_prompts.batch import Job
    from napari_samv2_prompts.io.exports import read_pixel_size, write_labels
    from napari_samv2_prompts.io.pictures import read_image
    from napari_samv2_prompts.scripting import replay

    output = _output(options)
    labels = replay(
        read_image(options.image),
        options.prompts,
        device=options.device,
        checkpoint=options.checkpoint,
    )
    write_labels(output, labels, pixel_size=read_pixel_size(options.image))
    print(f"Labels: {output}")
    _write_coco(options, [Job(options.image, output)])
    return 0


def _segment_folder(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from napari_samv2_prompts.batch import find_jobs, run_job, run_jobs

    if options.boxes or options.points or options.prompts or options.picture:
        raise ValueError("A folder has its tables beside its pictures: leave out those options.")
    out: Path = options.output or options.image / "labels"
    jobs, problems = find_jobs(
        options.image,
        out,
        ending=".ome.tif" if options.ome else ".tif",
        keep_prompts=options.save_prompts,
    )
    out.mkdir(parents=True, exist_ok=True)
    for problem in problems:
        print(f"{_PROGRAM}: {problem}", file=sys.stderr)
    predictor = cache(lambda: _predictor(options))  # only if there is anything to do
    model = options.model or DEFAULT_MODEL
    outcomes = run_jobs(
        jobs,
        lambda job: run_job(job, predictor, model, options.checkpoint),
        overwrite=options.overwrite,
    )
    done = skipped = failed = 0
    for outcome in tqdm(outcomes, total=len(jobs), unit="image", disable=None):
        done += not (outcome.error or outcome.skipped)
        skipped += outcome.skipped
        failed += bool(outcome.error)
        if outcome.error:
            name = outcome.job.image.name  # which most messages begin with
            about = "" if outcome.error.startswith(name) else f"{name}: "
            tqdm.write(f"{_PROGRAM}: {about}{outcome.error}", file=sys.stderr)
    print(f"{done} segmented, {skipped} done before, {failed + len(problems)} left out: {out}")
    _write_coco(options, [job for job in jobs if job.labels.is_file()])
    return int(failed + len(problems) > 0)


def _write_coco(options: argparse.Namespace, jobs: Sequence[Job]) -> None:
    if options.coco is None:
        return
    from tifffile import imread

    from napari_samv2_prompts.io.exports import LabelledImage, write_coco

    images = (LabelledImage(job.image.name, imread(job.labels)) for job in jobs)
    write_coco(options.coco, images, polygons=options.polygons)
    print(f"COCO: {options.coco}")


class _ShowVersion(argparse.Action):
    """Print the versions that a report of a problem needs; reads no package but their names."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="versions, for reports of problems")

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        for name in (_PROGRAM, "napari", "torch", "numpy"):
            try:
                print(f"{name} {version(name)}")
            except PackageNotFoundError:
                print(f"{name} is not installed")
        parser.exit()


def _predictor(options: argparse.Namespace) -> SAMV2ImagePredictor:
    """Make the predictor that was asked for, and say what it is."""
    if options.model is not None:
        _ensure_downloaded(options.model, options.checkpoint)
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

    predictor = SAMV2ImagePredictor(
        options.model, checkpoint=options.checkpoint, device=options.device
    )
    print(f"Model {predictor.variant.name}: {predictor.device_reason}")
    return predictor


def _ensure_downloaded(model: str, checkpoint: Path | None) -> None:
    """Download a published model where it is wanted, with a progress bar."""
    if checkpoint is None and find_variant(model).name in PUBLISHED_FILES and find(model) is None:
        _download(model)


def _list_models(options: argparse.Namespace) -> None:
    print(f"{'NAME':<26}{'SHORT':<12}{'MB':>5}  {'LICENCE':<14}ON THIS MACHINE")
    for name, variant in VARIANTS.items():
        row = PUBLISHED_FILES.get(name)
        path = find(name)
        size = row.bytes if row else path.stat().st_size if path else 0
        licence = row.licence if row else "BSD-3-Clause"
        where = "no" if path is None else str(path) if row else "bundled"
        short = variant.size if variant.version == DEFAULT_VERSION else ""
        print(f"{name:<26}{short:<12}{size / 1e6:>5.0f}  {licence:<14}{where}")


def _download_model(options: argparse.Namespace) -> None:
    print(_download(options.name))


def _download(name: str) -> Path:
    from tqdm import tqdm

    from napari_samv2_prompts.samv2.weights.download import download

    with tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1000, leave=False) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return download(name, progress=report)


def _print_path(options: argparse.Namespace) -> None:
    path = find(options.name)
    if path is None:
        raise CheckpointError(
            f"The model {options.name!r} is not on this machine: "
            f"{_PROGRAM} models download {options.name}"
        )
    print(path)


if __name__ == "__main__":
    sys.exit(main())
