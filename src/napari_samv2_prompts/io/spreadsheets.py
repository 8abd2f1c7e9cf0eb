"""Tables as spreadsheets write them: any encoding, separator and way to write numbers.

Here: :func:`read_table`, the rows of a text file by the names in its first line, and numbers in
them, with errors that say file, line, column and what was seen.  Not here: what the columns mean
(``prompt_tables.py``).
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_samv2_prompts.files import read_named
from napari_samv2_prompts.words import counted

Decimal = Literal[".", ",", ""]

_SEPARATORS = ",;\t|"  # if a table has none of them, spaces are
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}([ '’\u00a0\u2009\u202f][0-9]{3})+([.,][0-9]*)?")
_GROUP_MARKS = re.compile(r"[ '’\u00a0\u2009\u202f]")
_THOUSANDS = {
    ",": re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?"),
    ".": re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{3})+(,[0-9]*)?"),
}
_EXCEL_TEXT = re.compile(r'="?([^"]*)"?|\'(.*)')  # a number that was kept as text
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, which knows where it stands so that an error can say so."""

    table: str
    line: int
    cells: dict[str, str]
    decimal: Decimal = "."

    def error(self, problem: str) -> ValueError:
        """Return an error about this line."""
        return ValueError(f"{self.table}, line {self.line}: {problem}")

    def number(self, column: str) -> float:
        """Return the number in a column.

        Raises ValueError if it is none, or can be read in two ways.
        """
        text = self.cells[column]
        plain = _without_marks(text)
        if "," in plain or (self.decimal == "," and "." in plain):
            plain = self._with_point(column, plain)
        value = float(plain) if _NUMBER.fullmatch(plain) else math.nan
        if not math.isfinite(value):
            raise self.error(f"{column} is {_shown(text)}, which is not a number.")
        return value

    def _with_point(self, column: str, text: str) -> str:
        """Return a number with a comma in it as it is written with a decimal point only."""
        if not self.decimal and _THOUSANDS[","].fullmatch(text):
            raise self.error(
                f"{column} is {_shown(text)}, which may be {text.replace(',', '')} or "
                f"{text.replace(',', '.')}: export the table without thousands separators."
            )
        if self.decimal == ",":
            if _THOUSANDS["."].fullmatch(text):
                text = text.replace(".", "")
            return text.replace(",", ".") if text.count(",") <= 1 and "." not in text else text
        return text.replace(",", "") if _THOUSANDS[","].fullmatch(text) else text

    def whole(self, column: str, lowest: int, meaning: str, highest: float = math.inf) -> int:
        """Return the whole number in a column; `meaning` says in the error what it is."""
        value = self.number(column)
        if not lowest <= value <= highest or value != int(value):
            raise self.error(f"{column} is {_shown(self.cells[column])}: {meaning}")
        return int(value)


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table, and the names of its columns in small letters."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path) -> Table:
    """Read a table whose first line names its columns.

    In front of it there may be lines that begin with ``#`` and Excel's ``sep=;``.

    - raises ValueError if it is no text, or a row does not fit the first line
    - raises OSError if it can't be read
    """
    lines = re.split("\r\n|\n|\r", read_text(path))
    start, separator = _head(lines)
    columns = _names(lines, start, separator)
    found: list[tuple[int, list[str]]] = []
    for line, cells in _cells(path.name, lines, start + 1, separator):
        filled = [cell for cell in cells if cell.strip()]
        if not filled or filled[0].lstrip().startswith("#"):
            continue
        found.append((line, _fitted(path.name, line, cells, len(columns), separator)))
    decimal = _decimal(cell for _, cells in found for cell in cells)
    rows = (
        Row(path.name, line, dict(zip(columns, cells, strict=True)), decimal)
        for line, cells in found
    )
    return Table(path.name, columns, tuple(rows))


def column_names(text: str) -> tuple[str, ...]:
    """Return what a text's columns are called, if it is a table; see :func:`read_table`."""
    lines = text.splitlines()
    return _names(lines, *_head(lines))


