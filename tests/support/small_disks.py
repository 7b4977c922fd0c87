"""Small file systems to fill and to break. Mounting them takes root."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MB = 1_000_000


def _run(name: str, *arguments: str | Path) -> None:
    done = subprocess.run([program(name), *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{name}: {done.stderr.strip() or done.stdout.strip()}")


@contextmanager
def mounted(what: str | Path, where: Path, *options: str) -> Iterator[Path]:
    """Mount something; it is unmounted at the end even if somebody still sits in it."""
    where.mkdir(parents=True, exist_ok=True)
    _run("mount", *options, what, where)
    try:
        yield where
    finally:
        if subprocess.run(["umount", where], check=False, capture_output=True).returncode != 0:
            _run("umount", "-l", where)


@contextmanager
def in_memory(where: Path, size_mb: float, inodes: int = 0) -> Iterator[Path]:
    """A file system in memory of so many megabytes and inodes; 0: as many as may be."""
    options = f"size={int(size_mb * MB)},nr_inodes={inodes}"
    with mounted("tmpfs", where, "-t", "tmpfs", "-o", options) as folder:
        yield folder


@contextmanager
def in_memory_or_skip(where: Path, size_mb: float, inodes: int = 0) -> Iterator[Path]:
    """The same; the test is skipped where none can be mounted."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(in_memory(where, size_mb, inodes))
        except OSError as error:
            pytest.skip(f"no file system can be mounted here: {error}")
        yield folder


def fill(folder: Path, leave_bytes: int = 0) -> Path:
    """Let somebody else take every block but so many bytes; delete the file to give them back."""
    path = folder / "somebody-elses"
    with path.open("ab", buffering=0) as opened:
        for size in (65_536, 4096, 512, 1):
            try:
                while True:
                    opened.write(bytes(size))
            except OSError:
                continue
        if leave_bytes:
            opened.truncate(max(0, path.stat().st_size - leave_bytes))
    return path
