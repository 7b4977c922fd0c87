"""Display width of texts on a terminal: a Chinese character takes two columns."""

from __future__ import annotations

import unicodedata


def display_width(text: str) -> int:
    """Columns that a text takes on a terminal.

    Wide and full-width characters (Unicode Standard Annex 11) take two columns, combining marks
    none. What is ambiguous there, such as ``…``, takes one, as terminals show it by default.
    """
    return sum(
        0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in text
    )


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """Fill a text up with spaces to a number of columns; one that is wider stays as it is.

    Args:
        text: What is shown.
        columns: How much room it has.
        right: Put it to the right of its room, as figures are.
    """
    room = " " * (columns - display_width(text))
    return room + text if right else text + room
