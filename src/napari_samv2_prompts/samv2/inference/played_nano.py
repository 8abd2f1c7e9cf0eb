"""The small model on a GPU: prompts are drawn step by step, what the network reads is played back.

Drawing looks at prompts in Python (is there a box, a negative click), which a recording can't do.
All that comes after it is tensors alone, and most of the steps.

Not here: recording (``cuda_graphs.py``), windows and levels (``nano/decode.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded
from napari_samv2_prompts.samv2.modeling.network import ImageFeatures
from napari_samv2_prompts.samv2.nano.box_blend import BoxBlend
from napari_samv2_prompts.samv2.nano.config import NanoVariant
from napari_samv2_prompts.samv2.nano.features import NanoFeatures
from napari_samv2_prompts.samv2.nano.network import NanoNetwork
from napari_samv2_prompts.samv2.nano.scale_scores import ScaleScores

from .cuda_graphs import GraphedCallable

if TYPE_CHECKING:
    from torch import Tensor

_FEW = 12  # windows: a click's on each level, of which a GPU takes less time than Python
_KEEP = 16  # recordings: sides of windows, numbers of points and of windows


class PlayedNano:
    """Decodes as the network does; see :class:`.PromptDecoder`.

    - `network`: on a GPU
    """

    def __init__(self, network: NanoNetwork) -> None:
        self._network = network
        self._played = GraphedCallable[Decoded](network.read, keep=_KEEP)

    @property
    def variant(self) -> NanoVariant:
        """The shape of the network."""
        return self._network.variant

    @property
    def scale_scores(self) -> ScaleScores:
        """What judges masks across scales."""
        return self._network.scale_scores

    @property
    def box_blend(self) -> BoxBlend:
        """What judges the masks of a box."""
        return self._network.box_blend

    def encode_stretched(self, pixels: Tensor) -> NanoFeatures:
        """Encode parts of a picture; see :meth:`.NanoNetwork.encode_stretched`."""
        return self._network.encode_stretched(pixels)

    def decode_prompts(
        self, image: ImageFeatures, coords: Tensor, labels: Tensor, mask_input: Tensor | None = None
    ) -> Decoded:
        """Predict all four masks of each prompt; see :meth:`.NanoNetwork.decode_prompts`."""
        assert isinstance(image, NanoFeatures)
        drawn = self._network.draw(image, coords, labels, mask_input)
        read = self._played if len(coords) <= _FEW else self._network.read
        return read(image, drawn)
