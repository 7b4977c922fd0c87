"""How much room is left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def free_bytes(path: Path) -> int:
    """What an unprivileged process may still write to the file system that holds ``path``.

    Raises:
        OSError: The path cannot be reached.
    """
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def sync_folder(folder: Path) -> None:
    """Make new names in a folder survive a power cut.

    Raises:
        OSError: The disk did not take it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
