"""The value that embedding an image returns: all the decoder needs, and what it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from .network import ImageFeatures

__all__ = ["Embedding"]


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One image as the network sees it.

    A plain value: keep as many as memory allows, in any order, and decode from any of them.

    Attributes
    ----------
    features : ImageFeatures
        Tensors with a batch axis of one, on the device and in the number type of the encoder.
    image_size : tuple of int
        ``(height, width)`` of the image in pixels.
    input_size : int
        Side of the square it was stretched to.
    model : str
        Which network made it; only the same network can decode it.
    """

    features: ImageFeatures
    image_size: tuple[int, int]
    input_size: int
    model: str

    @property
    def logits_size(self) -> int:
        """Side of the low-res logits that decoding gives."""
        return self.input_size // 4

    @property
    def nbytes(self) -> int:
        """Memory that the features take, in bytes."""
        return sum(tensor.nbytes for tensor in self.features)
