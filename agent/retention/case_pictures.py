"""The folders of case pictures on the disk: their sizes, and deleting them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.storage.paths import PENDING, SNAPSHOTS
from drivers.disk import sync_folder

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Taken:
    """Disk usage of a case's pictures: bytes, and inodes (files and their folder)."""

    size_bytes: int
    inodes: int


@dataclass(frozen=True, slots=True)
class _Measured:
    changed_ns: int
    taken: Taken


class CasePictures:
    """Knows the disk usage of each case's folder; measured again only after the folder changed.

    Args:
        folder: The evidence folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._measured: dict[str, _Measured] = {}

    def taken(self) -> dict[str, Taken]:
        """Disk usage of each case's pictures, by case id."""
        found = {}
        folders = self._folder.iterdir() if self._folder.exists() else iter(())
        for path in folders:
            if path.name in {PENDING, SNAPSHOTS} or path.is_symlink() or not path.is_dir():
                continue
            changed_ns = path.stat().st_mtime_ns
            known = self._measured.get(path.name)
            if known is None or known.changed_ns != changed_ns:
                known = _Measured(changed_ns, _taken(path))
            found[path.name] = known
        self._measured = found
        return {name: each.taken for name, each in found.items()}

    def delete(self, case_id: str) -> None:
        """Delete a case's pictures. If interrupted, the next call finishes it.

        Raises:
            OSError: They could not be deleted.
        """
        folder = self._folder / case_id
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
        folder.rmdir()
        sync_folder(self._folder)


def _taken(folder: Path) -> Taken:
    """Disk usage counted in blocks."""
    blocks = [path.lstat().st_blocks for path in folder.iterdir()]
    return Taken(sum(blocks) * 512, len(blocks) + 1)
