"""Text files that a test changes as somebody with an editor would."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replace_in(file: Path, old: str, new: str) -> None:
    """Write ``new`` wherever ``old`` stands, which is somewhere."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
