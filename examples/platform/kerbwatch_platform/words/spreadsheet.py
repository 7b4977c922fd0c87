"""A table as CSV that a spreadsheet opens as it stands."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What a spreadsheet takes for the beginning of a formula, also in its wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_of(headings: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """A short one as text; as :func:`write_csv`."""
    out = io.StringIO()
    write_csv(out, headings, rows)
    return out.getvalue()


def write_csv(into: TextIO, headings: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write CSV with a byte order mark, without which Excel takes the file for the machine's own encoding.

    Args:
        into: Where to.
        headings: The first line, in the reader's language.
        rows: Values in their order. What a spreadsheet would take for a formula gets an apostrophe before it.
    """
    into.write("\ufeff")
    writer = csv.writer(into)
    writer.writerow(headings)
    writer.writerows([_harmless(value) for value in row] for row in rows)


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip().startswith(_FORMULA):
        return "'" + value
    return value
