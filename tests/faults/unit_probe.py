"""Tries what the agent's unit must not do, and prints what became of it; runs inside the unit.

It imports nothing but the standard library, and is read by ``tests/faults/unit_walls.py``. The same tries
outside the unit, by root, must succeed: otherwise a refusal would prove nothing.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN_FOLDERS = ("/etc/open", "/usr/open", "/opt/kerbwatch/open", "/var/lib/open", "/home/open")
"""Made for the test, writable for everybody: only the unit's walls keep it out."""
DEVICE = "/dev/open-disk"
_CLONE_NEWUSER, _AF_PACKET_ALL = 0x10000000, 3
_LIBC = ctypes.CDLL(None, use_errno=True)


def _write(folder: str) -> None:
    path = Path(folder) / f"tried-{os.getpid()}"
    path.write_text("x", encoding="utf-8")
    path.unlink()


def _listen() -> None:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        tried.listen()


def _listen_locally() -> None:
    path = Path(os.environ.get("RUNTIME_DIRECTORY", "/run")) / "tried.sock"
    with socket.socket(socket.AF_UNIX) as tried:
        tried.bind(str(path))
        try:
            tried.listen()
        finally:
            path.unlink()


def _see_packets() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, _AF_PACKET_ALL).close()


def _become_another_namespace() -> None:
    pid = os.fork()
    if not pid:
        os._exit(_LIBC.unshare(_CLONE_NEWUSER) and ctypes.get_errno())
    if number := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise OSError(number, os.strerror(number))


def _make_a_file_that_is_another_user() -> None:
    path = Path(os.environ.get("STATE_DIRECTORY", "/var/lib")) / "tried-setuid"
    path.write_text("x", encoding="utf-8")
    try:
        path.chmod(stat.S_ISUID | 0o755)
    finally:
        path.unlink()


def _open_a_device() -> None:
    os.close(os.open(DEVICE, os.O_RDONLY))


def _signal_the_first_process() -> None:
    os.kill(1, 0)


def _set_the_clock() -> None:
    time.clock_settime(time.CLOCK_REALTIME, time.time())


def _change_the_configuration() -> None:
    with Path("/etc/kerbwatch/site.toml").open("a"):
        pass


def _look_at_secrets() -> None:
    Path("/etc/shadow").read_bytes()


def _look_at_another_process() -> None:
    Path("/proc/1/status").read_bytes()


TRIES: dict[str, Callable[[], None]] = {
    **{f"write to {each}": lambda each=each: _write(each) for each in OPEN_FOLDERS},  # type: ignore[misc]
    "change the configuration": _change_the_configuration,
    "read the passwords": _look_at_secrets,
    "open a block device": _open_a_device,
    "listen on a port": _listen,
    "listen on a local socket": _listen_locally,
    "see others' packets": _see_packets,
    "make a namespace": _become_another_namespace,
    "make a setuid file": _make_a_file_that_is_another_user,
    "signal the first process": _signal_the_first_process,
    "look at the first process": _look_at_another_process,
    "set the clock": _set_the_clock,
}
MAY = {
    "write its state": lambda: _write(os.environ["STATE_DIRECTORY"]),
    "write what is so now": lambda: _write(os.environ["RUNTIME_DIRECTORY"]),
    "write what is thrown away": lambda: _write("/tmp"),
    "call out": lambda: socket.create_connection(("127.0.0.1", 1883), 5).close(),
}


def tried(tries: dict[str, Callable[[], None]]) -> dict[str, str]:
    """What became of each: empty if it was done, else the error's name."""
    found = {}
    for name, attempt in tries.items():
        try:
            attempt()
        except OSError as error:
            found[name] = errno.errorcode.get(error.errno or 0, repr(error))
        else:
            found[name] = ""
    return found


if __name__ == "__main__":
    told = {"must not": tried(TRIES), "may": tried(MAY) if "STATE_DIRECTORY" in os.environ else {}}
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(told), encoding="utf-8")
    else:
        print(json.dumps(told))
