"""Draws the pictures of docs/platform/figures.md again, from drawn streets: ``python -m tests.support.figure_pictures``."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from kerbwatch_platform import figures, store
from kerbwatch_platform.figures.plot import plot

from tests.support.desk_database import take_in
from tests.support.drawn_quarter import drawn
from tests.support.paths import ROOT
from tests.support.postgres import postgres

if TYPE_CHECKING:
    from pathlib import Path

    from kerbwatch_platform.words import Language

PICTURES: dict[Language, Path] = {
    "en": ROOT / "docs" / "platform" / "figures.svg",
    "zh_CN": ROOT / "docs" / "platform" / "figures.zh-CN.svg",
}


def main() -> None:
    """Two months of three devices."""
    made = drawn(11, date(2026, 7, 1), 61, signs=False)
    now = datetime(2026, 10, 1, tzinfo=made.zone)
    with postgres() as server, store.connect(server.address()) as connection:
        store.migrate(connection)
        take_in(connection, made)
        asked = figures.period("2026Q3", str(made.zone), now=now)
        rows = figures.ask(connection, "operators", asked)
    for language, path in PICTURES.items():
        path.write_bytes(plot(language, figures.QUESTIONS["operators"], rows, asked) + b"\n")


if __name__ == "__main__":
    main()
