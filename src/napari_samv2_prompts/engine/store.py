"""Embeddings in a folder that the user names, so that opening a project again embeds nothing again.

An entry is named by its content: the picture as it was read and mapped to 8 bit, and the model with
all its weights.  So it does not matter what the file of the image is called or which layer showed
it, and an entry can never be out of date.  Everything here touches the disk: it is for the worker.

Nothing here may disturb the work.  A damaged entry is dropped; a folder that can't be written to is
described in one sentence and left alone from then on.  Files that are not ours are never touched.

Not here: what the bytes mean (the predictor's ``packing``), embeddings in memory (``cache.py``).
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.files import is_part, written_whole

from .protocols import Embedding

SUFFIX = ".embedding.safetensors"

_MB = 1_000_000
_ABANDONED = 3600.0  # seconds after which the writer of a part has surely been killed
# An entry, or one that is being written.
_OURS = re.compile(r"\.?[0-9a-f]{64}\.embedding(\.[0-9a-f]{12}\.part)?\.safetensors")


class EmbeddingStore:
    """A folder of embeddings.  Several processes may share one.

    - `folder`: made when first written to, if the folder that it lies in exists
    - `limit_mb`: megabytes (10**6 bytes) that may lie in the folder; what was used longest ago goes
      first. May be changed at any time, and holds from the next entry on.
    - `.problem`: why nothing is written any more, in a sentence; empty while all is well
    """

    def __init__(self, folder: Path, limit_mb: float = 20_000.0) -> None:
        self.folder = Path(folder)
        self.limit_mb = limit_mb
        self.problem = ""
        self._bytes: int | None = None  # in the folder; None: not looked yet

    @staticmethod
    def key(image: NDArray[np.uint8], fingerprint: str, size: tuple[int, int]) -> str:
        """Name the embedding of a picture by a model.

        - `image`: array of shape (H, W) or (H, W, 3), uint8
        - `fingerprint`: of the model and all its weights
        - `size`: ``(height, width)`` of what was read, which may have been in fewer pixels: so it
          may look the same at another size
        """
        digest = hashlib.sha256(f"{fingerprint} {size}\n{image.shape}\n".encode())
        digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()

    def __contains__(self, key: str) -> bool:
        """Whether there is an entry; not whether it is sound."""
        return os.path.isfile(self._path(key))  # false as well where one may not look

    def get(self, key: str, unpack: Callable[[bytes, str], Embedding]) -> Embedding | None:
        """Return an embedding, now the one used last, or None if there is no sound one.

        - `unpack`: makes an embedding of bytes and key; raises ValueError if they are not what they
          seem
        """
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            embedding = unpack(data, key)
        except ValueError:
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):  # a folder may be read only
            os.utime(path)
        return embedding

    def put(self, key: str, data: bytes) -> bool:
        """Keep an embedding, whole or not at all, making room for it first.

        Returns whether it is there now; if not, ``problem`` says why.
        """
        if self.problem:
            return False
        try:
            self.folder.mkdir(exist_ok=True)
            self._make_room(len(data))
            with written_whole(self._path(key)) as part:
                part.write_bytes(data)
        except OSError as error:
            self.problem = (
                f"Embeddings can't be kept in {self.folder} ({error.strerror or error}), only in"
                " memory; choose another folder, or this one again when it can be written to."
            )
            return False
        return True

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _make_room(self, more: int) -> None:
        """Delete what was used longest ago until so many bytes more keep the limit."""
        limit = self.limit_mb * _MB
        if self._bytes is not None and self._bytes + more <= limit:
            self._bytes += more
            return
        entries = sorted(self._entries())
        total = sum(size for _, _, size in entries) + more
        for _, path, size in entries:
            if total <= limit:
                break
            path.unlink(missing_ok=True)
            total -= size
        self._bytes = total

    def _entries(self) -> Iterator[tuple[int, Path, int]]:
        """Yield when each entry was used, where it is and its size; remove parts left behind."""
        with os.scandir(self.folder) as files:
            for file in files:
                if not _OURS.fullmatch(file.name):
                    continue
                try:
                    facts = file.stat()
                    if not is_part(Path(file.path)):
                        yield facts.st_mtime_ns, Path(file.path), facts.st_size
                    elif facts.st_mtime < time.time() - _ABANDONED:
                        os.unlink(file.path)
                except FileNotFoundError:
                    continue  # another process was quicker
