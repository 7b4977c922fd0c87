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


def unpacked(wheel: Path, folder: Path, version: str) -> Path:
    """A whole environment of the project under a version of its own; its dependencies are those of this one."""
    package = folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
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
    _write_record(told / "RECORD", [package, folder / "share"])
    (package / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (folder / "bin").mkdir()
    interpreter = Path(sys.executable).resolve()
    (folder / "bin/python").symlink_to(interpreter)
    (folder / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\n")
    return folder


def _write_record(record: Path, folders: list[Path]) -> None:
    package, rows = record.parent.parent, []
    record.unlink()
    for path in sorted(each for folder in folders for each in folder.rglob("*") if each.is_file()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
        name = os.path.relpath(path, package)
        rows.append(f"{name},sha256={digest.rstrip(b'=').decode()},{path.stat().st_size}")
    rows.append(f"{record.parent.name}/RECORD,,")
    record.write_text("\n".join(rows) + "\n", encoding="utf-8")
