"""Our own Debian packages, built once a run of the tests, and Debian roots that they are installed in."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.debian_roots import Recipe, debian_root
from tests.support.paths import ROOT

STICK = "/media/stick"
"""Where a device sees the repository's folder."""


def bare_root(suite: str) -> Path:
    """A Debian as small as it comes with systemd, and a broker beside it."""
    packages = ("systemd", "systemd-sysv", "dbus", "mosquitto", "python3", "libstdc++6")
    return debian_root(Recipe(name=f"bare-{suite}", suite=suite, packages=packages))


def build(folder: Path, *options: str) -> Path:
    """Call the one command that builds packages; the folder that they lie in."""
    command = [str(ROOT / "deb" / "build"), *options, "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    return folder


_CHROOT = """
set -e
mount -t tmpfs -o size=2g tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
mount --rbind /dev "$2/root/dev"
mkdir -p "$2/root/$4"
mount --bind "$3" "$2/root/$4"
exec chroot "$2/root" sh -e
"""


@dataclass(frozen=True, slots=True)
class Chroot:
    """A root as the builder of an image has it: no systemd runs in it, and it has no network.

    What a script writes is gone when it has ended.
    """

    root: Path
    stick: Path
    folder: Path

    def run(self, script: str) -> str:
        """What a script of the shell says in it.

        Raises:
            AssertionError: It failed.
        """
        self.folder.mkdir(exist_ok=True)
        command = ["unshare", "--mount", "--net", "--propagation", "private"]
        command += [
            "sh",
            "-c",
            _CHROOT,
            "sh",
            *map(str, (self.root, self.folder, self.stick)),
            STICK,
        ]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [*command],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env=environment | {"DEBIAN_FRONTEND": "noninteractive"},
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout
