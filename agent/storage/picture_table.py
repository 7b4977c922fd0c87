"""The table of pictures on their way to the platform: redacted copies, by the SHA-256 of their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime


class Put(NamedTuple):
    """Where a picture is to be put by HTTPS, and until when (seconds since 1970); whoever has the URL may put."""

    url: str
    until_s: float


class QueuedPicture(NamedTuple):
    """A redacted picture that the platform is to have.

    Attributes:
        sha256: Of its bytes.
        case_id: Whose it is; None: of no case.
        file: Where it lies, from the folder of the pictures.
        size_bytes: Its length.
        sent_bytes: So many, from the first on, the broker has acknowledged.
        tries: How often all of it was sent without the platform saying that it has it.
        command_id: Of the command that asked for it; None: it goes by itself.
        put: Where it goes by HTTPS; None: it goes over MQTT.
    """

    sha256: str
    case_id: str | None
    file: str
    size_bytes: int
    sent_bytes: int = 0
    tries: int = 0
    command_id: str | None = None
    put: Put | None = None


_COLUMNS = "sha256, case_id, file, size_bytes, sent_bytes, tries, command_id, put_url, put_until"


def queue_picture(connection: sqlite3.Connection, picture: QueuedPicture, at: datetime) -> None:
    """Queue a picture; within a transaction. One that waits already is asked for anew, if it is asked for.

    Args:
        connection: Of the transaction.
        picture: Its ``sent_bytes`` and ``tries`` begin at 0.
        at: When.
    """
    url, until_s = picture.put or (None, None)
    connection.execute(
        "INSERT INTO picture_queue (sha256, case_id, file, size_bytes, command_id, put_url,"
        " put_until, queued_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (sha256) DO UPDATE SET command_id = excluded.command_id, tries = 0,"
        " put_url = excluded.put_url, put_until = excluded.put_until"
        " WHERE excluded.command_id IS NOT NULL",
        (
            picture.sha256,
            picture.case_id,
            picture.file,
            picture.size_bytes,
            picture.command_id,
            url,
            until_s,
            at.timestamp(),
        ),
    )


def queued(connection: sqlite3.Connection, *, by_put: bool = False) -> list[QueuedPicture]:
    """Every picture that is to be sent: what was asked for first, then the oldest.

    Args:
        connection: To read with.
        by_put: Those that go by HTTPS instead of those that go over MQTT.
    """
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM picture_queue WHERE (put_url IS NOT NULL) = ?"  # noqa: S608
        " ORDER BY command_id IS NULL, id",
        (by_put,),
    )
    return [_picture(row) for row in rows]


def queued_picture(connection: sqlite3.Connection, sha256: str) -> QueuedPicture | None:
    """One of them; None: it is not queued, or no longer."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM picture_queue WHERE sha256 = ?",  # noqa: S608
        (sha256,),
    ).fetchone()
    return None if row is None else _picture(row)


def count_asked_for(connection: sqlite3.Connection) -> int:
    """How many pictures wait that were asked for."""
    [count] = connection.execute(
        "SELECT count(*) FROM picture_queue WHERE command_id IS NOT NULL"
    ).fetchone()
    return int(count)


def pictures_waiting(connection: sqlite3.Connection) -> int:
    """How many pictures the platform has not confirmed."""
    [count] = connection.execute("SELECT count(*) FROM picture_queue").fetchone()
    return int(count)


def of_no_case_before(connection: sqlite3.Connection, at: datetime) -> list[QueuedPicture]:
    """Those of no case that have waited since before a time."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM picture_queue WHERE case_id IS NULL AND queued_at < ?",  # noqa: S608
        (at.timestamp(),),
    )
    return [_picture(row) for row in rows]


def note_sent(connection: sqlite3.Connection, sha256: str, sent_bytes: int, tries: int) -> None:
    """Keep how far a picture was sent; within a transaction."""
    connection.execute(
        "UPDATE picture_queue SET sent_bytes = ?, tries = ? WHERE sha256 = ?",
        (sent_bytes, tries, sha256),
    )


def take_out(connection: sqlite3.Connection, sha256: str) -> QueuedPicture | None:
    """Take a picture out of the queue; within a transaction. None: it was not there."""
    picture = queued_picture(connection, sha256)
    connection.execute("DELETE FROM picture_queue WHERE sha256 = ?", (sha256,))
    return picture


def _picture(row: tuple[Any, ...]) -> QueuedPicture:
    *facts, url, until_s = row
    return QueuedPicture(*facts)._replace(put=None if url is None else Put(url, until_s))