def _names(lines: list[str], start: int, separator: str) -> tuple[str, ...]:
    names = _split(lines[start].lstrip("# "), separator) if start < len(lines) else []
    return tuple(name.strip().lower() for name in names)


def read_text(path: Path) -> str:
    """Return a text file's content, whether UTF-8, UTF-16 or Latin-1.

    Raises ValueError if it is no text.
    """
    content = read_named(path)
    try:
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text = content.decode("utf-16")
        elif content[1:2] == b"\0" and len(content) % 2 == 0:
            text = content.decode("utf-16-le")
        else:
            text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1") if content[:2] != b"\xff\xfe" else "\0"
    if _NOT_TEXT.search(text):
        raise ValueError(f"{path.name} is not a text file: export the table as CSV.")
    return text


def _head(lines: list[str]) -> tuple[int, str]:
    """Return which line names the columns, and what separates cells."""
    separator = ""
    commented = -1
    for number, line in enumerate(lines):
        stripped = line.strip()
        if found := re.fullmatch(r'"?sep=(.)"?', stripped, re.IGNORECASE):
            separator = found[1]
        elif line[:5].lower() == "sep=\t":
            separator = "\t"
        elif stripped.startswith("#"):
            commented = number
        elif stripped.strip(_SEPARATORS + " "):
            sniffed = separator or _separator(line)
            cells = _split(line, sniffed)
            if commented >= 0 and all(_is_like_number(cell) for cell in cells):
                return commented, sniffed  # as numpy writes it: names behind a #
            return number, sniffed
    last = commented if commented >= 0 else len(lines)
    return last, separator or _separator(lines[last] if last < len(lines) else "")


def _separator(line: str) -> str:
    return max(_SEPARATORS, key=line.count) if any(map(line.count, _SEPARATORS)) else " "


def _split(line: str, separator: str) -> list[str]:
    try:
        return next(_reader([line], separator), [])
    except csv.Error:
        return []  # a cell of a hundred thousand characters is no name


def _reader(lines: list[str], separator: str) -> Any:
    if separator == " ":  # as many as it takes to have columns below each other
        return csv.reader(map(str.strip, lines), delimiter=separator, skipinitialspace=True)
    return csv.reader(lines, delimiter=separator)


def _cells(
    table: str, lines: list[str], start: int, separator: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each row's last line in the file, and the row's cells."""
    reader = _reader(lines[start:], separator)
    try:
        for cells in reader:
            yield reader.line_num + start, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise ValueError(f"{table}, line {reader.line_num + start}: {error}.") from error


def _fitted(table: str, line: int, cells: list[str], columns: int, separator: str) -> list[str]:
    if len(cells) < columns or any(cells[columns:]):
        hint = ""
        if separator == "," and len(cells) > columns:
            hint = " If these are decimal commas, export the table with semicolons."
        raise ValueError(
            f"{table}, line {line}: {counted(len(cells), 'value')}, but the table has "
            f"{counted(columns, 'column')}.{hint}"
        )
    return cells[:columns]


def _without_marks(text: str) -> str:
    """Return a number without what programs put around it and between its thousands."""
    if found := _EXCEL_TEXT.fullmatch(text):
        text = found[1] if found[1] is not None else found[2]
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    return _GROUP_MARKS.sub("", text) if _GROUPED.fullmatch(text) else text


def _is_like_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?[0-9][0-9.,eE+\- ']*", _without_marks(text)))


def _decimal(cells: Iterable[str]) -> Decimal:
    """Return a table's decimal sign by what can be read in one way only; empty if nothing can."""
    signs: set[Decimal] = set()
    for cell in cells:
        text = _without_marks(cell)
        if not _is_like_number(text):
            continue
        if "," in text and "." in text:
            signs.add("," if text.rfind(",") > text.rfind(".") else ".")
        elif text.count(",") == 1 and not _THOUSANDS[","].fullmatch(text):
            signs.add(",")
        elif text.count(",") > 1 or (text.count(".") == 1 and not _THOUSANDS["."].fullmatch(text)):
            signs.add(".")
    return signs.pop() if len(signs) == 1 else ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
