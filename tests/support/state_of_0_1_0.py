"""A state folder that version 0.1.0 wrote itself; ``state-0.1.0/README.md`` says how."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from agent.storage.paths import DATABASE

_RECORDED = Path(__file__).with_name("state-0.1.0")
EPOCH, LAST = "7321bca0ba863c7d", 19
"""Its epoch, and the last number given there."""


def put_state_of_0_1_0(folder: Path) -> Path:
    """Make the folder as 0.1.0 left it; gives its database."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / DATABASE
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript((_RECORDED / "kerbwatch.sql").read_text(encoding="utf-8"))
    (folder / "recovery.json").write_bytes((_RECORDED / "recovery.json").read_bytes())
    return path


def column(path: Path, query: str) -> list[Any]:
    """The first column of a query on a database."""
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute(query)]
