"""Units for tests of a cluster: they need no model, and a worker imports little for them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from napari_samv2_prompts.units.unit import ModelSettings, Outcome


@dataclass(frozen=True)
class NoModel(ModelSettings):
    """Settings of a model that nobody needs."""

    def key(self) -> str:
        return "none"

    def make(self) -> None:
        return None


@dataclass(frozen=True)
class Note:
    """Writes its key to a file; may do harm while it does."""

    name: str
    out: Path
    harm: str = ""

    def key(self, weights: str) -> str:
        return f"{self.name} {weights}"

    def standing(self, key: str) -> str:
        return "done" if self.out.is_file() and self.out.read_text() == key else "absent"

    def run(self, make_predictor, key) -> Outcome:
        tries = self.out.with_suffix(".tries")
        tried = len(tries.read_text()) if tries.is_file() else 0
        tries.write_text("x" * (tried + 1))
        if self.harm == "always" or (self.harm == "once" and not tried):
            os._exit(1)
        if self.harm == "full":
            raise OSError(28, "No space left on device")
        if self.harm == "slow":
            time.sleep(0.1)
        if self.harm == "odd":
            raise RuntimeError("an odd one")
        self.out.write_text(key)
        return Outcome(self, objects=1)


def notes(tmp_path: Path, count: int, harm: str = "") -> list[Note]:
    return [Note(f"unit {n}", tmp_path / f"{n}.txt", harm) for n in range(count)]


@dataclass(frozen=True)
class Counting:
    """Counts, and makes a mark for each number; may do harm at the third."""

    name: str
    marks: Path
    count: int = 5
    harm: str = ""

    def parts(self, tools):
        tried = self.marks.is_file()
        for number in range(self.count):
            with self.marks.open("a") as file:
                file.write("x")
            if number == 3 and self.harm == "once" and not tried:
                time.sleep(0.3)  # what was told is on its way
                os._exit(1)
            if number == 3 and self.harm == "full":
                raise OSError(28, "No space left on device")
            if self.harm == "slow":
                time.sleep(0.05)
            yield self.name, number
