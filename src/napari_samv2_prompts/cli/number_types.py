"""Numbers on the command line: what an option can mean, as types of argparse.

argparse says which option it is and ends the program, before anything is read.
"""

from __future__ import annotations

import argparse
import math


def count(text: str) -> int:
    """Return a whole number from 1."""
    return _whole(text, 1)


def place(text: str) -> int:
    """Return a whole number from 0: of a plane, of a layer."""
    return _whole(text, 0)


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return number


def positive(text: str) -> float:
    """Return a number above 0."""
    number = _number(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def extent(text: str) -> float:
    """Return a number from 0."""
    number = _number(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def value(text: str) -> float:
    """Return a number."""
    return _number(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text} is not a number")
    return number


def _whole(text: str, lowest: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if number < lowest:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from {lowest}")
    return number
