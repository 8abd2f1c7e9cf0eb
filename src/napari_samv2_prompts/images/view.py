"""What is to be embedded: a name for its content, its place and how to read it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_samv2_prompts.regions import Extent, Region


@dataclass(frozen=True, slots=True)
class ImageView:
    """A region of the picture that a plane makes.

    Two views are equal when they show the same content.

    - `picture`: says the content of the whole plane: layer, its data, plane and contrast
    - `shape`: ``(height, width)`` of the plane in pixels
    - `region`: the part of the plane that is meant
    - `render`: reads and converts: ``(region=, side=) -> array of shape (h, w) or (h, w, 3),
      uint8``, grey or RGB.  It touches no layer.
    - `side`: side of the model's input in pixels: more detail than that need not be read.  None
      reads every pixel.
    - `contrast`: ``(limits, gamma)`` as for :func:`render_plane`; None for several channels
      together
    """

    picture: Hashable
    shape: tuple[int, int]
    region: Region
    render: Callable[..., NDArray[np.uint8]] = field(compare=False, repr=False)
    side: int | None = field(default=None, compare=False)
    contrast: tuple[tuple[float, float] | None, float] | None = field(default=None, compare=False)

    @property
    def key(self) -> Hashable:
        """Says the content of the region."""
        return self.picture, self.region

    def read(self) -> NDArray[np.uint8]:
        """Read the region, with at least the detail that the model takes.

        May be slow (disk, network, computation): call it in a worker.

        Returns array of shape (h, w) or (h, w, 3), uint8; all of the region, often in fewer pixels
        than it has.
        """
        return self.render(region=self.region, side=self.side)

    def within(self, region: Region, side: int | None) -> ImageView:
        """Return the view of another region of the same picture, for a model's input side."""
        return replace(self, region=region, side=side)

    def holds(self, extent: Extent) -> bool:
        """Tell whether something of an extent can be found in this view."""
        return self.region.holds(extent, self.shape)

    def holding(self, extent: Extent) -> ImageView:
        """Return a view of the same picture in which it can."""
        return replace(self, region=self.region.holding(extent, self.shape))
