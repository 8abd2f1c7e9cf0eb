"""The table, and what its proofs share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tests.kinds import Table
from tests.stand_in import stand_in

from napari_samv2_prompts.cli import main

if TYPE_CHECKING:
    import pytest

TABLE = Table(
    "file-kinds.md",
    "File kinds",
    "What the command line and scripts do with each kind of file. *Refused* means that they"
    " say why. A test checks each row.",
)
row = TABLE.row


# --- what the proofs share ---

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 30)).astype(np.uint8)
RGB = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
GREY16 = (GREY.astype(np.uint16) * 16)[:, :]  # 12 bit


@dataclass
class Desk:
    """A folder to put files in, and the program, with a stand-in for the network."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        stand_in(self.monkeypatch)

    def path(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, text: str | bytes, encoding: str = "utf-8") -> Path:
        path = self.path(name)
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    def segment(self, *arguments: object) -> tuple[int, str]:
        """Run ``segment``; return its status and all that it printed."""
        status = main(["segment", *map(str, arguments)])
        told = self.capture.readouterr()
        return status, told.out + told.err
