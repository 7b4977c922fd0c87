"""``kerbwatch-platform figures`` and ``archive``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerbwatch_platform import figures, settings, store
from kerbwatch_platform.figures import archive, duck
from kerbwatch_platform.figures.reach import reach_of
from kerbwatch_platform.figures.writing import as_csv, cells, headings
from kerbwatch_platform.words import Language, say, text
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Settings

NO_PERIOD = text(
    "{name} is no period: write 2026, 2026Q4, 2026-10, 2026-10-01 or 2026-10-01..2026-10-09, a year at most."
)
NO_ARCHIVE = text("There is no archive in {folder}: kerbwatch-platform archive writes one.")
NO_FOLDER = text("No folder is set: write archive_folder into the settings, or give --folder.")
WRITTEN = text("{folder}: {count} months written")


@click.command("figures", help=tell("One figure of a period, as a table or CSV."))
@click.argument("name", type=click.Choice(list(figures.QUESTIONS)))
@click.option(
    "--period", "named", required=True, help=tell("2026, 2026Q4, 2026-10, or FROM..UNTIL.")
)
@click.option("--csv", "as_file", is_flag=True, help=tell("CSV for a spreadsheet."))
@click.option(
    "--days", default=7, show_default=True, help=tell("How soon a case counts as the same again.")
)
@click.option("--language", type=click.Choice(["zh_CN", "en"]), default="zh_CN", show_default=True)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help=tell("Out of an archive, by DuckDB, rather than out of PostgreSQL."),
)
@settings.passed
def of_period(
    chosen: Settings,
    name: str,
    named: str,
    language: Language,
    folder: Path | None,
    days: int,
    *,
    as_file: bool,
) -> None:
    """Print one figure."""
    try:
        asked = figures.period(
            named, chosen.time_zone, now=_written_at(folder), again_within_days=days
        )
        if folder is not None:
            rows = duck.ask(folder, name, asked)
        else:
            with store.connect(chosen.database) as connection:
                rows = figures.ask(connection, name, asked)
    except figures.PeriodError as error:
        raise click.UsageError(say(language, NO_PERIOD, name=named)) from error
    except duck.ArchiveError as error:
        raise click.ClickException(say(language, NO_ARCHIVE, folder=folder)) from error
    question = figures.QUESTIONS[name]
    if as_file:
        # Bytes: a terminal's encoding has nothing to do with a file for a spreadsheet.
        sys.stdout.buffer.write(as_csv(language, question, rows, asked).encode())
        return
    note = reach_of(question, asked).note(language)
    if note:
        click.echo(note, err=True)
    click.echo("\t".join(headings(language, question)))
    for row in rows:
        told = cells(language, question, row, asked.zone)
        click.echo("\t".join("" if value is None else str(value) for value in told))


def _written_at(folder: Path | None) -> datetime | None:
    """When an archive was last written: nothing later is in it. None: there is none, or PostgreSQL is asked."""
    if folder is None or not (folder / duck.VERDICTS).exists():
        return None
    return datetime.fromtimestamp((folder / duck.VERDICTS).stat().st_mtime, UTC)


@click.command(
    "archive", help=tell("Write Parquet by month: every month that has news, and the verdicts.")
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help=tell("Where to; archive_folder of the settings otherwise."),
)
@settings.passed
def write_archive(chosen: Settings, folder: Path | None) -> None:
    """Write what has news."""
    target = folder or chosen.archive_folder
    if target is None:
        raise click.UsageError(say("zh_CN", NO_FOLDER))
    with store.connect(chosen.database) as connection:
        months = archive.write_all(connection, target)
    click.echo(say("zh_CN", WRITTEN, folder=target, count=len(months)))


COMMANDS: list[click.Command] = [of_period, write_archive]
