"""Room kept for the way out of a full disk.

On a disk without a free block even deleting fails: the journal of the deletion needs room. So a file of
real blocks lies beside the database and is thrown overboard when SQLite says that the disk is full; it
is taken on again once there is room to spare.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from drivers.disk import free_bytes

if TYPE_CHECKING:
    from pathlib import Path

SIZE_BYTES = 2_000_000
SPARE = 4
"""It is taken on again when so many times its size is free."""

_log = logging.getLogger(__name__)


class Ballast:
    """One file beside a database.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aboard = False
        self.thrown = False
        """Whether it was thrown off and is not taken on again: what is free is for the way out."""
        self.take_on()

    def take_on(self) -> None:
        """Take the room, if there is enough and it is not taken yet."""
        if self._aboard:
            return
        with suppress(OSError):  # a disk this full has none to keep; it is tried again
            if self._path.exists() and self._path.stat().st_size == SIZE_BYTES:
                self._aboard = True
            elif free_bytes(self._path.parent) > SPARE * SIZE_BYTES:
                with self._path.open("wb") as opened:
                    os.posix_fallocate(opened.fileno(), 0, SIZE_BYTES)
                self._aboard = True
        self.thrown = self.thrown and not self._aboard

    def throw_off(self) -> bool:
        """Give the room back; False if none was kept."""
        thrown, self._aboard = self._aboard, False
        self.thrown = self.thrown or thrown
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        if thrown:
            _log.error("the disk is full: the room that was kept for this is given back")
        return thrown
