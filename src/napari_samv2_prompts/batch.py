"""Folders of images: each with its prompts by name, what is done already left out.

A job that fails is reported and the others go on.  Not here: segmenting (``scripting.py``), options
of the command line (``cli.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.everything import found_in_tiles, labels_from
from napari_samv2_prompts.io.annotations import coco_names, load_json
from napari_samv2_prompts.io.box_formats import BoxFormat
from napari_samv2_prompts.io.exports import write_labels
from napari_samv2_prompts.io.object_tables import objects_path, write_objects
from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.pictures import picture_of, write_outlines
from napari_samv2_prompts.io.prompt_files import gather_prompts, table_kind
from napari_samv2_prompts.io.record_files import write_record
from napari_samv2_prompts.io.spreadsheets import read_text
from napari_samv2_prompts.scripting import labels_of, record_of

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

__all__ = [
    "Job",
    "Outcome",
    "failure",
    "find_jobs",
    "find_pictures",
    "is_done",
    "run_all",
    "run_job",
    "run_jobs",
]

PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


@dataclass(frozen=True, slots=True)
class Job:
    """One image to segment.

    Attributes
    ----------
    image : Path
    labels : Path
        Where the labels go.
    boxes, points : Path, optional
        Files of prompts.
    box_format : str, optional
        How the four numbers of a box are meant.
    outlines : Path, optional
        Where a picture with the outlines goes.
    prompts : Path, optional
        Where prompts and settings go, to be loaded again.
    """

    image: Path
    labels: Path
    boxes: Path | None = None
    points: Path | None = None
    outlines: Path | None = None
    prompts: Path | None = None
    box_format: BoxFormat | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: done, left out since it was done before, or failed with a reason.

    Attributes
    ----------
    job : Job
    objects : int
        How many were segmented.
    skipped : bool
    error : str
        The reason, in a sentence; empty if it did not fail.
    notes : tuple of str
        What else the user should know, in sentences that name the file.
    """

    job: Job
    objects: int = 0
    skipped: bool = False
    error: str = ""
    notes: tuple[str, ...] = ()


def find_jobs(
    folder: Path,
    out: Path,
    *,
    ending: str = ".tif",
    keep_prompts: bool = False,
    boxes: Path | None = None,
    box_format: BoxFormat | None = None,
) -> tuple[list[Job], list[str]]:
    """Pair the pictures of a folder with the files of prompts of the same name.

    ``cells.tif`` belongs to ``cells.csv``, whose columns say whether it lists boxes or points, to
    ``cells.boxes.csv`` and ``cells.points.csv``, or to ``cells.geojson``, ``cells.json`` (COCO) or
    ``cells.txt`` (YOLO).

    Parameters
    ----------
    folder : Path
    out : Path
        Where ``cells.labels.tif`` goes.
    ending : str
        Of the labels: ".tif" or ".ome.tif".
    keep_prompts : bool
        Whether ``cells.prompts.json`` is written beside the labels.
    boxes : Path, optional
        A COCO file for all pictures, in place of files beside them.
    box_format : str, optional
        How the four numbers of a box are meant.

    Returns
    -------
    jobs : list of Job
        By name.
    problems : list of str
        Pictures without prompts, and so on, in sentences.

    Raises
    ------
    ValueError
        If there is nothing to do at all.
    OSError
        If the folder can't be read.
    """
    jobs: list[Job] = []
    problems: list[str] = []
    stems: dict[str, str] = {}
    listed = None if boxes is None else coco_names(load_json(boxes, read_text(boxes)))
    for image in sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES):
        stem = _stem(image)
        if stem in stems:
            problems.append(f"{image.name} is left out: {stems[stem]} has the same name.")
            continue
        if listed is not None and boxes is not None:
            files = {"boxes": boxes} if image.name in listed else {}
            missing = f"{boxes.name} does not list it."
        else:
            try:
                files, missing = _files(folder, stem), f"there is no table {stem}.csv beside it."
            except (ValueError, OSError) as error:
                problems.append(f"{image.name} is left out: {error}")
                continue
        if not files:
            problems.append(f"{image.name} is left out: {missing}")
            continue
        stems[stem] = image.name
        prompts = out / f"{stem}.prompts.json" if keep_prompts else None
        labels = out / f"{stem}.labels{ending}"
        jobs.append(Job(image, labels, prompts=prompts, box_format=box_format, **files))
    if not jobs and not problems:
        raise ValueError(f"There are no pictures in {folder}.")
    return jobs, problems


