"""The pictures of cases, as they lie on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.disk import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

PENDING = "pending"
"""First pictures of what may become a case; they are :class:`agent.evidence.pictures.Evidence`'s own."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the pictures of a case take of the disk: bytes, and inodes (files with their folder)."""

    size_bytes: int
    inodes: int


@dataclass(frozen=True, slots=True)
class _Measured:
    changed_ns: int
    taken: Taken


class Pictures:
    """Knows how much each case's folder takes; a folder is measured again only after it has changed.

    Args:
        folder: The evidence folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._measured: dict[str, _Measured] = {}

    def taken(self) -> dict[str, Taken]:
        """What each case's pictures take on the disk, by case id."""
        found = {}
        folders = self._folder.iterdir() if self._folder.exists() else iter(())
        for path in folders:
            if path.name == PENDING or path.is_symlink() or not path.is_dir():
                continue
            changed_ns = path.stat().st_mtime_ns
            known = self._measured.get(path.name)
            if known is None or known.changed_ns != changed_ns:
                known = _Measured(changed_ns, _taken(path))
            found[path.name] = known
        self._measured = found
        return {name: each.taken for name, each in found.items()}

    def delete(self, case_id: str) -> None:
        """Delete a case's pictures. Whatever interrupts it, the next time finishes it.

        Raises:
            OSError: The disk did not let it.
        """
        folder = self._folder / case_id
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
        folder.rmdir()
        sync_folder(self._folder)


def _taken(folder: Path) -> Taken:
    """By blocks, for that is what a card is full of."""
    blocks = [path.lstat().st_blocks for path in folder.iterdir()]
    return Taken(sum(blocks) * 512, len(blocks) + 1)
