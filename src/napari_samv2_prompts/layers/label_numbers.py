"""Which label a new object gets: the highest of a layer, found once and followed from then on.

Not here: what a label's pixels are (``labels_reading``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.layers.labels_checks import highest_label
from napari_samv2_prompts.layers.rows import MAX_OBJECT

if TYPE_CHECKING:
    from napari.layers import Labels


class LabelNumbers:
    """The labels of a layer that are taken.

    - `highest`: the highest label in the layer, if that is known
    """

    def __init__(self, highest: int | None = None) -> None:
        self._highest = highest
        self._painted = 0  # the highest label painted while `_highest` is not known

    @property
    def needs_scan(self) -> bool:
        """Whether the highest label is unknown, so that :meth:`next_free` has to read all."""
        return self._highest is None

    def scan_job(self, labels: Labels) -> Callable[[], int]:
        """Return a function for the worker that finds the highest label (:meth:`set_highest`)."""
        return partial(highest_label, labels.data)

    def set_highest(self, label: int) -> None:
        """Take the result of :meth:`scan_job`; what was painted meanwhile counts too."""
        self._highest = max(label, self._painted)

    def note(self, painted: int) -> None:
        """Take note of a label that was painted."""
        self._painted = max(self._painted, painted)
        if self._highest is not None:
            self._highest = max(self._highest, painted)

    def next_free(self, labels: Labels, live: frozenset[int], at_least: int = 0) -> int:
        """Return a label above all in the layer, all live objects and ``at_least``.

        Where there is none left, the lowest that is neither in the layer nor live.  Reads the whole
        layer if :attr:`needs_scan`, or to find that one.
        """
        if self._highest is None:
            self.set_highest(highest_label(labels.data))
        number = max(self._highest or 0, at_least, *live, 0) + 1
        if number <= MAX_OBJECT:
            return number
        used = live | set(np.unique(labels.data).tolist())
        return next(number for number in range(1, MAX_OBJECT) if number not in used)
