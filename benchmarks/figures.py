"""How long the figures of a quarter take, out of PostgreSQL and out of the archive; both must come to the same.

``python -m benchmarks.figures [--devices N]``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

from kerbwatch_platform import figures, store
from kerbwatch_platform.figures import archive, duck

from tests.support.desk_database import take_in
from tests.support.drawn_quarter import drawn
from tests.support.postgres import postgres


def main() -> None:
    """Draw, take in, archive, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=8)
    devices = parser.parse_args().devices
    made = drawn(1, date(2026, 7, 1), 92, devices=devices)
    now = datetime(2026, 10, 2, tzinfo=made.zone)
    asked = figures.period("2026Q3", str(made.zone), now=now)
    with (
        postgres() as server,
        tempfile.TemporaryDirectory() as kept,
        store.connect(server.address()) as connection,
    ):
        store.migrate(connection)
        began_s = time.monotonic()
        take_in(connection, made)
        _say(f"{len(made.events)} events of {devices} devices, 92 days; taken in", began_s)
        folder, began_s = Path(kept), time.monotonic()
        months = archive.write_all(connection, folder)
        size = sum(each.stat().st_size for each in folder.rglob("*.parquet"))
        _say(f"archive: {len(months)} months, {size / 1e6:.1f} MB", began_s)
        with closing(duck.over(folder)) as archived:
            for name in figures.QUESTIONS:
                began_s = time.monotonic()
                rows = figures.ask(connection, name, asked)
                middle_s = time.monotonic()
                same = duck.answer(archived, name, asked) == rows
                _say(
                    f"{name}: {len(rows)} rows, both engines the same: {same};"
                    f" PostgreSQL {middle_s - began_s:.2f} s, DuckDB",
                    middle_s,
                )


def _say(what: str, began_s: float) -> None:
    sys.stdout.write(f"{what} {time.monotonic() - began_s:.2f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
