"""Parses TOML and JSON written by people, and refuses deep nesting and invisible characters.

Python's parsers accept any depth that the stack allows, and texts that no terminal shows as they are. Here
both are refused with a message: at a depth that no file of ours needs, and at invisible characters.
"""

from __future__ import annotations

import json
import re
import tomllib
from functools import partial
from typing import TYPE_CHECKING, Any
from unicodedata import category

from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Place = tuple[str | int, ...]
MAX_DEEP = 32
"""How deep tables and lists may lie in each other; a zone's corner lies four deep."""
MAX_DOTS = 200
"""In a dotted key: the parser's time grows with the square of them, so they are counted before it."""
_NOT_IN_A_KEY = re.compile(r"[^\w\"'.\t -]+|\.{2,}")
MAX_DIGITS = 1000
"""Of a whole number: one written in hexadecimal may have more than Python writes in decimal."""
MAX_TOLD = 5
"""Of the places that hold such characters."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of Unicode: controls, invisible formatting such as a turned direction, half characters,
separators of lines and paragraphs."""
_ALLOWED = frozenset("\t\n\r\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")


def parsed_toml(text: str) -> dict[str, Any]:
    """Read a text as TOML.

    Raises:
        ValueError: It is none, or lies too deep.
    """
    if any(run.count(".") > MAX_DOTS for run in _NOT_IN_A_KEY.split(text)):
        raise ValueError(_too_deep())
    return _examined(tomllib.loads, text)  # type: ignore[no-any-return]


def parsed_json(text: str, table: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    """Read a text as JSON.

    Args:
        text: The text.
        table: Makes a dictionary of an object's keys and values, in their order.

    Raises:
        ValueError: It is none, or lies too deep.
    """
    return _examined(partial(json.loads, object_pairs_hook=table), text)


def unseen(text: str) -> str | None:
    """The first character of a text that cannot be shown, as ``U+0000``; None: there is none.

    Tabs, line ends and joiners are no fault.
    """
    found = (each for each in text if category(each) in _UNSEEN and each not in _ALLOWED)
    first = next(found, None)
    return None if first is None else f"U+{ord(first):04X}"


def refuse_unseen(document: Any) -> None:
    """Refuse a document with characters that cannot be shown, in values or keys.

    Raises:
        ValueError: Which they are, and where.
    """
    places = [
        _at(place, code) for place, each in texts_in(document) if (code := unseen(each)) is not None
    ]
    if places:
        raise ValueError(
            said(
                "characters that cannot be shown, take them out: {places}",
                places=places[:MAX_TOLD],
            )
        )


def texts_in(document: Any) -> Iterator[tuple[Place, str]]:
    """Every text in a document with its place, keys as well: those at the place of their table."""
    return ((place, each) for place, _, each in _values(document) if isinstance(each, str))


def _examined(parse: Callable[[str], Any], text: str) -> Any:
    try:
        document = parse(text)
    except RecursionError as error:
        raise ValueError(_too_deep()) from error
    if any(depth > MAX_DEEP for _, depth, _ in _values(document)):
        raise ValueError(_too_deep())
    most = 10**MAX_DIGITS
    if any(isinstance(each, int) and abs(each) >= most for _, _, each in _values(document)):
        raise ValueError(said("a number has more than {most} digits", most=MAX_DIGITS))
    return document


def _values(document: Any) -> Iterator[tuple[Place, int, Any]]:
    """Every value, and every key, with its place and its depth. Without recursion: it may lie deep."""
    waiting: list[tuple[Place, Any]] = [((), document)]
    while waiting:
        place, value = waiting.pop()
        yield place, len(place), value
        if len(place) > MAX_DEEP:
            continue
        if isinstance(value, dict):
            for key, part in value.items():
                yield place, len(place), key
                waiting.append(((*place, key), part))
        elif isinstance(value, list):
            waiting += (((*place, index), part) for index, part in enumerate(value))


def _at(place: Place, code: str) -> Said:
    where = ".".join(repr(str(part))[1:-1] for part in place)
    return said("{code} in {where}", code=code, where=where or said("the outermost keys"))


def _too_deep() -> Said:
    return said("tables or lists are nested more than {most} deep", most=MAX_DEEP)
