"""The value that embedding an image returns: all the decoder needs, and what it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from napari_samv2_prompts.samv2.modeling.network import ImageFeatures


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One image as the network sees it.

    A plain value: keep as many as memory allows, in any order, and decode from any of them.
    """

    # Tensors with a batch axis of one, on the device of the encoder: float32, or float16 where it
    # computes in half precision.
    features: ImageFeatures
    image_size: tuple[int, int]  # ``(height, width)`` of the image in pixels
    input_size: int  # side of the square it was stretched to
    model: str  # which network made it; only the same network can decode it
    # Of smaller copies of the image, largest first; published networks have none.
    coarser: tuple[ImageFeatures, ...] = ()
    # What was embedded, for those who look closer: uint8, shape (1, 1 or 3, S, S); published
    # networks keep none.
    pixels: torch.Tensor | None = None

    @property
    def levels(self) -> tuple[ImageFeatures, ...]:
        """Features of the image and of its smaller copies."""
        return self.features, *self.coarser

    def finest(self) -> Embedding:
        """Return what the input shows at its own size: large things are cut off, not found."""
        return replace(self, coarser=(), pixels=None)

    def from_afar(self) -> Embedding:
        """Return the embedding without its pixels: small things are told by few cells, sooner."""
        return replace(self, pixels=None)

    @property
    def logits_size(self) -> int:
        """Side of the low-res logits that decoding gives."""
        return self.input_size // 4

    def halved(self) -> Embedding:
        """Return the embedding in half the memory: what is single precision becomes float16.

        Made for keeping many.  Decoding takes either; float16 has 11 bits of precision where
        bfloat16 has 8, and features stay far below its largest number (65504).
        Should a network of one's own exceed that, its embeddings stay as they are.
        """
        if self.features.embedding.dtype != torch.float32:
            return self
        first, *others = (level.to(dtype=torch.float16) for level in self.levels)
        tensors = [tensor for level in (first, *others) for tensor in level.tensors().values()]
        finite = all(bool(tensor.isfinite().all()) for tensor in tensors)
        return replace(self, features=first, coarser=tuple(others)) if finite else self

    @property
    def nbytes(self) -> int:
        """Memory that features and pixels take, in bytes."""
        features = sum(t.nbytes for level in self.levels for t in level.tensors().values())
        return features + (0 if self.pixels is None else self.pixels.nbytes)
