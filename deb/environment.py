"""Lays out the environment that a package brings: the locked wheels for its target, ours, and nothing else."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from deb.pythons import python_of
from deb.targets import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from deb.targets import Target

UNUSED = ("pip", "setuptools")
"""Named by the lock because dependencies ask for them; nothing on a device runs them."""
DEAD_WEIGHT = (
    "**/tests/",
    "**/*.pyi",
    "**/*.h",
    "**/*.a",
    "numpy/f2py/",
    "onnxruntime/capi/libonnxruntime.so.*",
)
"""Tests, type stubs, headers and static libraries, and a second copy of ONNX Runtime for programs in C."""
_COMMAND = """\
#!/bin/sh
'''exec' "$(dirname "$(readlink -f "$0")")/python" -P "$0" "$@"
' '''
import sys

from provisioning.cli import main

sys.exit(main())
"""
"""Runs the Python beside it, whatever the environment is called: read by sh first, then by Python."""


def lay_out(prefix: Path, target: Target, wheel: Path, scratch: Path) -> dict[str, str]:
    """Make the environment.

    Args:
        prefix: New; what becomes ``sys.prefix``.
        target: For which system.
        wheel: Ours.
        scratch: For what is made in between.

    Returns:
        SHA-256 of each installed wheel by the package's name.

    Raises:
        subprocess.CalledProcessError: A package cannot be had, is not what the lock says, or does not
            compile.
    """
    packages = prefix / "lib" / f"python{target.release.python}" / "site-packages"
    packages.parent.mkdir(parents=True)
    lock = scratch / "lock"
    lock.write_text(locked_for_device(target.release.carried), encoding="utf-8")
    report = scratch / "installed.json"
    _install(packages, target, "--require-hashes", "-r", str(lock), "--report", str(report))
    _install(packages, target, "--no-index", str(wheel))
    _drop(packages, ("bin", "share/man", "*.dist-info/direct_url.json", *DEAD_WEIGHT))
    (packages / "share").rename(prefix / "share")
    _programs(prefix, target)
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        _rewrite(record, packages, prefix)
    _compile(packages, target)
    installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {
        canonicalize_name(each["metadata"]["name"]): each["download_info"]["archive_info"][
            "hashes"
        ]["sha256"]
        for each in installed
    }


def _drop(packages: Path, patterns: Sequence[str]) -> None:
    for pattern in patterns:
        for each in sorted(packages.glob(pattern)):
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink(missing_ok=True)


def locked_for_device(carried: Sequence[str]) -> str:
    """The device's lock without what no device runs, and with what a release needs besides."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    kept = [pin for pin in _pins(text) if pin.partition("==")[0] not in UNUSED]
    beside = (ROOT / "deb" / "carried.lock").read_text(encoding="utf-8")
    kept += [pin for pin in _pins(beside) if pin.partition("==")[0] in carried]
    return "".join(kept)


def _pins(lock: str) -> list[str]:
    """Each pin with its hashes."""
    return re.findall(r"^\S.*\n(?:[ ].*\n)*", lock, re.MULTILINE)


def _install(packages: Path, target: Target, *what: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command += ["--target", str(packages), "--upgrade", "--no-deps", "--no-compile"]
    command += ["--only-binary", ":all:", "--implementation", "cp"]
    command += ["--python-version", target.release.python]
    command += [argument for each in target.wheel_platforms for argument in ("--platform", each)]
    subprocess.run([*command, *what], check=True)


def _programs(prefix: Path, target: Target) -> None:
    """The system's Python that takes its packages from here and then from the system, and the command."""
    python = target.release.python
    (prefix / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {python}\n",
        encoding="utf-8",
    )
    folder = prefix / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(f"/usr/bin/python{python}")
    (folder / "python3").symlink_to("python")
    (folder / "kerbwatch").write_text(_COMMAND, encoding="utf-8")
    (folder / "kerbwatch").chmod(0o755)


def _rewrite(record: Path, packages: Path, prefix: Path) -> None:
    """Let a package's list of files name what is there: the device checks itself against it."""
    with record.open(encoding="utf-8", newline="") as opened:
        rows = [row for row in csv.reader(opened) if not row[0].startswith("../../bin/")]
    moved = os.path.relpath(prefix / "share", packages)
    for row in rows:
        row[0] = re.sub(r"^\.\./\.\./share\b", moved, row[0])
    if record.parent.name.startswith("kerbwatch-"):
        command = prefix / "bin" / "kerbwatch"
        digest = base64.urlsafe_b64encode(hashlib.sha256(command.read_bytes()).digest())
        hashed = f"sha256={digest.decode().rstrip('=')}"
        rows.append([os.path.relpath(command, packages), hashed, str(command.stat().st_size)])
    there = [row for row in rows if (packages / row[0]).is_file()]
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(sorted(there))
    record.write_text(written.getvalue(), encoding="utf-8")


def _compile(packages: Path, target: Target) -> None:
    """Compile all of it as the target's own Python does: a device neither waits for that nor writes it."""
    command = python_of(target.release)
    command += ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(packages.parents[2]), "-p", f"/{target.payload}", str(packages)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def distributions(prefix: Path) -> Iterator[Path]:
    """The folders that describe the packages of an environment, by name."""
    yield from sorted(prefix.glob("lib/python*/site-packages/*.dist-info"))
