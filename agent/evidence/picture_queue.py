"""Which pictures of a case go to the platform by themselves, and how a redacted picture is found on the disk."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Literal, Protocol

from agent.storage.picture_table import QueuedPicture, queue_picture
from wording.known_errors import reason_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

_log = logging.getLogger(__name__)


class Copy(Protocol):
    """A redacted copy on the disk."""

    @property
    def file(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...


class PacketPicture(Protocol):
    """A picture of a packet; ``redacted`` is None where that could not be done."""

    @property
    def redacted(self) -> Copy | None: ...
    @property
    def default(self) -> bool: ...


class Packet(Protocol):
    """What was made of a case."""

    @property
    def case_id(self) -> str: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def pictures(self) -> Sequence[PacketPicture]: ...


class PictureQueue:
    """The pictures that wait for the platform."""

    def add(self, connection: sqlite3.Connection, packet: Packet) -> None:
        """Queue what of a case goes by itself, as far as it is redacted; within the packet's transaction."""
        for picture in packet.pictures:
            copy = picture.redacted
            if picture.default and copy is not None:
                queued = QueuedPicture(copy.sha256, packet.case_id, copy.file, copy.size_bytes)
                queue_picture(connection, queued, packet.occurred_at)


def content_of(folder: Path, row: QueuedPicture) -> bytes | Literal["deleted", "damaged", "again"]:
    """The bytes of a queued picture, if they are those that were queued; else why there are none.

    Args:
        folder: Of all pictures.
        row: Which. ``again``: the disk does not give it now.
    """
    try:
        content = (folder / row.file).read_bytes()
    except FileNotFoundError:
        return "deleted"
    except OSError as error:
        _log.error("picture %s: %s", row.file, reason_of(error))
        return "again"
    if hashlib.sha256(content).hexdigest() != row.sha256:
        _log.error("picture %s is not the one that was queued", row.file)
        return "damaged"
    return content
