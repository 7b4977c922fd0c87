"""Identity and health of the memory card that holds a folder.

An SD card tells its name and its date of making, an eMMC also how near its end it is; ext4 counts the
errors it met and the bytes it ever wrote. Everything is read from files of the kernel, and what is not
there is not known.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BLOCK_DEVICES, EXT4 = Path("/sys/dev/block"), Path("/sys/fs/ext4")
EndOfLife = Literal["normal", "warning", "urgent"]
# JEDEC JESD84-B51, PRE_EOL_INFO: reserved blocks used: up to 80 %, up to 90 %, more.
_END_OF_LIFE: dict[int, EndOfLife] = {1: "normal", 2: "warning", 3: "urgent"}


@dataclass(frozen=True, slots=True)
class Card:
    """A card and its file system; None where unknown.

    Attributes:
        name: As the card calls itself.
        made: Month and year of making, such as ``08/2025``.
        end_of_life: How many of an eMMC's spare blocks are used up.
        file_system_errors: How often ext4 found something wrong since it was last repaired.
        written_ever_bytes: What was ever written to the file system, by everybody.
        read_only: Whether nothing can be written to it now.
    """

    name: str | None
    made: str | None
    end_of_life: EndOfLife | None
    file_system_errors: int | None
    written_ever_bytes: int | None
    read_only: bool


def read_card(folder: Path, devices: Path = BLOCK_DEVICES, ext4: Path = EXT4) -> Card:
    """Read what is known of the card that holds ``folder``.

    Raises:
        OSError: The folder cannot be reached.
    """
    number = folder.stat().st_dev
    block = devices / f"{os.major(number)}:{os.minor(number)}"
    partition = block.resolve()
    # A partition's folder lies in that of its disk, which alone has the device.
    device = next(
        (each / "device" for each in (partition, partition.parent) if (each / "device").exists()),
        None,
    )
    counts = ext4 / partition.name
    kilobytes = _number(counts / "lifetime_write_kbytes")
    return Card(
        name=_text(device, "name"),
        made=_text(device, "date"),
        end_of_life=_END_OF_LIFE.get(_number(device / "pre_eol_info", 16) or 0) if device else None,
        file_system_errors=_number(counts / "errors_count"),
        written_ever_bytes=None if kilobytes is None else kilobytes * 1024,
        read_only=bool(os.statvfs(folder).f_flag & os.ST_RDONLY),
    )


def _text(device: Path | None, name: str) -> str | None:
    if device is None:
        return None
    try:
        return (device / name).read_text(encoding="ascii").strip()[:64] or None
    except (OSError, ValueError):
        return None


def _number(path: Path, base: int = 10) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"), base)
    except (OSError, ValueError):
        return None
