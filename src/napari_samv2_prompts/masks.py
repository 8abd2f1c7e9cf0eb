"""Which label each pixel of a plane gets, as pure functions on masks cut to their boxes.

Here: :class:`Painted` (what one live object has painted and what lies under it) and the rules by
which the live objects of a plane, existing labels and the user's own edits share the pixels.

The rules, in the words of the user guide:

1. *Live* objects are those whose prompts are still there.  Where live objects overlap, the one that
   was predicted last is on top; among objects predicted together, the smaller one.
2. Labels that were there before (drawn by hand, accepted, or from another program) are kept, unless
   the policy is "replace".
3. A live object keeps in mind what it covers.  When it shrinks, moves or goes, what was under it
   comes back.
4. A pixel of a live object that the user has edited by hand is the user's from then on.

Not here: layers, undo, dtypes (``layers.labels_target``).
"""

from __future__ import annotations

from typing import Literal

__all__ = ["Policy"]

Policy = Literal["keep", "replace", "background"]
