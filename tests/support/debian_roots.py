"""Debian roots for what cannot run on the host: built once, kept below ``.cache/roots``.

The archive is the one that this machine's own apt uses. A root is named by a hash of everything it
was made from, so that a change of its recipe makes a new one; a build that was interrupted is never
taken for a finished one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.paths import ROOT

CACHE = ROOT / ".cache" / "roots"


@dataclass(frozen=True)
class Recipe:
    """What a root is made from.

    ``files`` are copied in first (path in the root → file here); ``steps`` are shell commands that
    then run inside it, as root.
    """

    name: str
    suite: str
    packages: tuple[str, ...]
    variant: str = "apt"
    architecture: str = ""
    files: tuple[tuple[str, Path], ...] = ()
    steps: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        told = [self.suite, self.variant, self.architecture, *self.packages, *self.steps]
        whole = hashlib.sha256("\0".join(told).encode())
        for place, path in self.files:
            whole.update(place.encode() + path.read_bytes())
        return f"{self.name}-{whole.hexdigest()[:12]}"


def debian_root(recipe: Recipe) -> Path:
    """The finished root of a recipe; the test is skipped where none can be made."""
    finished = CACHE / recipe.key
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("needs root and mmdebstrap, to make a Debian root")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{recipe.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.is_dir():
            _build(recipe, CACHE / f"{recipe.name}.building", finished)
    return finished


def _build(recipe: Recipe, building: Path, finished: Path) -> None:
    for old in CACHE.glob(f"{recipe.name}-*"):
        _remove(old)
    _remove(building)
    architecture = [f"--architectures={recipe.architecture}"] if recipe.architecture else []
    _run(
        [
            "mmdebstrap",
            f"--variant={recipe.variant}",
            *architecture,
            f"--include={','.join(recipe.packages)}",
            recipe.suite,
            str(building),
            _archive(),
        ]
    )
    authorities = Path("/etc/ssl/certs/ca-certificates.crt")
    for place, path in (*recipe.files, ("etc/ssl/certs/ca-certificates.crt", authorities)):
        target = building / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for step in recipe.steps:
        _run(inside(building, ["sh", "-ec", step]))
    building.rename(finished)


def inside(root: Path, command: Sequence[str], binds: Sequence[tuple[Path, str]] = ()) -> list[str]:
    """The command line that runs a command in a root, with its own mounts, gone when it ends.

    Args:
        root: A finished root.
        command: What runs in it.
        binds: Folders of the host, and where in the root they are seen.
    """
    mounts = [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
    mounts += [f"mount -t sysfs sys {root}/sys"]
    for host, place in binds:
        mounts += [f"mkdir -p {root}/{place}", f"mount --bind {host} {root}/{place}"]
    script = " && ".join([*mounts, 'exec chroot "$0" "$@"'])
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        script,
        str(root),
        *command,
    ]


def _archive() -> str:
    """Where this machine's own apt gets Debian from."""
    for path in [*sorted(Path("/etc/apt").rglob("*.sources")), Path("/etc/apt/sources.list")]:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            if found := re.search(
                r"^(?:URIs:|deb)\s+(?:\[.*?\]\s+)?(\S+://\S+)", text, re.MULTILINE
            ):
                return found.group(1)
    pytest.skip("this machine's apt has no sources to make a Debian root from")


def _remove(root: Path) -> None:
    # Every mount of a build lives in a namespace of its own: what is removed here is files.
    shutil.rmtree(root, ignore_errors=True)


def _run(command: Sequence[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PIP_FIND_LINKS"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=environment, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{said}")
