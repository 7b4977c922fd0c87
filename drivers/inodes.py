"""Free inodes: how many more files a file system can hold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Inodes:
    """How many files and folders a file system can hold in all, and how many more."""

    total: int
    free: int


def inodes(path: Path) -> Inodes | None:
    """Count those of the file system that holds ``path``, or would; None where it does not count them.

    Raises:
        OSError: The path cannot be reached.
    """
    while not path.exists() and path != path.parent:
        path = path.parent
    status = os.statvfs(path)
    return Inodes(status.f_files, status.f_favail) if status.f_files else None
