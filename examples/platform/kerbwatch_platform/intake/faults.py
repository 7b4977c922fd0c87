"""What is wrong with the world, and what with that which came: the first is waited for, the second put aside."""

from __future__ import annotations

import psycopg

_PASSING = frozenset({"08", "28", "3D", "40", "42", "53", "55", "57", "58"})
"""Classes of what is wrong with a database, with its tables, or with the way to it."""
_IDLE = "25P03"
"""The database has ended a session that stood still in a transaction: the disk of the pictures may hang."""


def is_passing(error: BaseException) -> bool:
    """Whether a fault is the database's or the disk's, and not that of what was to be taken."""
    if isinstance(error, psycopg.Error):
        if error.sqlstate is None:  # never came to the server, or the connection broke
            return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return error.sqlstate[:2] in _PASSING or error.sqlstate == _IDLE
    return isinstance(error, OSError)


def told(error: BaseException) -> str:
    """What is told of a fault: its kind and first line, for the rest may quote what came."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
