"""The folder in which a desk keeps everything, and that only one desk uses at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = "desk.lock"
_ROOTS = Path("/var/lib/kerbwatch-desk")
"""Below /root nobody else comes through, and PostgreSQL runs as somebody else there."""


def usual_folder() -> Path:
    """Where a desk lies unless it is told otherwise (XDG Base Directory Specification)."""
    if os.geteuid() == 0:
        return _ROOTS
    shared = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(shared) / "kerbwatch-desk"


@dataclass(frozen=True, slots=True)
class Folder:
    """Names of what lies in it."""

    path: Path

    @property
    def settings(self) -> Path:
        return self.path / "settings.toml"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def postgresql(self) -> Path:
        return self.path / "postgresql"

    @property
    def programs(self) -> Path:
        """A PostgreSQL of its own, where the machine has none."""
        return self.path / "programs"

    @property
    def broker(self) -> Path:
        return self.path / "broker"

    @property
    def evidence(self) -> Path:
        return self.path / "evidence"

    @property
    def archive(self) -> Path:
        return self.path / "archive"

    @property
    def signing_key(self) -> Path:
        return self.path / "signing.key"

    @property
    def demo(self) -> Path:
        return self.path / "demo"


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """The folder, made if need be, and locked as long as the context lasts.

    Raises:
        DeskError: Another desk uses it, something else does, or it cannot be made.
    """
    folder = Folder(path.absolute())
    try:
        if not folder.path.exists():
            folder.path.mkdir(parents=True)
            # Of root's folder others may pass through: PostgreSQL and the broker are others there.
            folder.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        _assert_ours(folder.path)
        for each in (folder.logs, folder.evidence, folder.archive):
            each.mkdir(mode=0o700, exist_ok=True)
        lock = (folder.path / _LOCK).open("a+", encoding="ascii")
    except OSError as error:
        raise DeskError(
            tell("{path} cannot be used: {reason}", path=path, reason=error.strerror or error)
        ) from error
    with lock:
        _take(lock.fileno(), folder.path)
        yield folder


def _assert_ours(path: Path) -> None:
    """Nothing is written between what belongs to something else."""
    if not (path / _LOCK).exists() and any(path.iterdir()):
        raise DeskError(
            tell(
                "{path} is not empty and is no desk's folder: name an empty one, or one that is not there yet",
                path=path,
            )
        )


def _take(lock: int, path: Path) -> None:
    """Lock it, and write down who has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "?"
        raise DeskError(
            tell(
                "a desk already runs on {path} (process {holder}). End that one with Ctrl-C, or "
                "name another folder with --data and another port with --port.",
                path=path,
                holder=holder,
            )
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
