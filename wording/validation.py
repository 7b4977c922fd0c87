"""Turns pydantic's errors into faults that a technician can read in either language.

pydantic's own sentences are English only. Each type of error that our models can give has its
text here, with the facts that pydantic names; an error of another type is shown as pydantic says
it. The types and their facts: https://docs.pydantic.dev/latest/errors/validation_errors/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wording.known_errors import recognised
from wording.messages import Said, said, said_many, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_Facts = dict[str, Any]
_SECRET_KEYS = frozenset({"url", "user", "username", "password", "password_file", "broker"})
"""What was given for these is not repeated: a fault goes into the log and to the platform."""

_WORDS: dict[str, Callable[[_Facts], str]] = {
    "missing": lambda _: said("missing"),
    "extra_forbidden": lambda _: said("no such key; remove it or correct its name"),
    "greater_than": lambda facts: said("Input should be greater than {gt}", **facts),
    "greater_than_equal": lambda facts: said(
        "Input should be greater than or equal to {ge}", **facts
    ),
    "less_than": lambda facts: said("Input should be less than {lt}", **facts),
    "less_than_equal": lambda facts: said("Input should be less than or equal to {le}", **facts),
    "multiple_of": lambda facts: said("Input should be a multiple of {multiple_of}", **facts),
    "finite_number": lambda _: said("Input should be a finite number"),
    "float_type": lambda _: said("Input should be a number"),
    "float_parsing": lambda _: said("Input should be a number"),
    "int_type": lambda _: said("Input should be a whole number"),
    "int_parsing": lambda _: said("Input should be a whole number"),
    "int_from_float": lambda _: said("Input should be a whole number"),
    "bool_type": lambda _: said("Input should be true or false"),
    "bool_parsing": lambda _: said("Input should be true or false"),
    "string_type": lambda _: said("Input should be a text in quotation marks"),
    "string_too_short": lambda facts: said_many(
        "the text should have at least {count} character",
        "the text should have at least {count} characters",
        facts["min_length"],
    ),
    "string_too_long": lambda facts: said_many(
        "the text should have at most {count} character",
        "the text should have at most {count} characters",
        facts["max_length"],
    ),
    "string_pattern_mismatch": lambda facts: said(
        "the text should match the pattern {pattern}", **facts
    ),
    "literal_error": lambda facts: said(
        "Input should be one of: {expected}", **_alternatives(facts)
    ),
    "enum": lambda facts: said("Input should be one of: {expected}", **_alternatives(facts)),
    "union_tag_invalid": lambda facts: said(
        "{tag!r} is none of: {expected_tags}", **_alternatives(facts)
    ),
    "union_tag_not_found": lambda facts: said("{discriminator} is missing", **facts),
    "list_type": lambda _: said("Input should be a list"),
    "tuple_type": lambda _: said("Input should be a list"),
    "set_type": lambda _: said("Input should be a list"),
    "frozen_set_type": lambda _: said("Input should be a list"),
    "too_short": lambda facts: said(
        "needs at least {min_length} entries, has {actual_length}", **facts
    ),
    "too_long": lambda facts: said(
        "may have at most {max_length} entries, has {actual_length}", **facts
    ),
    "dict_type": lambda _: said("Input should be a table"),
    "mapping_type": lambda _: said("Input should be a table"),
    "model_type": lambda _: said("Input should be a table"),
    "model_attributes_type": lambda _: said("Input should be a table"),
    "dataclass_type": lambda _: said("Input should be a table"),
    "path_type": lambda _: said("Input should be a path"),
    "time_type": lambda _: said("Input should be a time of day"),
    "time_parsing": lambda _: said('Input should be a time of day such as "07:30"'),
    "date_type": lambda _: said("Input should be a date"),
    "date_parsing": lambda _: said("Input should be a date such as 2026-01-31"),
    "date_from_datetime_parsing": lambda _: said("Input should be a date such as 2026-01-31"),
    "datetime_type": lambda _: said("Input should be a date with time"),
    "datetime_parsing": lambda _: said(
        "Input should be a date with time such as 2026-01-31T07:30:00+08:00"
    ),
    "datetime_from_date_parsing": lambda _: said(
        "Input should be a date with time such as 2026-01-31T07:30:00+08:00"
    ),
    "timezone_aware": lambda _: said("Input should say its time zone, such as +08:00"),
    "none_required": lambda _: said("Input should be left out"),
}


def message_of(detail: ErrorDetails) -> str:
    """What one error says, without its place.

    A text that a validator of ours raised with ``ValueError(said(...))``, or that stands as
    ``text`` in the facts of a ``PydanticCustomError``, is given as it was said.
    """
    facts = detail.get("ctx", {})
    if isinstance(facts.get("text"), str):
        return facts["text"]  # type: ignore[no-any-return]
    if isinstance(error := facts.get("error"), BaseException):
        return recognised(text_of(error))
    words = _WORDS.get(detail["type"])
    return words({name: _plain(fact) for name, fact in facts.items()}) if words else detail["msg"]


def fault_at(where: str, detail: ErrorDetails) -> Said:
    """One error with its place and, if it is short, what was given there."""
    message, given = message_of(detail), detail.get("input")
    if detail["type"] in {"missing", "extra_forbidden"}:
        return said("{where}: {message}", where=where, message=message)
    if not isinstance(given, str | int | float | bool) or _may_be_secret(detail, given):
        return said("{where}: {message}", where=where, message=message)
    return said("{where}: {message} (given: {given!r})", where=where, message=message, given=given)


def may_be_secret(text: str) -> bool:
    """Whether a text looks like an address: user, password and token may stand in it."""
    return re.search(r"://|@|[?&]\w+=", text) is not None


def no_address(given: object) -> object:
    """Refuse an address where a path is wanted: it would be shown as a path is, with what it holds.

    Raises:
        ValueError: It is one.
    """
    if re.match(r"\s*\w+:/", str(given)):
        raise ValueError(said("this is an address, not a path: take the driver rtsp"))
    return given


def _may_be_secret(detail: ErrorDetails, given: float | str) -> bool:
    secret = any(str(part) in _SECRET_KEYS for part in detail["loc"])
    return secret or (isinstance(given, str) and may_be_secret(given))


def faults_of(error: ValidationError) -> Iterator[Said]:
    """Every fault that pydantic found: ``place: what (given: …)``."""
    for detail in error.errors():
        # A union names the alternative it tried; that is no place in anybody's file.
        parts = [
            "…" if may_be_secret(str(part)) else str(part)
            for part in detail["loc"]
            if not str(part).startswith("literal[")
        ]
        yield fault_at(".".join(parts), detail)


def _plain(fact: Any) -> Any:
    """A limit as people write it: 30, not 30.0."""
    return int(fact) if isinstance(fact, float) and fact.is_integer() else fact


def _alternatives(facts: _Facts) -> _Facts:
    """Make a list of ``'a', 'b' or 'c'``: the English word in it is no name."""
    names = ("expected", "expected_tags")
    return {
        name: re.split(r", | or ", fact) if name in names else fact for name, fact in facts.items()
    }
