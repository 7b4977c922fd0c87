"""The examples on the pages of ``docs/platform``, by what they are marked to be."""

from __future__ import annotations

import re

from tests.support.paths import DOCS

PAGES = sorted((DOCS / "platform").glob("*.md"))
_BLOCK = re.compile(r"^```(?P<mark>[a-z]+ [a-z]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(mark: str) -> list[tuple[str, str]]:
    """(page, text) of each example with a mark."""
    found = [
        (page.name, block["text"])
        for page in PAGES
        for block in _BLOCK.finditer(page.read_text(encoding="utf-8"))
        if block["mark"] == mark
    ]
    assert found, mark
    return found


def commands(text: str) -> list[tuple[str, str]]:
    """Each command of a console, and what it prints."""
    joined = text.replace("\\\n", " ")
    parts = re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]
    return [(part.split("\n", 1)[0], part.split("\n", 1)[1]) for part in parts]