def find_pictures(folder: Path, out: Path, *, ending: str = ".tif") -> list[Job]:
    """Return a job for each picture of a folder, without prompts; see :func:`find_jobs`.

    Raises
    ------
    ValueError
        If there is no picture, or two have the same name but for the ending.
    """
    images = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)
    if not images:
        raise ValueError(f"There are no pictures in {folder}.")
    named: dict[str, Path] = {}
    for image in images:
        other = named.setdefault(_stem(image), image)
        if other is not image:
            raise ValueError(
                f"{other.name} and {image.name} have the same name: their labels would be one "
                "file. Rename one of them."
            )
    return [Job(image, out / f"{stem}.labels{ending}") for stem, image in named.items()]


def _stem(image: Path) -> str:
    return image.name.removesuffix(image.suffix).removesuffix(".ome")


def _files(folder: Path, stem: str) -> dict[str, Path]:
    named = {kind: folder / f"{stem}.{kind}.csv" for kind in ("boxes", "points")}
    files = {kind: path for kind, path in named.items() if path.is_file()}
    for ending in (".csv", ".geojson", ".json", ".txt"):
        plain = folder / f"{stem}{ending}"
        if plain.is_file():
            kind = table_kind(plain) if ending == ".csv" else "boxes"
            if kind in files:
                raise ValueError(f"{plain.name} and {files[kind].name} both list {kind}.")
            files[kind] = plain
    return files


def is_done(job: Job) -> bool:
    """Tell whether a job's labels are there and can be read; outlines and prompts are there too."""
    import tifffile

    others = [path for path in (job.outlines, job.prompts) if path is not None]
    if not all(path.is_file() for path in (job.labels, *others)):
        return False
    try:
        with tifffile.TiffFile(job.labels) as file:
            return bool(file.series[0].shape) and file.pages[-1].asarray().size > 0
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is to be written again
        return False


def run_job(
    job: Job,
    make_predictor: Callable[[], SAMV2ImagePredictor],
    model: str,
    checkpoint: Path | None = None,
) -> Outcome:
    """Segment one image and write what is wanted of it.

    Parameters
    ----------
    job : Job
    make_predictor : callable
        Called once image and tables are known to be good, if there is an object at all.
    model, checkpoint
        What it makes, to be saved with the prompts.

    Raises
    ------
    ValueError, OSError, MemoryError
        Whatever is wrong with the image, its tables or the disk.
    """
    opened = open_image(job.image).with_pixel_size()
    image = picture_of(opened)
    size = (image.shape[0], image.shape[1])
    given = gather_prompts(
        size, job.boxes, job.points, box_format=job.box_format, image=job.image.name
    )
    prompts = given.single()
    labels = labels_of(image, prompts, make_predictor)
    if job.prompts is not None:
        write_record(job.prompts, record_of(job.image.name, size, prompts, model, checkpoint))
    if job.outlines is not None:
        write_outlines(job.outlines, image, labels)
    # The labels come last: where they are, all is.
    write_labels(job.labels, labels, pixel_size=opened.pixel_size)
    return Outcome(job, objects=len(prompts), notes=(*opened.notes, *given.all_notes))


def run_all(
    job: Job, make_predictor: Callable[[], SAMV2ImagePredictor], selection: Selection
) -> Outcome:
    """Find all objects of one image and write labels and a table of them.

    Parameters
    ----------
    job : Job
        Its tables are not looked at.
    make_predictor : callable
        Called once the image is known to be good.
    selection : Selection

    Raises
    ------
    ValueError, OSError, MemoryError
        Whatever is wrong with the image or the disk.
    """
    opened = open_image(job.image).with_pixel_size()
    image = picture_of(opened)
    found = found_in_tiles(make_predictor(), image, selection)
    labels = labels_from(found, (image.shape[0], image.shape[1]))
    if job.outlines is not None:
        write_outlines(job.outlines, image, labels)
    write_objects(objects_path(job.labels), enumerate(found, 1))
    write_labels(job.labels, labels, pixel_size=opened.pixel_size)
    return Outcome(job, objects=len(found), notes=opened.notes)


def run_jobs(
    jobs: Iterable[Job], run: Callable[[Job], Outcome], *, overwrite: bool = False
) -> Iterator[Outcome]:
    """Do the jobs that are not done yet, one after the other.

    Parameters
    ----------
    jobs : iterable of Job
    run : callable
        Does one.  Whatever it raises, the others go on; only an interrupt ends the run.
    overwrite : bool
        Do all of them.

    Yields
    ------
    Outcome
    """
    for job in jobs:
        if not overwrite and is_done(job):
            yield Outcome(job, skipped=True)
            continue
        try:
            yield run(job)
        except Exception as error:  # noqa: BLE001 - one bad file never ends a night's work
            yield Outcome(job, error=failure(error))


def failure(error: Exception) -> str:
    """Return what went wrong with a job in a sentence."""
    if isinstance(error, MemoryError) and not str(error):
        return "there is not enough memory for it."
    if isinstance(error, ValueError | OSError | MemoryError | ImportError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}".rstrip(": ")
