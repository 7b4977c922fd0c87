"""Tables as CSV, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_answer(file_name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A file to be kept.

    Args:
        file_name: ASCII, ends in ``.csv``.
        columns: Their names, the first line.
        rows: Values in their order. What a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return Response(
        "\ufeff"
        + text.getvalue(),  # Excel takes the file for the machine's own encoding without it
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{file_name}"'},
    )


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value
