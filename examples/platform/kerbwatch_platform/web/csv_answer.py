"""Tables as CSV, for a spreadsheet."""

from __future__ import annotations

import io
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.web.file_answer import file_answer, kept_aside
from kerbwatch_platform.words.spreadsheet import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.responses import Response

    from kerbwatch_platform.web.desk import Desk


def csv_answer(
    desk: Desk, file_name: str, headings: Sequence[str], rows: Iterable[Iterable[Any]]
) -> Response:
    """A file to be kept; of its rows none is in memory longer than it takes to write it.

    Args:
        desk: Where long ones are kept aside.
        file_name: ASCII, ends in ``.csv``.
        headings: The first line, in the reader's language.
        rows: Values in their order.
    """
    with ExitStack() as unless_given:
        file = unless_given.enter_context(kept_aside(desk))
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        write_csv(text, headings, rows)
        text.detach()
        unless_given.pop_all()
    return file_answer(file, file_name, "text/csv; charset=utf-8")
