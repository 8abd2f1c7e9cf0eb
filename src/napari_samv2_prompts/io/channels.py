"""Which channel of an image is meant: by its number, by its name, or three as colours.

Not here: where the channels lie in a file (``opening.py``, ``ome_zarr.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

COLOURS = 3
RGB = "rgb"
"""What stands for three channels as colours."""


def channel_of(
    wanted: str | int | None, count: int, names: Sequence[str], *, bytes_: bool
) -> int | slice | None:
    """Return which channel is meant: its position, a slice for colours, None if there is none.

    - `wanted`: its number or its name; "rgb" for three as colours.  Without it the only one, or the
      three of an 8-bit image as colours.
    - `count`, `names`: of the channels; names as far as the file tells them
    - `bytes_`: whether the image is one of 8 bit
    - raises ValueError if there is no such channel, or several and none is named
    """
    said = None if wanted is None else str(wanted)
    if said is None:
        if count <= 1:
            return 0 if count else None
        if count == COLOURS and bytes_:
            return slice(0, COLOURS)
    elif said.lower() == RGB and count == COLOURS:
        return slice(0, COLOURS)
    elif said in names[:count]:
        return names.index(said)
    elif said.isdecimal() and int(said) < count:
        return int(said)
    if not count:
        raise ValueError(f"it has no channels, and so no {said!r}: leave that out")
    listed = ", ".join(f"{n} ({names[n]})" if n < len(names) else str(n) for n in range(count))
    if said is None:
        raise ValueError(f"it has {count} channels: say which one (--channel): {listed}")
    raise ValueError(f"it has no channel {said!r}, but {listed}")
