"""Units of work: values that say what is to be made of which files, and what became of them.

A unit is picklable and small: paths and settings travel, never pixels.  Its result appears by one
rename, with a key of all that it was made of.  So repeating one is harmless, whoever does it, and
going on after an interrupt is running again: what has its key is left out.

Here: what a unit is, its key, doing one and doing many in this process.  Not here: the kinds of
units (``folders.py``), doing them on several processes or machines (``cluster.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

Standing = Literal["absent", "done", "outdated", "foreign"]
"""What is there of a result: nothing whole, the very one, one of other inputs, another file."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model answers; see :class:`.SAMV2ImagePredictor`."""

    model: str | None = None
    checkpoint: Path | None = None
    device: str = "auto"

    @classmethod
    def of(cls, model: str | None, checkpoint: str | Path | None, device: str) -> ModelSettings:
        """Return what a script names, for workers that stand elsewhere, too."""
        return cls(model, None if checkpoint is None else Path(checkpoint).absolute(), device)

    def key(self) -> str:
        """Say by content which weights these are, without loading or downloading them."""
        from napari_samv2_prompts.samv2.weights.registry import PUBLISHED_FILES, find
        from napari_samv2_prompts.samv2.weights.variants import DEFAULT_MODEL, find_variant

        if self.checkpoint is not None:
            return content_key([self.checkpoint])
        name = find_variant(self.model or DEFAULT_MODEL).name
        if name in PUBLISHED_FILES:
            return PUBLISHED_FILES[name].sha256
        bundled = find(name)
        return name if bundled is None else content_key([bundled])

    def make(self) -> SAMV2ImagePredictor:
        """Return a predictor; published weights are downloaded when first used."""
        from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

        return SAMV2ImagePredictor(self.model, checkpoint=self.checkpoint, device=self.device)


class Unit(Protocol):
    """What is done in one go."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def key(self, weights: str) -> str:
        """Say by content all that the result depends on; OSError if an input can't be read."""

    def standing(self, key: str) -> Standing:
        """Tell what is there of the result."""

    def run(self, make_predictor: Callable[[], SAMV2ImagePredictor], key: str | None) -> Outcome:
        """Make the result, with its key in it; raise whatever is wrong."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit: done, left out since it was done before, or failed with a reason."""

    unit: Unit
    objects: int = 0  # how many were segmented
    skipped: bool = False
    error: str = ""  # the reason, in a sentence; empty if it did not fail
    notes: tuple[str, ...] = ()  # what else the user should know, in sentences that name the file


def content_key(parts: Iterable[str | Path | None]) -> str:
    """Return a key of words and of the contents of files.

    A folder (``.zarr``) counts by the names, sizes and times of its files: reading all of it would
    take as long as the work.

    Raises OSError if a file can't be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        own = hashlib.blake2b(digest_size=16)
        if isinstance(part, Path) and part.is_dir():
            for file in sorted(path for path in part.rglob("*") if path.is_file()):
                state = file.stat()
                told = file.relative_to(part).as_posix(), state.st_size, state.st_mtime_ns
                own.update(repr(told).encode())
        elif isinstance(part, Path):
            if not part.exists():
                raise FileNotFoundError(f"There is no file {part}.")
            with part.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    own.update(chunk)
        else:
            own.update(repr(part).encode())
        digest.update(own.digest())
    return digest.hexdigest()


def perform(
    unit: Unit,
    make_predictor: Callable[[], SAMV2ImagePredictor],
    weights: str,
    *,
    overwrite: bool = False,
) -> Outcome:
    """Do a unit unless it is done, and return what became of it, whatever happens.

    - `make_predictor`: called once the inputs are known to be good
    - `weights`: key of the model that it makes
    - `overwrite`: do it in any case.  Else a file that something else wrote, an edited one for
      instance, is left as it is.
    """
    try:
        key, outcome = looked_at(unit, weights, overwrite=overwrite)
        return outcome or unit.run(make_predictor, key)
    except Exception as error:  # noqa: BLE001 - one bad file never ends a night's work
        return Outcome(unit, error=failure(error))


def looked_at(unit: Unit, weights: str, *, overwrite: bool = False) -> tuple[str, Outcome | None]:
    """Return a unit's key, and what became of it if there is nothing to do; see :func:`perform`.

    Raises any kind of error if something is wrong with its inputs.
    """
    key = unit.key(weights)
    standing = "absent" if overwrite else unit.standing(key)
    if standing == "done":
        return key, Outcome(unit, skipped=True)
    if standing == "foreign":
        note = (
            f"{unit.name}: what is there was not written by this program, or was changed "
            "since: it is left as it is (--overwrite makes it again)."
        )
        return key, Outcome(unit, skipped=True, notes=(note,))
    return key, None


def run_units(
    units: Iterable[Unit],
    make_predictor: Callable[[], SAMV2ImagePredictor],
    weights: str,
    *,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Do units one after the other in this process, and yield what became of each."""
    for unit in units:
        yield perform(unit, make_predictor, weights, overwrite=overwrite)


def failure(error: Exception) -> str:
    """Return what went wrong with a unit in a sentence."""
    if isinstance(error, MemoryError) and not str(error):
        return "there is not enough memory for it."
    if isinstance(error, ValueError | OSError | MemoryError | ImportError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}".rstrip(": ")
