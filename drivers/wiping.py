"""Making files unreadable, as far as a system can make a card forget.

A flash card writes changed blocks elsewhere and keeps the old ones until it needs them: overwriting is no
promise there. It is done all the same (some controllers and most other disks do forget), and the blocks
are then named as free, which lets the card erase them.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from drivers.disk import sync_folder
from drivers.programs import system

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES = 1 << 20
TRIM_WITHIN_S = 600.0


def wipe(path: Path) -> None:
    """Overwrite a file once with random bytes, and delete it; a link is only deleted.

    A file that is not there is wiped already.

    Raises:
        OSError: The disk did not let it.
    """
    try:
        if not path.is_symlink():
            _overwrite(path)
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def _overwrite(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        left = os.fstat(descriptor).st_size
        while left > 0:
            left -= os.write(descriptor, os.urandom(min(left, _PIECE_BYTES)))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def trim(folder: Path) -> bool:
    """Tell the card which blocks of the folder's file system are free; whether that was done."""
    mount = folder.absolute()
    while not mount.is_mount():
        mount = mount.parent
    try:
        done = subprocess.run(
            [system("fstrim"), str(mount)], capture_output=True, check=False, timeout=TRIM_WITHIN_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
