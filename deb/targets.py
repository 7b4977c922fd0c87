"""What packages are built for: a Debian release with its Python, and a processor."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The project's own folder."""
GLIBC_MINORS = (17, 24, 26, 27, 28, 31, 34, 35, 36)
"""Wheels for these versions of glibc run on both releases: the older one, bookworm, has 2.36."""
MACHINES = {"arm64": "aarch64", "amd64": "x86_64"}
"""Debian's name of a processor, and the wheels'."""


@dataclass(frozen=True, slots=True)
class Release:
    """A Debian release, and Raspberry Pi OS of the same name."""

    suite: str
    number: int
    python: str
    systemd: int
    carried: tuple[str, ...] = ()
    """What the system has in a build that does not fit beside our numpy."""


RELEASES = {
    "bookworm": Release("bookworm", 12, "3.11", 252, carried=("simplejpeg",)),
    "trixie": Release("trixie", 13, "3.13", 257),
}


@dataclass(frozen=True, slots=True)
class Target:
    """One package: for a release and a processor."""

    release: Release
    architecture: str
    version: str
    """The project's own."""
    epoch_s: int
    """When the source was committed (Unix time, s): every file of the package is of then."""

    @property
    def debian_version(self) -> str:
        """The project's version with the release behind it: a newer release's sorts higher."""
        return f"{self.version}+deb{self.release.number}"

    @property
    def file_name(self) -> str:
        """As Debian names packages."""
        return f"kerbwatch_{self.debian_version}_{self.architecture}.deb"

    @property
    def payload(self) -> str:
        """Where the environment lies on a device, before it is activated."""
        return f"usr/lib/kerbwatch/{self.debian_version}"

    @property
    def wheel_platforms(self) -> tuple[str, ...]:
        """The platform tags of wheels that run there."""
        machine = MACHINES[self.architecture]
        return (f"manylinux2014_{machine}", *(f"manylinux_2_{n}_{machine}" for n in GLIBC_MINORS))


def committed_s() -> int:
    """When the checked-out commit was made, as Unix time in seconds.

    Raises:
        subprocess.CalledProcessError: This is no checkout of git.
    """
    told = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return int(told.stdout)
