"""Disks to break: file systems on images and in memory, mounted for the length of a ``with`` block.

All of it takes root and loop devices. A power cut is a copy of the image, made in one instant while
somebody writes to it: the image lies on XFS, whose copies share their blocks. What the copy has is
what had reached the disk; what only the kernel's memory had is gone. A card that loses what it said it
had written is not modelled here: see ``torn-journal`` for what that leaves.
"""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.faults.suite import wait_for
from tests.support.programs import program
from tests.support.small_disks import MB, _run, mounted

if TYPE_CHECKING:
    from pathlib import Path

_HOST_MB = 1600
NEEDS = ("root", "loop", "mkfs.xfs", "mkfs.ext4")


class Disk:
    """An ext4 file system on an image; ``path`` is where it is mounted. Use as a context.

    Args:
        folder: Where image and mount points go.
        size_mb: How large it is.
    """

    def __init__(self, folder: Path, size_mb: int = 512) -> None:
        self._folder, self._size_mb = folder, size_mb
        self._stack = ExitStack()
        self._mount = ExitStack()
        self._cuts = 0
        self.path = folder / "disk"
        self._image = folder / "host" / "disk-0.img"

    def __enter__(self) -> Self:
        host = self._folder / "host.img"
        self._folder.mkdir(parents=True, exist_ok=True)
        with host.open("wb") as opened:
            opened.truncate(_HOST_MB * MB)
        try:
            _run("mkfs.xfs", "-q", "-m", "reflink=1", host)
            self._stack.callback(host.unlink)
            self._stack.enter_context(mounted(host, self._folder / "host", "-o", "loop"))
            with self._image.open("wb") as opened:
                opened.truncate(self._size_mb * MB)
            _run("mkfs.ext4", "-q", self._image)
            self.mount()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._mount.close()
        self._stack.close()

    def mount(self, *options: str) -> None:
        """Mount it (again), as after a boot."""
        self._mount.close()
        wait_for(self._is_let_go, "nobody has the disk any more")
        self._mount.enter_context(
            mounted(self._image, self.path, "-o", ",".join(("loop", *options)))
        )

    def _is_let_go(self) -> bool:
        """A process that was killed in a mount namespace of its own may have it for a moment yet."""
        asked = [program("losetup"), "-j", str(self._image)]
        return not subprocess.run(asked, check=True, capture_output=True).stdout

    def remount(self, *options: str) -> None:
        """Change how it is mounted, under whoever uses it."""
        _run("mount", "-o", ",".join(("remount", *options)), self.path)

    def cut(self) -> Path:
        """Let the power go now: the disk as it is in this instant, for :meth:`boot_from`."""
        self._cuts += 1
        image = self._image.with_name(f"disk-{self._cuts}.img")
        _run("cp", "--reflink=always", self._image, image)
        return image

    def copy_of(self, image: Path) -> Path:
        """Another image like an earlier :meth:`cut`, so that several lives begin with it."""
        self._cuts += 1
        copy = self._image.with_name(f"disk-{self._cuts}.img")
        _run("cp", "--reflink=always", image, copy)
        return copy

    def boot_from(self, image: Path) -> None:
        """Go on with an earlier :meth:`cut`; nobody may use the disk any more."""
        self._mount.close()
        old, self._image = self._image, image
        self.mount()
        old.unlink()
