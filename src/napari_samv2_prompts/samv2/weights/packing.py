"""Embeddings as bytes and back, checked, for those who keep them beyond the process.

The bytes are a safetensors file: the features, and in its metadata what they belong to and a
checksum.  A file of weights and a file of features both hold numbers only, so nothing that is read
here can execute anything.

Not here: files and folders (``engine/store.py``).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from napari_samv2_prompts.samv2.device import DeviceChoice
from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import ImageFeatures, SAMV2Network
from napari_samv2_prompts.samv2.nano.features import NanoFeatures
from napari_samv2_prompts.samv2.nano.network import NanoNetwork

FORMAT = "4"
"""Counted up when the same weights come to embed otherwise, or the bytes mean something else."""

_ENTRY, _PIXELS = "embedding", "pixels"
_LENGTH = 8  # bytes at the start of a safetensors file that say how long its header is


class Packing:
    """Turns the embeddings of one predictor into bytes and back.

    - `choice`: where embeddings go that are read, and the number type of the encoder
    - `model`: the name that the predictor's embeddings carry
    - `digest`: of :func:`weights_digest`
    - `.fingerprint`: the same exactly if the same image gives the same embedding
    """

    def __init__(
        self, network: SAMV2Network, choice: DeviceChoice, model: str, digest: str
    ) -> None:
        self._device = choice.device
        self._model = model
        self._variant = network.variant
        self._features = NanoFeatures if isinstance(network, NanoNetwork) else ImageFeatures
        self._names = [field.name for field in fields(self._features)]
        self.fingerprint = f"{FORMAT} {network.variant} {choice.dtype} {digest}"

    def pack(self, embedding: Embedding, key: str) -> bytes:
        """Return an embedding as bytes.

        - `key`: what the embedding belongs to; the same is needed to get it back
        """
        tensors = {
            f"{level}.{name}": tensor.detach().cpu().contiguous()
            for level, features in enumerate(embedding.levels)
            for name, tensor in features.tensors().items()
        }
        if embedding.pixels is not None:
            tensors[_PIXELS] = embedding.pixels.cpu().contiguous()
        metadata = {
            "key": key,
            "image_size": json.dumps(embedding.image_size),
            "input_size": str(embedding.input_size),
        }
        # One entry: safetensors writes several in any order, and the same is to be the same bytes.
        told = {**metadata, "sha256": _checksum(tensors, metadata)}
        return save(tensors, {_ENTRY: json.dumps(told, sort_keys=True)})

    def unpack(self, data: bytes, key: str) -> Embedding:
        """Return the embedding that :meth:`pack` made bytes of.

        Raises ValueError if the bytes are anything else than what was packed with this key.
        """
        try:
            metadata, tensors = _metadata(data), load(data)
            if metadata["key"] != key:
                raise ValueError("it is of another image or model")
            if metadata.pop("sha256") != _checksum(tensors, metadata):
                raise ValueError("it was damaged")
            side = int(metadata["input_size"])
            count = 1 + len(self._variant.pyramid(side))
            levels = [
                self._features(**{name: tensors[f"{level}.{name}"] for name in self._names})
                for level in range(count)
            ]
            height, width = json.loads(metadata["image_size"])
            pixels = tensors[_PIXELS].to(self._device) if _PIXELS in tensors else None
        except (SafetensorError, LookupError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"This is not the embedding: {error}.") from error
        first, *coarser = (
            level.to(device=self._device, dtype=level.embedding.dtype) for level in levels
        )
        return Embedding(first, (height, width), side, self._model, tuple(coarser), pixels)


def weights_digest(network: SAMV2Network) -> str:
    """Return a SHA-256 over all weights: two networks that differ in one of them differ in it.

    Before they are brought to another device or number type this takes 10 ms for the bundled
    model, and half a second for the largest.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted((*network.named_parameters(), *network.named_buffers())):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(_bytes(tensor.detach().cpu()))
    return digest.hexdigest()


def network_key(variant: Variant, dtype: torch.dtype, digest: str) -> str:
    """Name a network with its number type; what its embeddings carry."""
    return f"{variant.name} {digest[:16]} {str(dtype).removeprefix('torch.')}"


def _checksum(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().data


def _metadata(data: bytes) -> dict[str, str]:
    """Read the metadata of a safetensors file, which begins with the length of its header."""
    length = int.from_bytes(data[:_LENGTH], "little")
    metadata = json.loads(data[_LENGTH : _LENGTH + length])["__metadata__"]
    return dict(json.loads(metadata[_ENTRY]))
