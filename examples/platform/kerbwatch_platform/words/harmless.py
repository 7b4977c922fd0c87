"""Foreign text, made such that a reader sees what it is.

A name from outside can turn the reading order round, hide characters or hold control codes. HTML's own
characters are the templates' matter; these are not.
"""

from __future__ import annotations

from typing import Any, TypeVar

_FILLERS = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)
"""Of Unicode's Default_Ignorable_Code_Point those that Python calls printable."""
_LINES = frozenset("\n\t")

T = TypeVar("T")


def harmless(value: T) -> T:
    r"""Write what is not simply seen as Python would (``\x1b``, ``\u202e``).

    Args:
        value: Of a text, line ends and tabs stay; what is no plain ``str`` (a number, HTML that is marked as
            such) is given back as it is.
    """
    made: Any = value
    if type(made) is str and not _plain(made):
        made = "".join(map(_seen, made))
    return made  # type: ignore[no-any-return]


def one_line(value: str, most: int = 200) -> str:
    """The same on one line, and not longer than that many characters."""
    short = value if len(value) <= most else value[: most - 1] + "…"
    return harmless(short).replace("\n", "\\n").replace("\t", "\\t")


def _plain(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _seen(character: str) -> str:
    if character in _LINES or (character.isprintable() and character not in _FILLERS):
        return character
    return character.encode("unicode_escape").decode("ascii")
