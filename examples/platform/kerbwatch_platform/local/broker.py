"""A Mosquitto of the desk's own: on loopback, each with a password, and devices with their own topics alone."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.local.supervisor import Program
from kerbwatch_platform.local.users import somebody_else
from kerbwatch_platform.transports import LARGEST_BYTES
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kerbwatch_platform.local.users import User

NAME = "mosquitto"
PLATFORM = "platform"
_SETTINGS = """\
# Written by the desk at every start.
listener {port} 127.0.0.1
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/rights
persistence true
persistence_location {folder}/
autosave_interval 30
# Lasting sessions keep what comes while the workers are away. 0 would be "no limit", but then 2.0.11
# drops whom it has refused a publish.
max_queued_messages 1000000
# Less than the workers take: what they would not be given is not acknowledged to a device first.
max_packet_size {largest_bytes}
"""
_LARGEST_BYTES = LARGEST_BYTES - 10_000
_RIGHTS = """\
# Every device (its name is TENANT/DEVICE) below its own topic and nowhere else: it tells, and is told.
pattern write {prefix}/%u/events
pattern write {prefix}/%u/state
pattern write {prefix}/%u/answers
pattern write {prefix}/%u/pictures/+/+/+
pattern read {prefix}/%u/receipts
pattern read {prefix}/%u/commands

# The platform alone tells the devices.
user platform
topic read {prefix}/+/+/events
topic read {prefix}/+/+/state
topic read {prefix}/+/+/answers
topic read {prefix}/+/+/pictures/#
topic write {prefix}/+/+/receipts
topic write {prefix}/+/+/commands
"""


@dataclass(frozen=True, slots=True)
class Mosquitto:
    """Its folder, where it listens, and as whom it runs (None: as we do)."""

    folder: Path
    port: int
    user: User | None
    _program: str

    @property
    def program(self) -> Program:
        command = (self._program, "-c", str(self.folder / "mosquitto.conf"))
        return Program(NAME, command, rank=1, user=self.user, folder=self.folder)

    def prepare(self, prefix: str, passwords: Mapping[str, str]) -> None:
        """Write its settings, and who may come: name → password.

        Raises:
            DeskError: Mosquitto's own tool for passwords does not work.
        """
        told = _SETTINGS.format(port=self.port, folder=self.folder, largest_bytes=_LARGEST_BYTES)
        (self.folder / "mosquitto.conf").write_text(told, encoding="utf-8")
        (self.folder / "rights").write_text(_RIGHTS.format(prefix=prefix), encoding="utf-8")
        lines = "".join(f"{name}:{secret}\n" for name, secret in passwords.items())
        write_secret(self.folder / "passwords", lines)
        tool = _found("mosquitto_passwd")
        done = subprocess.run(
            [tool, "-U", str(self.folder / "passwords")],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DeskError(
                tell(
                    "mosquitto_passwd failed: {reason}", reason=(done.stderr or done.stdout).strip()
                )
            )
        if self.user is not None:
            self.user.own(self.folder)


def mosquitto(folder: Path, port: int) -> Mosquitto:
    """The desk's broker, ready to be prepared.

    Raises:
        DeskError: There is none on this machine.
    """
    program = _found("mosquitto")
    folder.mkdir(mode=0o700, exist_ok=True)
    return Mosquitto(folder, port, somebody_else("mosquitto"), program)


def url_of(port: int, secret: str) -> str:
    """How the platform's workers reach it."""
    return f"mqtt://{PLATFORM}:{quote(secret, safe='')}@127.0.0.1:{port}"


def password_in(url: str) -> str:
    """The password that such an URL has."""
    return urlsplit(url).password or ""


def kept_secret(path: Path) -> str:
    """A password that was made once and stays."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        write_secret(path, secrets.token_urlsafe(24) + "\n")
        return path.read_text(encoding="ascii").strip()


def write_secret(path: Path, text: str) -> None:
    """Write a file that is nobody else's to read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _found(name: str) -> str:
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise DeskError(
            tell(
                "there is no {program} here, and the package index has none. Install Mosquitto 2:\n"
                "  Debian: sudo apt-get install --no-install-recommends mosquitto",
                program=name,
            )
        )
    return program
