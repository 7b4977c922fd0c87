"""Holds the evidence folder and the database against each other.

A power cut, or a database restored from an old backup, leaves files without a row. Their devices may have been told
that they arrived, and send them no more: so a file is not thrown away but found again, by the manifest that names its
hash. What nobody has named for long is deleted; what a row says and the disk has not, or has otherwise, is said. Where
the folder is not this database's own (:mod:`kerbwatch_platform.evidence.folder`) nothing of that is done.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from kerbwatch_platform.evidence import files, folder, notices
from kerbwatch_platform.evidence.keeping import Own, keep
from kerbwatch_platform.store import lived

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from kerbwatch_platform.settings import Settings

UNNAMED_DAYS = 30.0
UNFINISHED_HOURS = 6.0
PIECES_DAYS = 7
"""A device tries for so long at most to send the rest (its waits are up to a day)."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What was found.

    Attributes:
        found: Files without a row, or said to be lost, that a manifest names: they have one now.
        deleted: Files that nobody has named for 30 days, and what was being written when a process died.
        lost: Rows whose file is not there, or is another.
        unnamed: Files that wait for a manifest.
    """

    found: int
    deleted: int
    lost: int
    unnamed: int


def sweep(connection: psycopg.Connection, settings: Settings, *, whole: bool = False) -> Swept:
    """Hold both against each other, while nothing is stored.

    Args:
        connection: To the store.
        settings: Where files are.
        whole: Read every file and compute its hash; else its name and size have to do.

    Raises:
        NotOursError: The folder is away, or is another one; the desk says so until it is mended.
    """
    need_folder(connection, settings)
    lost = _lost(connection, settings, whole=whole)
    lived_s = lived.advance(connection)
    found = deleted = unnamed = 0
    for _, shelf in itertools.groupby(
        files.lying(settings.evidence_folder), lambda file: file.parent
    ):
        with connection.transaction():  # no file is between disk and row now
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('evidence folder'), 0)")
            strays = _without_row(connection, list(shelf))
            gone, since_s = _gone(connection, strays), _since_s(connection, strays, lived_s)
            for file in strays:
                if file.name in gone:
                    file.unlink()
                    deleted += 1
                elif _find_again(connection, settings, file):
                    found += 1
                elif lived_s - since_s[file.name] >= UNNAMED_DAYS * lived.DAY_S:
                    file.unlink()
                    deleted += 1
                else:
                    unnamed += 1
    for file in files.unfinished(settings.evidence_folder):
        if _age_s(file) > UNFINISHED_HOURS * 3600:
            file.unlink(missing_ok=True)
            deleted += 1
    _forget(connection)
    return Swept(found, deleted, lost, unnamed)


def need_folder(connection: psycopg.Connection, settings: Settings) -> None:
    """Go on only where the folder is this database's own; the desk says so where it is not.

    Raises:
        NotOursError: It is away, or is another one.
    """
    try:
        folder.need(connection, settings)
    except folder.NotOursError as error:
        notices.forget(connection, *(each for each in folder.CODES if each != error.code))
        notices.note(connection, error.code, folder=str(error.folder), mark=folder.MARK)
        raise
    notices.forget(connection, *folder.CODES)


def _since_s(
    connection: psycopg.Connection, strays: list[Path], lived_s: float
) -> dict[str, float]:
    """Since when each of these has had no row, by lived time: of a new one it begins, whatever its own date says."""
    names = [file.name for file in strays]
    connection.execute(
        "INSERT INTO evidence_stray SELECT name, %s FROM unnest(%s::text[]) AS name ON CONFLICT DO NOTHING",
        (lived_s, names),
    )
    rows = connection.execute(
        "SELECT sha256, since_s FROM evidence_stray WHERE sha256 = ANY(%s)", (names,)
    )
    return dict(rows.fetchall())


def _forget(connection: psycopg.Connection) -> None:
    """Forget pieces that never became a picture, and strays that have a row."""
    connection.execute(
        "DELETE FROM picture_piece WHERE arrived_at < now() - make_interval(days => %s)",
        (PIECES_DAYS,),
    )
    connection.execute(
        "DELETE FROM evidence_stray s USING evidence_file f WHERE f.sha256 = s.sha256 AND f.state NOT IN ('lost', 'deleted')"
    )


def _without_row(connection: psycopg.Connection, shelf: list[Path]) -> list[Path]:
    rows = connection.execute(
        "SELECT sha256 FROM evidence_file WHERE sha256 = ANY(%s) AND state NOT IN ('lost', 'deleted')",
        ([file.name for file in shelf],),
    )
    known = {row[0] for row in rows}
    return [file for file in shelf if file.name not in known]


def _gone(connection: psycopg.Connection, strays: list[Path]) -> set[str]:
    """Which of these were deleted in their time: a folder that was restored from a backup brings them back."""
    rows = connection.execute(
        "SELECT sha256 FROM evidence_file WHERE sha256 = ANY(%s) AND state = 'deleted'",
        ([file.name for file in strays],),
    )
    return {row[0] for row in rows}


def _lost(connection: psycopg.Connection, settings: Settings, *, whole: bool) -> int:
    """Mark rows whose file is not as they say; how many. A row comes after its file: none of them is on its way.

    Raises:
        NotOursError: The folder went away while it was looked at.
    """
    root = settings.evidence_folder
    lost: list[str] = []
    after = ""
    while rows := connection.execute(
        "SELECT DISTINCT sha256, path, size_bytes FROM evidence_file"
        " WHERE state NOT IN ('lost', 'deleted') AND sha256 > %s ORDER BY sha256 LIMIT 5000",
        (after,),
    ).fetchall():
        lost += [each for each, path, size in rows if not _is_there(root / path, each, size, whole)]
        after = rows[-1][0]
    need_folder(connection, settings)
    connection.execute(
        "UPDATE evidence_file SET state = 'lost', why = 'content_lost'"
        " WHERE sha256 = ANY(%s) AND state <> 'deleted'",
        (lost,),
    )
    return len(lost)


def _is_there(file: Path, name: str, size: int, whole: bool) -> bool:
    try:
        right = file.stat().st_size == size
        return right and (not whole or sha256(file.read_bytes()).hexdigest() == name)
    except OSError:
        return False


def _find_again(connection: psycopg.Connection, settings: Settings, file: Path) -> bool:
    """Give a file a row for each device whose manifest or snapshot names it."""
    rows = connection.execute(
        "SELECT tenant, device FROM evidence_named WHERE sha256 = %(sha256)s UNION"
        " SELECT tenant, device FROM event WHERE type = 'evidence.snapshot'"
        " AND raw->'body'->>'sha256' = %(sha256)s",
        {"sha256": file.name},
    ).fetchall()
    if not rows:
        return False
    content = file.read_bytes()
    if sha256(content).hexdigest() != file.name:
        return False  # damaged: it comes again when it is asked for
    for tenant, device in rows:
        keep(connection, settings, Own(tenant, device, file.name), content, over="found")
    return True


def _age_s(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
