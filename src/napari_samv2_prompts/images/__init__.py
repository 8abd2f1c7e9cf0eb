"""A plane of any array as the 8-bit picture that the model sees.

``view``       what is to be embedded, as a key and a slow ``read``
``rendering``  one array as displayed: a region of a plane at the detail that is needed
``channels``   several coloured channels laid over each other
``reading``    which level, rows and columns of numpy, dask, zarr, xarray or the like to read
``stack``      all planes along an axis
``values``     any number type as 8 bit

Not here: layers (``layers``), coordinates (``geometry``), which region (``regions``), stretching to
the model's input (``samv2``).
"""

from .channels import Channel, compose_planes
from .reading import read_plane
from .rendering import Contrast, render, render_plane
from .stack import StackPicture, axes_of, planes_first
from .values import as_array, as_numbers, check_real, percentile_limits, to_uint8
from .view import ImageView
