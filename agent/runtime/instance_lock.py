"""A lock for one agent per state folder: two would disconnect each other and overwrite each other's data.

The kernel releases the lock when the process ends, however it ends. Everything that cannot run beside an
agent takes it, too: a replay that continues a state, ``kerbwatch decommission``.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from drivers.files.folder_lock import holder_of, lock_folder
from drivers.files.small_files import user_name
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)


class NotAloneError(RuntimeError):
    """Another process uses the state folder. ``by`` says which, for people."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.by = folder, _who_has(folder)
        super().__init__(
            said(
                "{folder} is in use by {by}. Only one agent may use a state folder: see the "
                "running one with `kerbwatch watch`, or stop it first (`systemctl stop "
                "kerbwatch`).",
                folder=folder,
                by=self.by,
            )
        )


class ForeignStateError(RuntimeError):
    """The state folder belongs to another user, who could not read or change what this process writes."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(
            said(
                "{folder} belongs to {owner}, and this is {user}: {owner} could no longer change "
                "what is written now. Start the service (`systemctl start kerbwatch`), or run "
                "this as {owner}: `sudo -u {owner} kerbwatch run …`.",
                folder=folder,
                owner=owner,
                user=user_name(os.geteuid()),
            )
        )


@contextmanager
def alone(*folders: Path) -> Iterator[None]:
    """Hold the state folder for this process alone, until the block or the process ends.

    Args:
        folders: The state folder, then the folders that replace it where it cannot be used.

    Raises:
        NotAloneError: Another process holds it.
    """
    descriptor = _lock_first(folders)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder whose owner could not use what this process writes; a missing folder passes.

    Raises:
        ForeignStateError: It belongs to another user, or cannot be written.
    """
    try:
        owner = folder.stat().st_uid
    except OSError:
        return
    user, rights = os.geteuid(), os.R_OK | os.W_OK | os.X_OK
    if owner == user or (user != 0 and os.access(folder, rights, effective_ids=True)):
        return
    raise ForeignStateError(folder, user_name(owner))


def _lock_first(folders: tuple[Path, ...]) -> int | None:
    for folder in folders:
        try:
            return lock_folder(folder)
        except BlockingIOError as error:
            raise NotAloneError(folder) from error
        except OSError as error:  # a disk that is gone: the device watches all the same
            _log.warning("%s cannot be locked: %s", folder, reason_of(error))
    return None


def _who_has(folder: Path) -> str:
    holder = holder_of(folder)
    if holder is None:
        return said("another process")
    if holder.unit:
        return said("process {pid} of {unit}", pid=holder.pid, unit=holder.unit)
    return said("process {pid} ({name})", pid=holder.pid, name=holder.name)
