"""Tables of the guide: each row says what happens with a kind of thing, and is proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
Proof = Callable[..., None]


@dataclass(frozen=True)
class Kind:
    """A row: a kind of thing, what happens with it, and a function that proves it."""

    group: str
    kind: str
    happens: str
    prove: Proof


class Table:
    """The rows of a page of the guide, in the order in which their proofs are defined."""

    def __init__(self, page: str, title: str, about: str) -> None:
        self.page = DOCS / page
        self.kinds: list[Kind] = []
        self._head = ["# " + title, "", about]

    def row(self, group: str, kind: str, happens: str) -> Callable[[Proof], None]:
        """Take the function below for the proof of a row."""
        return lambda prove: self.kinds.append(Kind(group, kind, happens, prove))

    def text(self) -> str:
        """Return the page."""
        lines = list(self._head)
        for group in dict.fromkeys(item.group for item in self.kinds):
            lines += ["", f"## {group}", "", "| kind | what happens |", "|---|---|"]
            lines += [f"| {k.kind} | {k.happens} |" for k in self.kinds if k.group == group]
        return "\n".join(lines) + "\n"
