"""Presses of the button inside, as root notes them: by the time since boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRESSED = "pressed"
"""The file: one number, the seconds since boot."""


def last_press_s(root_dir: Path) -> float:
    """When the button was last pressed; minus infinity: not since boot."""
    try:
        return float((root_dir / PRESSED).read_text("ascii")[:32])
    except (OSError, ValueError):
        return float("-inf")
