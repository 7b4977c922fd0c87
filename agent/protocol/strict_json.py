"""Reads JSON from the network as every reader must agree on it: RFC 8259 within the bounds of RFC 7493 (I-JSON).

Where two readers differ (a key that stands twice, NaN, another encoding, half a character), one of them could be
shown something else than the other one checked. All of that is refused here.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEEP = 16
"""How deep lists and tables may lie in each other; what we read needs five."""
Fault = Literal["not_json", "duplicate_key"]


class StrictJsonError(ValueError):
    """A text is not JSON as we take it.

    Attributes:
        fault: What is wrong with it, for a program.
    """

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


def read_json(content: bytes) -> Any:
    """Read a text in UTF-8.

    Raises:
        StrictJsonError: It is none, or other readers could read it otherwise.
    """
    try:
        document = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_table,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except StrictJsonError:
        raise
    except RecursionError as error:
        raise StrictJsonError("not_json", "nested too deep") from error
    except ValueError as error:
        raise StrictJsonError("not_json", f"not JSON in UTF-8: {error}") from error
    for depth, value in _values(document):
        if depth > MAX_DEEP:
            raise StrictJsonError("not_json", f"nested more than {MAX_DEEP} deep")
        if isinstance(value, str) and not value.isascii() and _is_halved(value):
            raise StrictJsonError("not_json", "half a character (a lone surrogate)")
    return document


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise StrictJsonError("duplicate_key", "a key stands twice in one object")
    return table


def _refuse_constant(name: str) -> NoReturn:
    raise StrictJsonError("not_json", f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise StrictJsonError("not_json", "a number that is too large to be read")
    return number


def _is_halved(text: str) -> bool:
    return any("\ud800" <= each <= "\udfff" for each in text)


def _values(document: Any) -> Iterator[tuple[int, Any]]:
    """Every value and every key with its depth. Without recursion: it may lie deep."""
    waiting: list[tuple[int, Any]] = [(0, document)]
    while waiting:
        depth, value = waiting.pop()
        yield depth, value
        if depth > MAX_DEEP:
            continue
        if isinstance(value, dict):
            for key, part in value.items():
                yield depth, key
                waiting.append((depth + 1, part))
        elif isinstance(value, list):
            waiting += ((depth + 1, part) for part in value)
