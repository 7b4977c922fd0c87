"""Escapes and shortens text from outside, before it is logged or shown.

A text from outside can end a line and forge the next one, move a terminal's cursor, turn the reading order
round, or be as long as it likes. Here all of that becomes visible and short. Use it where such a text is
logged, kept as a reason, or shown. What is harmless already stays as it is.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any, TypeVar

from wording.messages import Said

MAX_CHARACTERS = 200
"""Enough for a sentence."""
_ROOM_FOR_LENGTH = 24
_INVISIBLE = frozenset(
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
"""Of Unicode's Default_Ignorable_Code_Point those that Python calls printable: fillers, variation selectors."""

T = TypeVar("T")


def harmless(text: T, most: int = MAX_CHARACTERS) -> T:
    r"""Give a text that is not longer than it may be, with no character that is not simply seen.

    Control characters, line ends, changes of the reading order, invisible characters and lone surrogates
    are written as in a Python literal (``\x1b``, ``\u202e``).

    Args:
        text: Foreign. Of a :class:`wording.messages.Said` the facts are made harmless, and it can still be
            translated; of a list each item; a path becomes its text. What holds no text is given back as it is.
        most: Maximum number of characters, at least 50; of a ``Said`` for each fact.
    """
    made: Any = text
    if isinstance(text, Said):
        facts = {name: _written_out(harmless(fact, most)) for name, fact in text.facts.items()}
        made = Said(text.template, facts, text.many)
    elif isinstance(text, str):
        made = _short(text, most)
    elif isinstance(text, PurePath):
        made = _short(str(text), most)
    elif isinstance(text, tuple):
        made = tuple(harmless(each, most) for each in text)
    elif isinstance(text, list):
        made = [harmless(each, most) for each in text]
    return made  # type: ignore[no-any-return]


def harmless_json(text: str) -> str:
    r"""The same JSON document, with what is not simply seen written as JSON escapes (``\u202e``).

    Args:
        text: As ``json.dumps`` or pydantic make it: only within its strings there is anything to write out.
    """
    return "".join(
        each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text
    )


class _WrittenOut(str):
    """A text that is harmless already: ``{name!r}`` puts it in quotes, and escapes nothing a second time."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{self}'"


def _written_out(fact: object) -> object:
    return _WrittenOut(fact) if type(fact) is str and "\\" in fact else fact


def _short(text: str, most: int) -> str:
    seen = "".join(map(_seen, text[:most]))
    if len(seen) <= most and len(text) <= most:
        return seen
    return f"{seen[: most - _ROOM_FOR_LENGTH]}… ({len(text)} characters)"


def _seen(character: str) -> str:
    """The character, if it is one that is seen (letters of any script, signs, blanks)."""
    if character.isprintable() and character not in _INVISIBLE:
        return character
    return character.encode("unicode_escape").decode("ascii")
