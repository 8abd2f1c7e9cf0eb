"""``segment STACK --through AXIS --boxes FILE --points FILE``: all planes from prompts on a few."""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_samv2_prompts.cli.common import predictor, tell
from napari_samv2_prompts.cli.named_files import Written
from napari_samv2_prompts.cli.number_types import place
from napari_samv2_prompts.cli.segment_files import check_outputs, labels_path
from napari_samv2_prompts.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from napari_samv2_prompts.io.file_views import StackFile
    from napari_samv2_prompts.propagation import End, Filled
    from napari_samv2_prompts.units.stacks import StackWork
    from napari_samv2_prompts.units.unit import Outcome, Unit


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only a stack has."""
    add = parser.add_argument
    add(
        "--through",
        metavar="AXIS",
        help="follow the objects along an axis: z, t or its position; tables have a column plane",
    )
    add("--direction", choices=("forward", "back", "both"), help="from the prompts; default both")
    add(
        "--method",
        choices=("auto", "hand-over", "memory"),
        help="how objects are followed: with the model's memory, or by prompts of the last mask; "
        "default auto",
    )
    add(
        "--tracks",
        type=Path,
        metavar="FILE",
        help="also write which object is on which planes: a table (.csv), a graph (.geff), or a "
        "folder of the Cell Tracking Challenge (any other name)",
    )
    add("--first", type=place, metavar="PLANE", help="first plane to fill")
    add("--last", type=place, metavar="PLANE", help="last plane to fill")
    add(
        "--store",
        type=Path,
        metavar="FOLDER",
        help="folder of embeddings: none that is there is made again; with it, a run that was "
        "interrupted goes on where it stopped when it is started again",
    )


def run(options: argparse.Namespace) -> int:
    """Segment a stack and say where the file is, and where objects ended."""
    import numpy as np

    from napari_samv2_prompts.images import StackPicture, axes_of, planes_first
    from napari_samv2_prompts.io.exports import check_axes, write_labels
    from napari_samv2_prompts.io.file_views import StackFile
    from napari_samv2_prompts.io.opening import open_image
    from napari_samv2_prompts.propagation import Wanted
    from napari_samv2_prompts.through import stack_prompts
    from napari_samv2_prompts.units.stacks import StackWork

    if options.boxes is None and options.points is None:
        raise ValueError("Give prompts: a table of boxes (--boxes) or of points (--points).")
    output = labels_path(options)
    check_outputs(options, output, _tracks(options.tracks), _store(options.store))
    opened = open_image(options.image).with_pixel_size()
    if options.channel is not None or options.through != str(opened.axes.find("c")):
        opened = opened.of_channel(options.channel)
    tell(opened.notes)
    axes = axes_of(opened.data.shape, options.through)
    stack = planes_first(opened.data, axes)
    letters = _letters(options.through, axes, opened.axes)
    check_axes(output, letters)
    seen = StackPicture.of(stack)
    prompts = stack_prompts(seen.shape, options.boxes, options.points, options.box_format)
    wanted = Wanted.of(len(stack), options.first, options.last, options.direction or "both")
    started = time.perf_counter()
    away = options.workers is not None or options.scheduler is not None
    store = options.store or (output.with_name(f"{output.name}.embeddings") if away else None)
    file = StackFile.of(options.image.absolute(), axes, seen, opened.channel) if away else None
    work = StackWork(seen, prompts, wanted, options.method or "auto", store)
    labels, ends = _followed(options, work, file)
    if store is not None and store != options.store:
        shutil.rmtree(store, ignore_errors=True)  # it was for this run
    print(f"{counted(len(stack), 'plane')} in {time.perf_counter() - started:.2f} s")
    for end in sorted(ends, key=lambda end: (end.object, end.plane)):
        print(end)
    in_their_order = labels.transpose(np.argsort(axes))  # as in the file
    write_labels(output, in_their_order, pixel_size=opened.pixel_size, axes=letters)
    print(f"Labels: {output}")
    if options.tracks is not None:
        _write_tracks(options.tracks, labels)
        print(f"Tracks: {options.tracks}")
    return 0


def _letters(through: str, axes: tuple[int, int, int], known: str) -> str:
    """Return the letters of the axes of labels, in the order of the file.

    - `axes`: of planes, rows and columns in the file
    - `known`: letters of all axes of the file; empty if it does not say them
    """
    said = known[axes[0]] if known else ""
    film = through.lower() == "t" or (through.lower() != "z" and said == "t")
    return "".join(letter for _, letter in sorted(zip(axes, "TYX" if film else "ZYX", strict=True)))


def _tracks(path: Path | None) -> Written | None:
    """Return where tracks go, and whether that may be there already."""
    if path is None:
        return None
    return Written(path, "the tracks", "file" if path.suffix.lower() == ".csv" else "new folder")


def _store(path: Path | None) -> Written | None:
    return None if path is None else Written(path, "the embeddings", "folder", makes_parents=True)


def _followed(
    options: argparse.Namespace, work: StackWork, file: StackFile | None
) -> tuple[NDArray[Any], Iterable[End]]:
    """Return the labels, made by workers if they have a file to read, and where objects ended."""
    from tqdm import tqdm

    from napari_samv2_prompts.propagation import Found

    found = Found()
    with tqdm(unit="plane", disable=None, leave=False) as bar:

        def report(filled: Filled) -> None:
            bar.update(1 if filled.sections else 0)
            found.add(replace(filled, sections={}))  # without masks

        if file is None:
            labels = work.here(lambda: predictor(options), report)
        else:
            labels = _on_workers(options, work, file, report)
    return labels, found.ends.values()


def _on_workers(
    options: argparse.Namespace, work: StackWork, file: StackFile, report: Callable[[Filled], None]
) -> NDArray[Any]:
    from napari_samv2_prompts.cli.workers import runner_of, with_bar

    with runner_of(options, overwrite=False) as do:

        def run(units: Iterable[Unit]) -> Iterator[Outcome]:
            these = list(units)
            return with_bar(do(these), len(these), "part")

        return work.on(run, file, lambda: predictor(options), report)


def _write_tracks(path: Path, labels: NDArray[Any]) -> None:
    from napari_samv2_prompts.io import lineage_files
    from napari_samv2_prompts.propagation import Lineage

    if path.suffix.lower() == ".csv":
        lineage_files.write_lineage_table(path, Lineage.of(labels))
    elif path.suffix.lower() == ".geff":
        lineage_files.write_geff(path, Lineage.of(labels))
    else:
        lineage_files.write_ctc(path, labels)
