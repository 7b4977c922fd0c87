"""As whom servers run that are not to run as root."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from pathlib import Path

_NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody of this machine."""

    name: str
    uid: int
    gid: int

    def own(self, folder: Path) -> None:
        """Give them a folder and all that is in it.

        Raises:
            DeskError: They cannot come there.
        """
        for each in folder.parents:
            if not self._passes(each):
                raise DeskError(
                    tell(
                        "{user} has no way into {folder}, and runs PostgreSQL and the broker because "
                        "root must not. Name another folder with --data, such as /var/lib/kerbwatch-desk.",
                        user=self.name,
                        folder=each,
                    )
                )
        for each in (folder, *folder.rglob("*")):
            os.chown(each, self.uid, self.gid, follow_symlinks=False)

    def _passes(self, folder: Path) -> bool:
        told = folder.stat()
        needed = stat.S_IXOTH
        if told.st_uid == self.uid:
            needed = stat.S_IXUSR
        elif told.st_gid == self.gid:
            needed = stat.S_IXGRP
        return bool(told.st_mode & needed)


def somebody_else(*names: str) -> User | None:
    """The first of these users that this machine has, for a server that root starts; None: we are not root."""
    if os.geteuid() != 0:
        return None
    for name in (*names, _NOBODY):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(name, found.pw_uid, found.pw_gid)
    raise DeskError(tell("this machine has no user but root: start the desk as another user"))
