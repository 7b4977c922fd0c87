"""Tables as CSV, for a spreadsheet."""

from __future__ import annotations

from starlette.responses import Response


def csv_answer(file_name: str, text: str) -> Response:
    """A file to be kept.

    Args:
        file_name: ASCII, ends in ``.csv``.
        text: As :func:`kerbwatch_platform.words.spreadsheet.csv_of` writes it.
    """
    return Response(
        text.encode(),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{file_name}"'},
    )
