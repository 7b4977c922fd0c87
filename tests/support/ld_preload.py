"""Libraries that are loaded before a process's own, to pretend hardware to it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def build(compiler: str, source: Path, library: Path) -> None:
    """Build one from its C source, warnings being errors."""
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library)]
    subprocess.run([*command, str(source), "-ldl"], check=True)
