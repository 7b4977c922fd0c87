"""Redacted pictures on a disk, as the queue of pictures knows them."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

from agent.storage.picture_table import QueuedPicture

if TYPE_CHECKING:
    from pathlib import Path

CASE = "0190b1a0-0000-7000-8000-000000000001"


def picture_in(folder: Path, size_bytes: int, name: str | None = None) -> QueuedPicture:
    """Put a picture into the folder of all pictures; its bytes follow from its name and size."""
    name = name or f"close_up-{size_bytes}"
    content = random.Random(f"{name} {size_bytes}").randbytes(size_bytes)
    file = folder / CASE / f"{name}.redacted.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return QueuedPicture(sha256, CASE, f"{CASE}/{file.name}", size_bytes)
