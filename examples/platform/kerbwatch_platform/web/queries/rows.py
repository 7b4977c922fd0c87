"""Rows of a query by the names of their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from psycopg.rows import class_row, namedtuple_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

T = TypeVar("T")


def ask(
    connection: psycopg.Connection[Any], text: str, given: Mapping[str, Any] | Sequence[Any] = ()
) -> list[Any]:
    """All rows, as named tuples."""
    with connection.cursor(row_factory=namedtuple_row) as rows:
        return list(rows.execute(text, given))


def ask_one(
    connection: psycopg.Connection[Any], text: str, given: Mapping[str, Any] | Sequence[Any] = ()
) -> Any:
    """The first row as a named tuple; None: there is none."""
    return next(iter(ask(connection, text, given)), None)


def ask_for(
    connection: psycopg.Connection[Any],
    kind: type[T],
    text: str,
    given: Mapping[str, Any] | Sequence[Any] = (),
) -> list[T]:
    """All rows, each as a ``kind`` whose fields are the columns."""
    with connection.cursor(row_factory=class_row(kind)) as rows:
        return list(rows.execute(text, given))
