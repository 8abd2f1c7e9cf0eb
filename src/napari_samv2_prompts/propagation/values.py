"""What propagation starts from and what it finds, as frozen values.

Here: :class:`Section` (an object on a plane, as found), :class:`End` (where it was lost),
:class:`Filled` (what one plane gained), :class:`Found` (all of it so far), :class:`Guess` and
:class:`History` (what a method answers, and what it is told).

Not here: which planes are missing (``stretches.py``), how an object is followed (``handover.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from napari_samv2_prompts.mask_crops import MaskCrop

if TYPE_CHECKING:
    from numpy.typing import NDArray

Anchors = Mapping[int, Mapping[int, MaskCrop]]
"""Object: plane: its mask there, which was prompted, accepted or painted and is never changed.

A mask without a pixel says that the object is not there.
"""

Masks = Mapping[int, Mapping[int, MaskCrop]]
"""Plane: object: its mask there."""

Way = Literal[1, -1]
"""Towards higher planes or lower ones."""

Key = tuple[int, str]
"""An anchor's plane, and a digest of its mask."""

Between = tuple[Key | None, Key | None]
"""The anchors on either side of a stretch; None where there is none."""

EndKey = tuple[int, Way, Between]
"""An object, the direction in which it was followed, and the anchors on either side."""


def key_of(plane: int, crop: MaskCrop) -> Key:
    """Return what an anchor is known by: it differs as soon as one pixel does."""
    digest = blake2b(crop.mask.tobytes(), digest_size=8)
    digest.update(repr(crop.box).encode())
    return plane, digest.hexdigest()


class Stack(Protocol):
    """Planes of one picture, read when they are needed."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(planes, height, width)``."""
        ...

    def read(self, plane: int, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Return a part of a plane as the model sees it: (h, w) or (h, w, 3) uint8."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """An object on a plane, as it was found.

    - `.score`: the IoU that the model predicts for its mask
    - `.doubt`: 0 to 1: the IoU that the section is expected to lack, see :mod:`.doubt`
    - `.between`: keys of the anchors on either side that it was found from; None where there was
      none
    - `.rough`: whether it is still to be fitted to walls, or smoothed
    - `.followed`: the mask before that: empty where the object had been lost
    - `.fitted_to`: digest of the anchors with which it was fitted
    """

    crop: MaskCrop
    score: float
    doubt: float
    between: Between
    rough: bool = False
    followed: MaskCrop | None = None
    fitted_to: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """An object was not found any more.

    - `.object`, `.plane`: the first plane on which it is not
    - `.way`: the direction in which it was followed
    - `.between`: keys of the anchors on either side, as of a section
    - `.reason`: for the user: "not seen"; empty if it goes on to the last plane that was wanted,
      which takes an earlier end back
    """

    object: int
    plane: int
    way: Way
    between: Between
    reason: str

    @property
    def key(self) -> EndKey:
        """Which open stretch it is of."""
        return self.object, self.way, self.between

    def __str__(self) -> str:
        """Return a sentence for the user."""
        return f"Object {self.object} ended at plane {self.plane}: {self.reason}."


@dataclass(frozen=True, slots=True)
class Filled:
    """What propagation found on one plane: a partial result, complete in itself.

    - `.ends`: of objects that were lost here or, fitted to walls, end elsewhere: what was found of
      them beyond is taken back
    """

    plane: int
    sections: Mapping[int, Section]
    ends: tuple[End, ...] = ()

    @property
    def tells_something(self) -> bool:
        """Whether anything was found; if not, it only says that the work goes on."""
        return bool(self.sections or self.ends)


@dataclass(slots=True)
class Found:
    """All that was found so far; adding the same twice changes nothing.

    - `.ends`: the last one of each open stretch, by :attr:`.End.key`
    """

    sections: dict[int, dict[int, Section]] = field(default_factory=dict)
    ends: dict[EndKey, End] = field(default_factory=dict)

    def add(self, filled: Filled) -> None:
        """Take in what one plane gained."""
        for number, section in filled.sections.items():
            self.sections.setdefault(number, {})[filled.plane] = section
        for end in filled.ends:
            if end.reason:
                self.ends[end.key] = end
            else:
                self.ends.pop(end.key, None)
            self._drop_beyond(end)

    def _drop_beyond(self, end: End) -> None:
        sections = self.sections.get(end.object, {})
        for plane in [p for p in sections if (p - end.plane) * end.way >= 0]:
            if sections[plane].between == end.between:
                del sections[plane]

    def forget(self, number: int) -> None:
        """Drop all that was found of an object."""
        self.sections.pop(number, None)
        for key in [key for key in self.ends if key[0] == number]:
            del self.ends[key]

    def copy(self) -> Found:
        """Return a copy that can be added to."""
        sections = list(self.sections.items())  # another thread may add to it
        return Found({n: dict(planes) for n, planes in sections}, dict(self.ends))


@dataclass(frozen=True, slots=True)
class History:
    """An object on the planes behind, from which it is followed.

    - `.planes`: where it was last, oldest first; the last entry is the plane next to the wanted one
    - `.anchors`: all its anchors, on either side
    """

    planes: tuple[tuple[int, MaskCrop], ...]
    anchors: Mapping[int, MaskCrop]


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """An object on the next plane, as a method follows it.

    - `.crop`: empty if it is not there
    - `.gone`: 0 to 1: how sure it is that the object is not there
    """

    crop: MaskCrop
    score: float
    doubt: float
    gone: float


class Fitter(Protocol):
    """What looks at all planes of a run together: :class:`.Walls` or :class:`.Smoothing`."""

    @property
    def judges(self) -> bool:
        """Whether what it changes in a mask says how doubtful that is."""
        ...

    def fitted(self, planes: range, certain: Masks, followed: Masks) -> Iterator[Masks | None]:
        """Fit masks.

        - `planes`: what is looked at: those of both kinds of masks, and to either side some into
          which objects may reach
        - `certain`: masks that stay as they are
        - `followed`: those to be fitted
        - yields None after each part of the work, and in the end all masks of the objects
          followed; there is none where an object is not
        """
        ...


class Follower(Protocol):
    """A method of following objects from plane to plane: hand-over, or the model's memory.

    It keeps nothing but caches: the same question always has the same answer, which is what makes
    stopping and going on the same as never having stopped.
    """

    def follow(
        self,
        plane: int,
        histories: Mapping[int, History],
        rivals: Sequence[MaskCrop],
        then: int | None = None,
    ) -> Mapping[int, Guess]:
        """Find objects on a plane.

        - `histories`: objects to be found together; none without a plane behind it
        - `rivals`: masks on this plane whose pixels belong to other objects
        - `then`: the plane that comes next, so that it can be prepared; the answer does not depend
          on it
        """
        ...

    def fitter(self, anchors: Anchors) -> Fitter | None:
        """Return what fits its masks in the end, if anything can be seen at the anchors."""
        ...
