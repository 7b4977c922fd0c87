"""Disks: free space, errors, and durable writing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from wording.known_errors import NO_INODES, has_no_inodes, reason_of
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterable

PRIVATE, READABLE = 0o600, 0o644
"""Rights of a file: for its owner alone, and for everybody to read."""
PRIVATE_FOLDER = 0o700

_REFUSALS_OF_SQLITE = frozenset({8, 10, 13, 14})
"""SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL and SQLITE_CANTOPEN, see sqlite.org/rescode.html; by number, so that
who has no database loads no SQLite."""


def refusal(error: BaseException, folder: Path) -> str:
    """Why something in a folder could not be written or read, in words for a technician.

    SQLite says *unable to open* of whatever keeps it from making its files, and the system of a file that
    it is not there when its folder is not: then the disk itself is asked.

    Args:
        error: What was raised.
        folder: Where that was.
    """
    reason = reason_of(error)
    if any(kind.__module__ == "sqlite3" for kind in type(error).__mro__):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        why = _takes_nothing(folder) if code in _REFUSALS_OF_SQLITE else None
        return (
            reason
            if why is None or why == reason
            else said("{reason}: {why}", reason=reason, why=why)
        )
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return said("the folder {folder} is missing", folder=folder)
    return reason


def _takes_nothing(folder: Path) -> Said | None:
    """What keeps a folder from taking files; None: nothing that can be seen."""
    if not folder.exists():
        return said("the folder {folder} is missing", folder=folder)
    status = os.statvfs(folder)
    if status.f_flag & os.ST_RDONLY:
        return said("Read-only file system")
    if has_no_inodes(folder):
        return NO_INODES
    if status.f_bavail == 0:
        return said("No space left on device")
    if not os.access(folder, os.W_OK | os.X_OK):
        return said("Permission denied")
    return None


def free_bytes(path: Path) -> int:
    """Bytes that an unprivileged process may still write to the file system of ``path``.

    Raises:
        OSError: The path cannot be reached.
    """
    status = _status(path)
    return status.f_bavail * status.f_frsize


def _status(path: Path) -> os.statvfs_result:
    """Of the file system on which the path lies, or would lie."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return os.statvfs(path)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder survive a power cut.

    Raises:
        OSError: It could not be written.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, mode: int = 0o700) -> None:
    """Make a folder where there is none, and those above it; all of them survive a power cut.

    Args:
        folder: The folder.
        mode: The rights of those that are made, whatever the process's umask.

    Raises:
        OSError: It could not be written.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, mode=mode)
    folder.mkdir(mode=0o700, exist_ok=True)
    if mode != 0o700:
        folder.chmod(mode)
    sync_folder(folder.parent)


def replace_file(
    path: Path, content: str | bytes, *, mode: int = PRIVATE, durable: bool = True
) -> None:
    """Write a file whole under another name and rename it: a power cut leaves the old one or the new one.

    The one way in which something is written for later. A link that lies at the path is replaced, not
    followed.

    Args:
        path: The file; its folder is made where there is none.
        content: What it shall hold; text as UTF-8.
        mode: Its rights, whatever the process's umask.
        durable: Whether it is on the disk when this returns. If not, a power cut may leave it empty.

    Raises:
        OSError: It could not be written; the old one stands.
    """
    make_folder(path.parent, mode=_as_folder(mode))
    half = path.with_name(f"{path.name}.part")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            if mode != PRIVATE:
                os.fchmod(descriptor, mode)
            opened.write(content.encode() if isinstance(content, str) else content)
            opened.flush()
            if durable:
                os.fsync(descriptor)
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def place_folder(source: Path, target: Path) -> None:
    """Copy a folder for everybody to read: after a power cut the copy is there whole or not at all.

    Raises:
        FileExistsError: There is a folder already that is not empty.
        OSError: It could not be written.
    """
    make_folder(target.parent, mode=_as_folder(READABLE))
    half = target.with_name(f".{target.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    try:
        shutil.copytree(source, half)
        for path in (half, *half.rglob("*")):
            path.chmod(_as_folder(READABLE) if path.is_dir() else READABLE)
        sync_tree(half)
        half.rename(target)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    sync_folder(target.parent)


def _as_folder(mode: int) -> int:
    """Rights of a file as those of a folder: whoever may read it may enter it."""
    return mode | (mode & 0o444) >> 2


def sync_tree(folder: Path) -> None:
    """Make a folder with everything in it, and its own name, survive a power cut.

    Raises:
        OSError: It could not be written.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as opened:
                os.fsync(opened.fileno())
        elif path.is_dir():
            sync_folder(path)
    sync_folder(folder)
    sync_folder(folder.parent)


def sync_file_systems(folders: Iterable[Path]) -> None:
    """Write out everything that waits in memory for the file systems of some folders: ``syncfs(2)``.

    For what others wrote, such as pip and systemctl, which sync nothing.

    Raises:
        OSError: It could not be written, or a folder cannot be opened.
    """
    import ctypes  # noqa: PLC0415 - the units that run as root do without

    by_device = {folder.stat().st_dev: folder for folder in folders}
    libc = ctypes.CDLL(None, use_errno=True)  # Python has no call for it
    for folder in by_device.values():
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if libc.syncfs(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(folder))
        finally:
            os.close(descriptor)


def takes_writes(folder: Path) -> bool:
    """Whether a folder can be written; one block is written durably and deleted again."""
    path = folder / ".takes-writes"
    try:
        replace_file(path, "?" * 4096)
        path.unlink()
        sync_folder(folder)
    except OSError:
        return False
    return True


def total_bytes(path: Path) -> int:
    """Size in bytes of the file system of ``path``.

    Raises:
        OSError: The path cannot be reached.
    """
    status = _status(path)
    return status.f_blocks * status.f_frsize


def written_bytes(counters: Path = Path("/proc/self/io")) -> int | None:
    """Bytes that this process has caused to be written, by ``proc(5)``; None where not counted."""
    try:
        for line in counters.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "write_bytes":
                return int(value)
    except (OSError, ValueError):
        pass
    return None


def life_used_percent(path: Path, devices: Path = Path("/sys/dev/block")) -> int | None:
    """Used share of an eMMC's lifetime in percent, in steps of ten; 110 is beyond its end.

    JEDEC JESD84-B51, DEVICE_LIFE_TIME_EST_TYP_A and _B: the worse of the two counts. SD cards and
    most other disks tell nothing: None.
    """
    try:
        number = path.stat().st_dev
        block = devices / f"{os.major(number)}:{os.minor(number)}"
        for folder in (block / "device", block.resolve().parent / "device"):
            if (life := folder / "life_time").exists():
                steps = [int(word, 16) for word in life.read_text(encoding="ascii").split()]
                worst = max(steps, default=0)
                return 10 * worst if worst else None  # 0: it does not say
    except (OSError, ValueError):
        pass
    return None
