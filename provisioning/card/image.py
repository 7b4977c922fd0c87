"""The partitions of an image or a card: mounted for a while, or where they are mounted already."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.programs import system
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAT = {
    "b",
    "c",
    "e",
    "ef",
    "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
}
"""Types of partitions that hold FAT: of the MBR, then of GPT."""
_LINUX = {"83", "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"}
_LONGEST_S = 120


class CardError(Exception):
    """The card cannot be prepared, and why."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """What can be seen of a card: its boot partition, and its root partition or None."""

    boot: Path
    root: Path | None


@contextmanager
def opened(target: Path) -> Iterator[Partitions]:
    """Open an image file, or the mounted boot partition of a card, for writing.

    Everything is on the disk when this ends.

    Args:
        target: A file with partitions, or a folder where the boot partition is mounted.

    Raises:
        CardError: It is neither, or cannot be mounted.
    """
    if target.is_dir():
        yield Partitions(target, None)
        os.sync()
        return
    if os.geteuid():
        raise CardError(
            said(
                "Only root can mount an image. Put `sudo` in front of it, or name the folder where the card's"
                " boot partition is mounted."
            )
        )
    with ExitStack() as stack:
        found: dict[str, Path] = {}
        for kind, start, size in _partitions(target):
            if kind not in found:
                found[kind] = stack.enter_context(_mounted(target, start, size))
        if "boot" not in found:
            raise CardError(said("{target} has no boot partition (FAT)", target=target))
        yield Partitions(found["boot"], found.get("root"))


def _partitions(image: Path) -> Iterator[tuple[str, int, int]]:
    """``boot`` or ``root``, where it begins and how long it is, in bytes."""
    try:
        table = json.loads(_run("sfdisk", "--json", str(image)))["partitiontable"]
        sector = int(table.get("sectorsize", 512))
        for each in table["partitions"]:
            kind = "boot" if each["type"] in _FAT else "root" if each["type"] in _LINUX else ""
            if kind:
                yield kind, each["start"] * sector, each["size"] * sector
    except (ValueError, KeyError) as error:
        raise CardError(said("{target} is no image with partitions", target=image)) from error


@contextmanager
def _mounted(image: Path, start: int, size: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kerbwatch-card-") as folder:
        options = f"loop,offset={start},sizelimit={size}"
        _run("mount", "-o", options, str(image), folder)
        try:
            yield Path(folder)
        finally:
            _run("umount", folder)


def _run(program: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [system(program), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=_LONGEST_S,
        )
    except subprocess.CalledProcessError as error:
        why = (error.stderr or "").strip()
        raise CardError(said("{program}: {why}", program=program, why=why)) from error
    except OSError as error:
        raise CardError(said("{program} is missing; install it", program=program)) from error
    return done.stdout
