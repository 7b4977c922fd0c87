"""Small environments as the package brings them: a Python, a package with its RECORD, and a version."""

from __future__ import annotations

import base64
import hashlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
