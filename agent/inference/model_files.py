"""Reads the files of a model folder, each once, so that what was hashed is what runs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from wording.messages import said


def read_inside(folder: Path, name: str, most_bytes: int) -> bytes:
    """Read an ordinary file of a folder, whole.

    Args:
        folder: The model's.
        name: The file's, without any folder.
        most_bytes: A larger one is not read.

    Raises:
        OSError: It cannot be read.
        ValueError: It lies elsewhere (a link), is no ordinary file, or is too large.
    """
    path = folder / name
    if Path(os.path.realpath(path, strict=True)).parent != Path(os.path.realpath(folder)):
        raise ValueError(said("it is a link out of its folder: put the file itself there"))
    # Not waited for: a pipe in a file's place would never open.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(said("it is no ordinary file"))
        if status.st_size > most_bytes:
            raise ValueError(
                said(
                    "it is too large: {size_mb:.1f} MB, at most {most_mb:.0f} MB",
                    size_mb=status.st_size / 1e6,
                    most_mb=most_bytes / 1e6,
                )
            )
        return opened.read(status.st_size)
