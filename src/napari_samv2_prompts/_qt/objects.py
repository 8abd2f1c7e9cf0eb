"""Which object the next prompt belongs to.

The rules: a drawn shape starts a new object and makes it current; a click goes to the current
object; the next object is the next free number.  The current object is the selected label of the
Labels layer, too, so that a brush corrects what was clicked.

Not here: writing it to the layers (``layers.sync``), results.
"""

from __future__ import annotations

from napari_samv2_prompts.layers import NextPrompt, PromptTables

__all__ = ["CurrentObject"]


class CurrentObject:
    """The object that clicks go to, and the sign of the next click.

    Attributes
    ----------
    number : int
        0 while it is not known which numbers are free.
    positive : bool
    started : bool
        Whether it has a prompt already, on whatever plane.
    """

    def __init__(self) -> None:
        self.number = 1
        self.positive = True
        self.started = False
        self._free = 1
        self._tables = PromptTables()

    def follow(self, tables: PromptTables, free: int) -> None:
        """Take note of the prompts that are there.

        Parameters
        ----------
        tables : PromptTables
        free : int
            The number of the next object; 0 while it is not known.
        """
        others = tables.layers != self._tables.layers
        self._tables, self._free = tables, free
        if not free:
            self.number = 0
        elif tables.drawn and tables.shapes is not None:
            self.number, self.positive = int(tables.shapes.objects[tables.drawn[-1]]), True
        elif others or not self.number:
            self.number, self.positive = free, True
        self.started = self.number in tables.prompted

    @property
    def following(self) -> NextPrompt:
        """What is drawn next."""
        started = self.number and self.started
        return NextPrompt(self.number, self.positive, self._free if started else self.number)

    def next(self) -> None:
        """End the current object, so that the next click starts another."""
        self.pick(self._free)
        self.positive = True

    def pick(self, number: int) -> None:
        """Go (back) to an object."""
        if number != self.number:
            self.number, self.positive = number, True
        self.started = self.number in self._tables.prompted
