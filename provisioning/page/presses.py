"""What root notes for the page, by the time since boot: presses of the button inside, and how long the page is on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRESSED, UNTIL = "pressed", "until"
"""The files: one number each, the seconds since boot."""


def last_press_s(root_dir: Path) -> float:
    """When the button was last pressed; minus infinity: not since boot."""
    return _read(root_dir / PRESSED)


def until_s(root_dir: Path) -> float:
    """Until when the page stays on; minus infinity: nobody said."""
    return _read(root_dir / UNTIL)


def _read(path: Path) -> float:
    try:
        told = float(path.read_text("ascii")[:32])
    except (OSError, ValueError):
        return float("-inf")
    return told if math.isfinite(told) else float("-inf")
