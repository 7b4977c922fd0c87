"""Wipes files, as far as that is possible on a memory card.

A flash card writes changed blocks elsewhere and keeps the old ones until it needs them: overwriting is no
promise there. It is done all the same (some controllers and most other disks do forget), and the blocks
are then named as free, which lets the card erase them.
"""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

from drivers.files.privileges import is_linked_in, open_folder
from drivers.programs import system

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES = 1 << 20
TRIM_WITHIN_S = 600.0


def wipe(path: Path) -> None:
    """Overwrite a file once with random bytes, and delete it; what is no file is only deleted.

    A file that is not there is wiped already. In a folder that is another's root follows none of his
    links, and overwrites nothing of somebody else that has another name elsewhere.

    Raises:
        OSError: The disk did not let it.
    """
    try:
        folder = open_folder(path.parent)
    except FileNotFoundError:
        return
    try:
        _overwrite(path.name, folder)
        os.unlink(path.name, dir_fd=folder)
        os.fsync(folder)
    except FileNotFoundError:
        return
    finally:
        os.close(folder)


def _overwrite(name: str, folder: int) -> None:
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return
        if is_linked_in(status, folder):
            return
        left = status.st_size
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
