"""What the rows of the table are, and what their proofs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tests.test_cli import BoxPredictor

from napari_samv2_prompts import samv2
from napari_samv2_prompts.cli import main

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[3] / "docs" / "file-kinds.md"


@dataclass(frozen=True)
class Kind:
    """A row of the table: a kind of file, what happens with it, and a function that proves it."""

    group: str
    kind: str
    happens: str
    prove: Callable[[Desk], None]


KINDS: list[Kind] = []


def row(group: str, kind: str, happens: str) -> Callable[[Callable[[Desk], None]], None]:
    return lambda prove: KINDS.append(Kind(group, kind, happens, prove))


def table() -> str:
    """Return the page."""
    lines = [
        "# File kinds",
        "",
        "What the command line and scripts do with each kind of file. *Refused* means that they"
        " say why. A test checks each row.",
    ]
    for group in dict.fromkeys(item.group for item in KINDS):
        lines += ["", f"## {group}", "", "| kind | what happens |", "|---|---|"]
        lines += [f"| {k.kind} | {k.happens} |" for k in KINDS if k.group == group]
    return "\n".join(lines) + "\n"


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
        self.monkeypatch.setattr(samv2, "SAMV2ImagePredictor", BoxPredictor, raising=False)
        self.monkeypatch.setattr(BoxPredictor, "made", [])

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
