"""Numbers in the sentences of messages."""

from __future__ import annotations


def counted(number: int, what: str, several: str | None = None) -> str:
    """Return how many there are in words: "1 object", "2 objects".

    - `several`: the plural where it is another than with an s
    """
    return f"{number} {what if number == 1 else several or f'{what}s'}"
