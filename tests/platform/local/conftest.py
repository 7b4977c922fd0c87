"""A folder for a desk: short, and one that PostgreSQL's user can reach where we are root."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="kerbwatch-desk-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)
