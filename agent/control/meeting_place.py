"""The folder where callers and the agent meet, and who the other one is.

The agent's unit forbids it to listen: it calls. Whoever wants something listens on a socket in this folder,
which the agent can only read; systemd makes it (``tmpfiles.d/kerbwatch.conf``).
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from typing import TYPE_CHECKING, Literal

from drivers.files.small_files import user_name

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".call"
PAGE_USER = "kerbwatch-page"
_CREDENTIALS = struct.Struct("3i")


def folder_of(run_dir: Path) -> Path:
    """Where callers of the agent with this ``storage.run_dir`` listen: ``/run/kerbwatch-control``."""
    return run_dir.with_name(f"{run_dir.name}-control")


def make_where_missing(folder: Path) -> None:
    """Make the folder where no systemd did: on a laptop, in a test.

    Raises:
        OSError: It cannot be made here.
    """
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)


def uid_of_peer(connected: socket.socket) -> int:
    """The user number of who is at the other end: who connected, or who listened (``unix(7)``).

    Raises:
        OSError: The kernel does not say.
    """
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(told)[1])


def callers_allowed() -> frozenset[int]:
    """Who may ask: root, the page's user, and the agent's own."""
    return frozenset({0, os.geteuid(), *_page()})


def kind_of(uid: int) -> Literal["page", "technician"]:
    """How a caller is named in the audit log: ``page`` or ``technician``."""
    return "page" if uid in _page() else "technician"


def name_of(uid: int) -> str:
    """A user's name, or else its number."""
    return user_name(uid)


def _page() -> tuple[int, ...]:
    try:
        return (pwd.getpwnam(PAGE_USER).pw_uid,)
    except KeyError:
        return ()
