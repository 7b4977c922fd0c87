"""How much room is left."""

from __future__ import annotations

import os
from pathlib import Path


def free_bytes(path: Path) -> int:
    """What an unprivileged process may still write to the file system that holds ``path``.

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
        OSError: The disk did not take it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a file whole under another name and rename it: a power cut leaves the old one or the new one.

    Args:
        path: The file; its folder is made where there is none.
        text: What it shall say.
        mode: Its rights, less the process's umask.

    Raises:
        OSError: The disk did not take it; the old one stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    half.replace(path)
    sync_folder(path.parent)


def takes_writes(folder: Path) -> bool:
    """Whether a folder takes a file for good; one block of it is written and deleted again."""
    path = folder / ".takes-writes"
    try:
        replace_file(path, "?" * 4096, mode=0o600)
        path.unlink()
        sync_folder(folder)
    except OSError:
        return False
    return True


def total_bytes(path: Path) -> int:
    """How large the file system is that holds ``path``.

    Raises:
        OSError: The path cannot be reached.
    """
    status = _status(path)
    return status.f_blocks * status.f_frsize


def written_bytes(counters: Path = Path("/proc/self/io")) -> int | None:
    """How much this process has caused to be written, by ``proc(5)``; None where nobody counts."""
    try:
        for line in counters.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "write_bytes":
                return int(value)
    except (OSError, ValueError):
        pass
    return None


def life_used_percent(path: Path, devices: Path = Path("/sys/dev/block")) -> int | None:
    """How much of its life an eMMC's memory has behind it, in steps of ten; 110 is beyond its end.

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


def give_to_owner_of(folder: Path, path: Path) -> None:
    """Let a file or folder belong to whoever owns ``folder``; only root can, for others it does.

    What root's command writes into the agent's folder must stay the agent's.

    Raises:
        OSError: The path cannot be reached.
    """
    if os.geteuid() != 0:
        return
    owner, now = folder.stat(), path.stat()
    if (owner.st_uid, owner.st_gid) != (now.st_uid, now.st_gid):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
