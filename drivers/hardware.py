"""Which unit this is: the board's serial number, or what stands for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BOARD = Path("proc/device-tree/serial-number")
"""Of a Raspberry Pi, ending with a zero byte (the device tree's serial-number)."""
_MACHINE = Path("etc/machine-id")


def serial_number(root: Path = Path("/")) -> str | None:
    """The board's serial number; None where the system does not know it."""
    try:
        told = (root / _BOARD).read_bytes().rstrip(b"\0\n").decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return told if told.isalnum() else None


def unit_id(root: Path = Path("/")) -> str | None:
    """Something that another unit has otherwise, though it has this one's card; None: nothing is known.

    Where the board has no serial number, the installation's ``machine-id`` stands for it, hashed, as
    machine-id(5) asks.
    """
    if serial := serial_number(root):
        return f"board:{serial}"
    try:
        told = (root / _MACHINE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return (
        f"machine:{hashlib.sha256(f'kerbwatch:{told}'.encode()).hexdigest()[:32]}" if told else None
    )
