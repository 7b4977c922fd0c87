"""What a package holds and where, and the package itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from hashlib import md5
from pathlib import Path

from deb.targets import ROOT, Target
from provisioning.commands.units import (
    JOURNAL,
    ONLY_WITH_PINS,
    SINCE_SYSTEMD,
    installable,
    packaged,
    settings,
    units,
)

HOME = "/opt/kerbwatch/active"
"""A link to the version that runs."""
_CONTROL = ROOT / "deb" / "control"
_LEVEL = 9
"""Of compression: 19 makes a package a tenth smaller and takes thirty times as long."""
_LANGUAGES = {"en": "", "zh_CN": "zh_CN/"}
_EXECUTABLE, _PLAIN = 0o755, 0o644


def lay_out_files(tree: Path, target: Target) -> None:
    """Add to a package's tree what lies outside the environment: links, settings, manual pages, documents.

    Args:
        tree: Its root; the environment lies in it already.
        target: Which package.
    """
    source = tree / target.payload / "share/kerbwatch/systemd"
    for path in sorted(each for each in source.rglob("*") if each.is_file()):
        if path.name != ONLY_WITH_PINS and target.release.systemd >= SINCE_SYSTEMD.get(
            path.name, 0
        ):
            _copy(path, tree / packaged(path.relative_to(source)))
    _link(tree / "usr/bin/kerbwatch", f"{HOME}/bin/kerbwatch")
    for language, folder in _LANGUAGES.items():
        write = [
            sys.executable,
            "-P",
            "-m",
            "deb.manual",
            str(tree / f"usr/share/man/{folder}man1"),
        ]
        environment = {**os.environ, "KERBWATCH_LANGUAGE": language, "PYTHONPATH": str(ROOT)}
        subprocess.run(write, cwd=ROOT, check=True, env=environment)
    _documents(tree / "usr/share/doc/kerbwatch")


def _documents(folder: Path) -> None:
    """The pages that a technician reads, in one folder."""
    folder.mkdir(parents=True)
    for path in [*ROOT.glob("README*.md"), ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        (folder / path.name).write_text(re.sub(r"\]\((?:docs|\.\.)/", "](", text), encoding="utf-8")
    for path in (ROOT / "docs").glob("*.jpg"):
        shutil.copyfile(path, folder / path.name)
    shutil.copyfile(_CONTROL / "copyright", folder / "copyright")


def write_control(tree: Path, target: Target) -> None:
    """Write what dpkg reads and runs."""
    folder = tree / "DEBIAN"
    folder.mkdir()
    enabled = " ".join(installable())
    facts = {
        "VERSION": target.debian_version,
        "ARCHITECTURE": target.architecture,
        "PYTHON": target.release.python,
        "NEXT_PYTHON": _next(target.release.python),
        "SIZE_KIB": str(_size_kib(tree)),
        "PAYLOAD": f"/{target.payload}",
        "ENABLED": enabled,
        "UNITS": " ".join(units()),
        "SETTINGS": " ".join(settings()),
        "JOURNAL": " ".join(JOURNAL),
    }
    for path in sorted(_CONTROL.iterdir()):
        if path.name == "copyright":
            continue
        text = re.sub(r"@([A-Z_]+)@", lambda match: facts[match[1]], path.read_text("utf-8"))
        (folder / path.name).write_text(text, encoding="utf-8")
        (folder / path.name).chmod(_PLAIN if path.name == "control" else _EXECUTABLE)
    _write_sums(tree, folder / "md5sums")


def pack(tree: Path, target: Target, file: Path) -> None:
    """Make the package of a tree: the same bytes for the same tree, whenever and by whomever."""
    for path in [tree, *sorted(tree.rglob("*"))]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(_EXECUTABLE if executable else _PLAIN)
        os.utime(path, (target.epoch_s, target.epoch_s), follow_symlinks=False)
    subprocess.run(
        [
            "dpkg-deb",
            "--root-owner-group",
            "-Zzstd",
            f"-z{_LEVEL}",
            "--build",
            str(tree),
            str(file),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(target.epoch_s)},
    )


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _next(python: str) -> str:
    major, minor = python.split(".")
    return f"{major}.{int(minor) + 1}"


def _size_kib(tree: Path) -> int:
    """As dpkg counts: every file in whole KiB, one for each other name."""
    return sum(
        -(-each.stat().st_size // 1024) if each.is_file() and not each.is_symlink() else 1
        for each in tree.rglob("*")
    )


def _write_sums(tree: Path, file: Path) -> None:
    """MD5, as dpkg asks for: against files that rot, not against people."""
    files = sorted(each for each in tree.rglob("*") if each.is_file() and not each.is_symlink())
    lines = [
        f"{md5(each.read_bytes(), usedforsecurity=False).hexdigest()}  {each.relative_to(tree)}\n"
        for each in files
        if each.parent != file.parent
    ]
    file.write_text("".join(lines), encoding="utf-8")
