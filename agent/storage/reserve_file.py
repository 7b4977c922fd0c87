"""A reserve file, deleted when the disk is full so that deletions can be journalled.

On a disk without a free block even deleting rows fails, because SQLite's journal needs room. So a file of
real blocks lies beside the database; it is deleted when SQLite reports a full disk, and made again once
there is room to spare.
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
"""Free space needed to make the file again, in multiples of its size."""

_log = logging.getLogger(__name__)


class ReserveFile:
    """The reserve file of a database.

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
        """Make the file, if it is missing and there is enough room."""
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
        """Delete the file; False if there was none."""
        thrown, self._aboard = self._aboard, False
        self.thrown = self.thrown or thrown
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        if thrown:
            _log.error("the disk is full: the reserve file is deleted")
        return thrown
