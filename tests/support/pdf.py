"""What a PDF shows, as poppler reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def text_of(pdf: bytes) -> str:
    """The text on all pages, in the order in which it is laid out."""
    done = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True
    )
    return done.stdout.decode()


def pages_of(pdf: bytes, folder: Path) -> int:
    """How many pages it has."""
    file = folder / "counted.pdf"
    file.write_bytes(pdf)
    done = subprocess.run(["pdfinfo", file], capture_output=True, check=True, text=True)
    return int(done.stdout.partition("Pages:")[2].split()[0])
