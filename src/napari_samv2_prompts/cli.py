"""The command line: demo, segment, models.

What a command does belongs here; tables of prompts are read in ``prompt_tables.py`` and picture
files in ``pictures.py``. torch is imported once a command is known to need it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.prompt_tables import BOX_COLUMNS, POINT_COLUMNS, read_prompts
from napari_samv2_prompts.samv2.registry import PUBLISHED_FILES, CheckpointError, find
from napari_samv2_prompts.samv2.variants import DEFAULT_MODEL, VARIANTS, find_variant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_samv2_prompts.prompts import PromptBatch

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
        options.run(options)
    except KeyboardInterrupt:
        print(f"\n{_PROGRAM}: stopped.", file=sys.stderr)
        return 130
    except (ValueError, OSError, MemoryError) as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="Segment objects from points and boxes with SAMV2."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="segment a bundled picture of coins")
    demo.add_argument("--out", type=Path, default=Path("samv2-demo"), metavar="DIR")
    _add_model_options(demo)
    demo.set_defaults(run=_demo)

    segment = commands.add_parser("segment", help="segment a picture from tables of prompts")
    segment.add_argument("image", type=Path, help="grey or RGB picture: TIFF, PNG, JPEG, ...")
    segment.add_argument("--boxes", type=Path, help=f"CSV table: {','.join(BOX_COLUMNS)}")
    segment.add_argument("--points", type=Path, help=f"CSV table: {','.join(POINT_COLUMNS)}")
    segment.add_argument("-o", "--output", type=Path, default=Path("labels.tif"))
    segment.add_argument("--picture", type=Path, help="also write the outlines on the picture")
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
    from napari_samv2_prompts.prompts import Prompt, PromptBatch
    from napari_samv2_prompts.sample_data import COIN_BOXES, coins

    ((image, _, _),) = coins()
    prompts = PromptBatch(
        tuple(Prompt(number, box=box) for number, box in enumerate(COIN_BOXES, start=1))
    )
    options.out.mkdir(parents=True, exist_ok=True)
    _segment_to_files(
        image, prompts, options, options.out / "labels.tif", options.out / "outlines.png"
    )


def _segment(options: argparse.Namespace) -> None:
    from napari_samv2_prompts.pictures import read_picture

    if options.boxes is None and options.points is None:
        raise ValueError("Give prompts: a table of boxes (--boxes) or of points (--points).")
    if not options.output.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {options.output.parent} to write the labels to.")
    image = read_picture(options.image)
    height, width = image.shape[:2]
    prompts = read_prompts((height, width), options.boxes, options.points)
    _segment_to_files(image, prompts, options, options.output, options.picture)


def _segment_to_files(
    image: NDArray[np.uint8],
    prompts: PromptBatch,
    options: argparse.Namespace,
    labels_path: Path,
    picture_path: Path | None,
) -> None:
    """Embed, decode, write, and say what was done in how long."""
    from napari_samv2_prompts.pictures import label_image, write_labels, write_outlines

    if options.model is not None:
        _ensure_downloaded(options.model, options.checkpoint)
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

    predictor = SAMV2ImagePredictor(
        options.model, checkpoint=options.checkpoint, device=options.device
    )
    started = time.perf_counter()
    embedding = predictor.embed(image)
    embedded = time.perf_counter()
    labels = label_image(predictor.decode(embedding, prompts))
    decoded = time.perf_counter()
    write_labels(labels_path, labels)
    print(f"Model {predictor.variant.name}: {predictor.device_reason}")
    print(
        f"{len(prompts)} objects: image embedded in {embedded - started:.2f} s, "
        f"masks decoded in {decoded - embedded:.2f} s"
    )
    print(f"Labels:   {labels_path}")
    if picture_path is not None:
        write_outlines(picture_path, image, labels)
        print(f"Outlines: {picture_path}")


def _ensure_downloaded(model: str, checkpoint: Path | None) -> None:
    """Download a published model where it is wanted, with a progress bar."""
    if checkpoint is None and find_variant(model).name in PUBLISHED_FILES and find(model) is None:
        _download(model)


def _list_models(options: argparse.Namespace) -> None:
    print(f"{'NAME':<26}{'MB':>5}  {'LICENCE':<14}ON THIS MACHINE")
    for name in VARIANTS:
        row = PUBLISHED_FILES.get(name)
        path = find(name)
        size = row.bytes if row else path.stat().st_size if path else 0
        licence = row.licence if row else "BSD-3-Clause"
        where = "no" if path is None else str(path) if row else "bundled"
        print(f"{name:<26}{size / 1e6:>5.0f}  {licence:<14}{where}")


def _download_model(options: argparse.Namespace) -> None:
    print(_download(options.name))


def _download(name: str) -> Path:
    from tqdm import tqdm

    from napari_samv2_prompts.samv2.download import download

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
