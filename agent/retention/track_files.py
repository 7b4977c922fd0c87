"""Retention of the tracks of the last hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.storage import track_log

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrackFiles:
    """The files of one device; see :mod:`agent.storage.track_log`.

    Attributes:
        folder: Their folder.
        days: Retention period in days. A file is of an hour: what is in it is kept for up to an hour longer.
    """

    folder: Path
    days: float

    def names(self) -> set[str]:
        """The names of all files."""
        return track_log.names(self.folder)

    def delete(self, name: str) -> None:
        """Delete a file.

        Raises:
            OSError: It could not be deleted.
        """
        (self.folder / name).unlink(missing_ok=True)
