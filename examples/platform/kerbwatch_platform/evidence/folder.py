"""Whether the evidence folder is this platform's own, and is there.

A disk that is not mounted leaves an empty folder in its place. Nobody may conclude from that that every picture is lost,
nor store new ones where they vanish when the disk comes back. So the folder has a mark, a file with an id that the
database knows, too. Without it nothing is stored, marked as lost or deleted, until a person has looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from uuid import UUID, uuid4

from kerbwatch_platform import store
from kerbwatch_platform.evidence import files, notices
from kerbwatch_platform.words import CHINESE, Language

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from kerbwatch_platform.settings import Settings

MARK = "kerbwatch-evidence-id"
CODES = ("folder_missing", "folder_unmarked", "folder_other")
Code = Literal["folder_missing", "folder_unmarked", "folder_other"]
_SAMPLE = 200
"""Rows whose files are looked for where there was no mark before: one that is there will do."""


class NotOursError(OSError):
    """The evidence folder is away, or is another one.

    Attributes:
        code: Of :data:`CODES`.
        folder: The one that the settings name.
    """

    def __init__(self, code: Code, folder: Path) -> None:
        super().__init__(notices.words_of("en", code, folder=folder, mark=MARK))
        self.code, self.folder = code, folder

    def words(self, language: Language = CHINESE) -> str:
        """What is the matter, and what to do."""
        return notices.words_of(language, self.code, folder=self.folder, mark=MARK)


def need(connection: psycopg.Connection, settings: Settings) -> None:
    """Go on only where the folder is this database's own. At the first time it gets its mark.

    Raises:
        NotOursError: It is not.
        OSError: The disk does not answer.
    """
    known = _known(connection)
    if known is None:
        _begin(settings)
        return
    if _told(settings.evidence_folder) != known:
        raise NotOursError(_code(settings.evidence_folder), settings.evidence_folder)


def take_over(connection: psycopg.Connection, settings: Settings) -> None:
    """Make the folder this database's own: a person says that it is. What it does not have counts as lost from now on.

    Raises:
        OSError: The disk does not take it.
    """
    with connection.transaction():
        _mark(connection, settings.evidence_folder, uuid4())


def _begin(settings: Settings) -> None:
    """Give the folder its mark, over a connection of our own: the caller's transaction may be taken back.

    Raises:
        NotOursError: There are files or rows already, and they are not each other's.
    """
    folder = settings.evidence_folder
    with store.connect(settings.database) as own, own.transaction():
        own.execute("SELECT pg_advisory_xact_lock(hashtext('evidence folder is ours'), 0)")
        if _known(own) is not None:  # another was quicker
            return
        rows = own.execute(
            "SELECT path FROM evidence_file ORDER BY state = 'lost' LIMIT %s", (_SAMPLE,)
        ).fetchall()
        if rows and not any((folder / path).is_file() for (path,) in rows):
            raise NotOursError("folder_unmarked" if folder.is_dir() else "folder_missing", folder)
        if not rows and next(files.lying(folder), None) is not None:
            raise NotOursError("folder_other", folder)
        _mark(own, folder, _told(folder) or uuid4())


def _mark(connection: psycopg.Connection, folder: Path, new: UUID) -> None:
    files.write(folder, MARK, f"{new}\n".encode())
    connection.execute(
        "INSERT INTO evidence_folder (id) VALUES (%s) ON CONFLICT (one) DO UPDATE SET id = excluded.id",
        (new,),
    )


def _known(connection: psycopg.Connection) -> UUID | None:
    row = connection.execute("SELECT id FROM evidence_folder").fetchone()
    return None if row is None else UUID(str(row[0]))


def _told(folder: Path) -> UUID | None:
    """What the mark says; None: there is none, or it says nothing that can be read."""
    try:
        return UUID((folder / MARK).read_text(encoding="ascii", errors="replace")[:100].strip())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _code(folder: Path) -> Code:
    if not folder.is_dir():
        return "folder_missing"
    return "folder_other" if (folder / MARK).exists() else "folder_unmarked"
