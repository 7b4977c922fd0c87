"""Takes a small request that another user has left in a folder of his: for root's helpers, which trust nothing.

Imports only the standard library, and modules of ours that do the same.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from drivers.files.privileges import open_folder

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_BYTES = 4096


class RefusedError(Exception):
    """The request is refused; says why."""


def take(path: Path, largest_bytes: int = LARGEST_BYTES) -> dict[str, Any]:
    """Read and remove a request.

    Args:
        path: Its file; no link is followed, no pipe waited for.
        largest_bytes: A larger one is refused.

    Returns:
        A JSON object of version 1, with nothing else about it checked.

    Raises:
        RefusedError: It is none.
        OSError: The folder cannot be opened, or the file not removed.
    """
    content = _removed(path, largest_bytes)
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RefusedError("the request is not JSON") from error
    version = told.get("version") if isinstance(told, dict) else None
    if isinstance(version, bool) or version != 1:
        raise RefusedError("the request is of no version that is known")
    return told  # type: ignore[no-any-return]


def _removed(path: Path, largest_bytes: int) -> bytes:
    """Read the file and delete it; its folder belongs to another, so no link in it is followed."""
    folder = open_folder(path.parent)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(path.name, flags, dir_fd=folder)
        except OSError as error:
            with suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=folder)
            raise RefusedError(f"the request cannot be opened: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as opened:
            regular = stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
            content = opened.read(largest_bytes + 1) if regular else b""
        os.unlink(path.name, dir_fd=folder)
    finally:
        os.close(folder)
    if not regular or len(content) > largest_bytes:
        raise RefusedError("the request is no small file")
    return content
