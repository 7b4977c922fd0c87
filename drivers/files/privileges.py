"""Runs root's commands safely in folders that belong to another user.

The owner of a folder can replace anything in it by a link, a pipe or another folder, at any moment, and root
would follow. So a command acts there with the rights of that user, who then gains nothing; or it enters the
folder by descriptors that follow no link of his.

A process of another user does all of it with its own rights.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.disk import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAX_LINKS = 40
_NOBODY = 65534
_PR_SET_KEEPCAPS, _CAP_DAC_READ_SEARCH, _CAPABILITY_VERSION_3 = 8, 2, 0x20080522
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class User:
    """A user with his groups, by their numbers; ``begins`` is where a path begins to be his."""

    number: int
    group: int
    groups: tuple[int, ...]
    begins: Path


def keeper_of(path: Path) -> User | None:
    """Who could put something else in the place of what lies at a path; None: root alone.

    That is the owner of the first part of the path, links included, that is not root's; where everybody
    may write, it is the user nobody. What is not there yet is kept by whoever keeps the folder that it
    would lie in.

    Raises:
        OSError: The path leads in a circle.
    """
    here, parts, number = _roots_part(path)
    if number is None:
        return None
    begins = here / parts[0]
    try:
        known = pwd.getpwuid(number)
    except KeyError:
        group = begins.lstat().st_gid or number
        return User(number, group, (group,), begins)
    groups = os.getgrouplist(known.pw_name, known.pw_gid)
    return User(number, known.pw_gid, tuple(groups), begins)


@contextmanager
def acting_for(path: Path) -> Iterator[None]:
    """Let root do what follows with the rights of whoever keeps a path.

    All threads of the process act so meanwhile.

    Raises:
        OSError: As :func:`keeper_of`.
    """
    user = keeper_of(path) if os.geteuid() == 0 else None
    if user is None:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups(user.groups)
    os.setegid(user.group)
    os.seteuid(user.number)
    try:
        if not _can_read(user):
            _keep_reading(for_good=False)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def become_keeper_of(path: Path, groups: Sequence[int] = ()) -> None:
    """Let root go on as whoever keeps a path, for good.

    Args:
        path: The path.
        groups: What he shall belong to beside his own; root's group is left out.

    Raises:
        OSError: As :func:`keeper_of`.
    """
    user = keeper_of(path) if os.geteuid() == 0 else None
    if user is None:
        return
    os.setgroups(sorted({*user.groups, *groups} - {0}))
    os.setresgid(user.group, user.group, user.group)
    os.seteuid(user.number)
    reads = _can_read(user)
    os.seteuid(0)
    if not reads:
        _keep_capabilities()
    os.setresuid(user.number, user.number, user.number)
    if not reads:
        _keep_reading(for_good=True)


def settle_in(folder: Path, groups: Sequence[int] = ()) -> None:
    """Make a folder for results where there is none; root goes on as whoever keeps it, for good.

    Args:
        folder: The folder.
        groups: As for :func:`become_keeper_of`.

    Raises:
        OSError: As there, or the folder cannot be made.
    """
    for each in (*reversed(folder.absolute().parents), folder):
        become_keeper_of(each, groups)  # before it is made, and after: another may have been faster
        make_folder(each)
    become_keeper_of(folder, groups)


def may_follow(link: Path) -> bool:
    """Whether a link leads where somebody meant whose word counts: root takes only root's own."""
    if os.geteuid() != 0:
        return True
    return link.lstat().st_uid == 0 and keeper_of(link.parent) is None


def open_folder(path: Path) -> int:
    """Open a folder; where root does, no link is followed that is not root's own.

    Raises:
        OSError: It is not there, or such a link is in the way.
    """
    if os.geteuid() != 0:
        return os.open(path, _FOLDER)
    here, parts, _ = _roots_part(path)
    descriptor = os.open(here, _FOLDER)
    for part in parts:
        try:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def read_file(path: Path) -> bytes:
    """What a file holds that another may have put there: no link, and nothing that keeps a reader waiting.

    Raises:
        OSError: It is not there, or no file.
    """
    folder = open_folder(path.parent)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path.name, flags, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or is_linked_in(status, folder):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
            return opened.read()
    finally:
        os.close(folder)


def is_linked_in(file: os.stat_result, folder: int) -> bool:
    """Whether a file is most likely somebody else's, to which the folder's owner made a hard link."""
    return file.st_nlink > 1 and file.st_uid != os.fstat(folder).st_uid


def _can_read(user: User) -> bool:
    """Whether the user, as whom we act now, can read this Python, and come to what is his.

    What is his he may close himself, and gains nothing by that.
    """
    needed = ((os.__file__, os.R_OK), (user.begins.parent, os.X_OK))
    return all(os.access(path, right, effective_ids=True) for path, right in needed)


def _keep_capabilities() -> None:
    """Let root's capabilities outlive the change of the user: ``prctl(2)``."""
    import ctypes  # noqa: PLC0415 - where no memory may be writable and executable, nobody needs it

    _checked(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))


def _keep_reading(*, for_good: bool) -> None:
    """Let this thread read everything, and nothing more of what root may.

    On a device nobody needs it. Where Python lies in somebody's home, or the folder around the state is
    closed, the rest of the command could not even be imported. ``capabilities(7)``
    """
    import ctypes  # noqa: PLC0415 - as above

    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _checked(libc.capget(header, sets))
    reading = sets[1] & 1 << _CAP_DAC_READ_SEARCH
    # Effective, permitted, inheritable; the lower half of each, then the upper.
    sets[:] = [reading, reading if for_good else sets[1], 0, 0, 0 if for_good else sets[4], 0]
    _checked(libc.capset(header, sets))


def _checked(result: int) -> None:
    import ctypes  # noqa: PLC0415 - as above

    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _roots_part(path: Path) -> tuple[Path, list[str], int | None]:
    """How far a path is root's alone, with root's own links followed; what is left of it.

    Returns:
        The former, the latter, and whose the latter is; None: it is not there, or nothing is left.
    """
    here, left, links = Path("/"), list(reversed(path.absolute().parts[1:])), 0
    while left:
        part = left.pop()
        there = here.parent if part == ".." else here / part
        try:
            status = there.lstat()
        except FileNotFoundError:
            return here, [part, *reversed(left)], None
        if status.st_uid != 0:
            return here, [part, *reversed(left)], status.st_uid
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            target = there.readlink()
            left += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            here = Path("/") if target.is_absolute() else here
            continue
        if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o002 and not status.st_mode & 0o1000:
            return here, [part, *reversed(left)], _NOBODY
        here = there
    return here, [], None
