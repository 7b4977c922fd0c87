"""Small environments as the package brings them: a Python, a package with its RECORD, and a version."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path


def environment(folder: Path, says: str) -> Path:
    """An environment whose package says something; its RECORD is true."""
    package = folder / "lib/python3.11/site-packages"
    (package / "corner").mkdir(parents=True)
    (package / "corner/__init__.py").write_text(f"SAYS = {says!r}\n")
    (folder / "lib64").symlink_to("lib")
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(sys.executable)
    digest = hashlib.sha256((package / "corner/__init__.py").read_bytes()).digest()
    known = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    record = package / f"corner-{says}.dist-info/RECORD"
    record.parent.mkdir()
    record.write_text(
        f"corner/__init__.py,sha256={known},1\n{record.parent.name}/RECORD,,\n", encoding="utf-8"
    )
    (record.parent / "INSTALLER").write_text("pip\n")
    return folder


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python, and where packages lie that an environment sees beside its own."""

    path: Path
    version: str
    packages: str


HERE = Interpreter(
    Path(sys.executable).resolve(),
    f"{sys.version_info[0]}.{sys.version_info[1]}",
    sysconfig.get_path("purelib"),
)


def unpacked(wheel: Path, folder: Path, version: str, python: Interpreter = HERE) -> Path:
    """A whole environment of the project under a version of its own; its dependencies are another one's."""
    package = folder / f"lib/python{python.version}/site-packages"
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(package)
    [shared] = package.glob("*.data/data/share")
    shared.rename(folder / "share")
    shutil.rmtree(next(package.glob("*.data")))
    [told] = package.glob("*.dist-info")
    told = told.rename(package / f"kerbwatch-{version}.dist-info")
    metadata = (told / "METADATA").read_text(encoding="utf-8")
    (told / "METADATA").write_text(
        re.sub(r"^Version: .*$", f"Version: {version}", metadata, count=1, flags=re.MULTILINE),
        encoding="utf-8",
    )
    (told / "INSTALLER").write_text("pip\n")
    record(folder)
    (package / "dependencies.pth").write_text(f"{python.packages}\n")
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(python.path)
    (folder / "pyvenv.cfg").write_text(
        f"home = {python.path.parent}\ninclude-system-site-packages = true\n"
    )
    return folder


def record(folder: Path) -> None:
    """Record the environment's files as they are now, as whoever builds a package does."""
    [told] = folder.glob("lib/*/site-packages/*.dist-info")
    _write_record(told / "RECORD", [told.parent, folder / "share"])


def _write_record(told: Path, folders: list[Path]) -> None:
    package, rows = told.parent.parent, []
    told.unlink(missing_ok=True)
    for path in sorted(each for folder in folders for each in folder.rglob("*") if each.is_file()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
        name = os.path.relpath(path, package)
        rows.append(f"{name},sha256={digest.rstrip(b'=').decode()},{path.stat().st_size}")
    rows.append(f"{told.parent.name}/RECORD,,")
    told.write_text("\n".join(rows) + "\n", encoding="utf-8")
