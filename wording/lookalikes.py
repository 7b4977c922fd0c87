"""Finds look-alike characters, such as full-width quotes, in files written by people.

A Chinese keyboard writes ＝ “ ” ， for = " " , and what is copied from a page or a letter brings typographic
quotes and blanks that nobody sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wording.messages import Said, said

_FULL_WIDTH = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_OTHERS = {
    **dict.fromkeys("“”„‟「」『』″", '"'),
    **dict.fromkeys("‘’‚‛′", "'"),
    **dict.fromkeys("‐‑‒–—−", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
    "。": ".",
    "、": ",",
    "【": "[",
    "】": "]",
    "…": "...",
}
PLAIN = _FULL_WIDTH | _OTHERS
"""What each looks like; nothing for one that is not seen at all."""
_CLOSES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』", "＂": "＂"}


@dataclass(frozen=True, slots=True)
class Lookalike:
    """One of them in a text; line and column count from 1."""

    character: str
    line: int
    column: int

    @property
    def remedy(self) -> Said:
        """What to do, in words."""
        plain = PLAIN[self.character]
        code = f"U+{ord(self.character):04X}"
        if not plain:
            return said("an invisible character ({code}): delete it", code=code)
        if plain == " ":
            return said(
                "a character that only looks like a blank ({code}): type it again", code=code
            )
        return said(
            "{found} is a full-width or typographic character: type a plain {plain}",
            found=self.character,
            plain=plain,
        )


def lookalikes(text: str) -> Iterator[Lookalike]:
    """Those that are not inside a quoted text, where anything may stand, and not in a # comment."""
    for number, line in enumerate(text.split("\n"), 1):
        closing = ""
        for column, character in enumerate(line, 1):
            if closing and character != closing:
                continue
            if character == "#":
                break
            if character in PLAIN:
                yield Lookalike(character, number, column)
            closing = "" if closing else _CLOSES.get(character, "")
