"""Field types of the wire format: texts and figures, each with its bounds.

What is **read** (``model_validate``, from whomever it comes) must keep to them, or it is refused. What the
device itself **makes** (``Place(…)``) is made to fit, because an error message of a disk or the name of a
card must not cost an event: a text for people is made harmless and cut, a figure is held to its range, a
list is cut; what is no finite number is null where the field can be. Names, ids, hashes,
numbers of events and times are never altered: what is not one is a mistake, on either side.

The patterns are of the part that JSON Schema's ECMA-262, Python's ``re`` and Rust's ``regex`` share.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AwareDatetime, Field, ValidationInfo
from pydantic_core import PydanticCustomError, core_schema

from agent.domain.finite import finite
from wording.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

MAX_NUMBER: Final = 2**53 - 1
"""No whole number is larger: up to here every reader of JSON agrees what it is (RFC 8259, section 6)."""
MORE_LATER: Final = "more_later"
"""Marks, in the schema of a list whose items mean something by their place, that a later version may say more
behind them: the reader's schema takes it, the writer's does not. It is in no published schema."""
MADE_HERE: Final = object()
"""The context of what is made and not read."""

_READABLE = (
    r" -~\u00A0-\u00AC\u00AE-\u061B\u061D-\u200A\u2010-\u2027\u202F-\u205F\u2070-\uD7FF"
    r"\uE000-\uFEFE\uFF00-\uFFFD"
    "\U00010000-\U0003fffd"
)
"""Characters of a text for people: no control characters, none that end a line, turn the reading order or
are not seen, no half of a surrogate pair, none of the planes where there is nothing to read."""
PRINTABLE: Final = f"[{_READABLE}]"
"""One of these characters, as a pattern."""
_UNREADABLE = re.compile(f"[^{_READABLE}]")
_ENDS_LINE = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202c\u2060\ufeff]")
_TIME = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_LONGEST_TIME = 32
MAX_REASON: Final = 200
"""Characters of the reason of a loss."""
_ID = "[A-Za-z0-9-]{1,64}"


def readable(text: str, most: int) -> str:
    """A text as records may keep it and people may be shown it; what is that already stays as it is.

    Args:
        text: From wherever: a disk's error, a broker's reason, a name on a card.
        most: How many characters at most; 50 or more.
    """
    if len(text) <= most and is_readable(text):
        return str(text)
    return _UNREADABLE.sub("\ufffd", harmless(str(text), most))


def is_readable(text: str) -> bool:
    """Whether a text holds nothing that people cannot see, or that turns or ends a line."""
    return _UNREADABLE.search(text) is None


def on_one_line(text: str) -> str:
    """A text that somebody typed, without what is only between its lines or is not seen (as pasted from a page)."""
    return _UNSEEN.sub("", _ENDS_LINE.sub(" ", text))


def is_id(text: str) -> bool:
    """Whether a text can be an epoch or the id of something."""
    return re.fullmatch(_ID, text) is not None


def null_if_no_number(value: Any, info: ValidationInfo) -> Any:
    """For a field that may be null: what is made and is no finite number becomes that."""
    return finite(value) if info.context is MADE_HERE and isinstance(value, float) else value


def _fitting(
    fit: Callable[[Any], Any], schema: core_schema.CoreSchema, *kinds: type
) -> core_schema.CoreSchema:
    """Make what is made fit; of what is read only these kinds are taken: a text is no number, and 1 not true."""

    def fitted(value: Any, info: ValidationInfo) -> Any:
        if info.context is MADE_HERE:
            return fit(value)
        if kinds and type(value) not in kinds:
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise PydanticCustomError("kind", "Input should be {wanted}", {"wanted": wanted})
        return value

    return core_schema.with_info_before_validator_function(fitted, schema)


@dataclass(frozen=True, slots=True)
class Text:
    """For people, one line of ``most`` characters; made harmless and cut where it is made."""

    most: int

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        bounded = core_schema.str_schema(max_length=self.most, pattern=f"^[{_READABLE}]*$")
        return _fitting(self._fit, bounded, str)

    def _fit(self, value: Any) -> Any:
        return readable(value, self.most) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Within:
    """A number between two others; held to them where it is made. Finite."""

    least: float
    most: float

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        bounded = core_schema.float_schema(ge=self.least, le=self.most, allow_inf_nan=False)
        return _fitting(self._fit, bounded, int, float)

    def _fit(self, value: Any) -> Any:
        if not isinstance(value, int | float):
            return value
        if isinstance(value, float) and math.isnan(value):
            value = 0.0  # nothing is known, so as little as the range allows
        return min(max(value, self.least), self.most)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two others; held to them where it is made."""

    least: int
    most: int

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return _fitting(self._fit, core_schema.int_schema(ge=self.least, le=self.most), int)

    def _fit(self, value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        return min(max(value, self.least), self.most)


@dataclass(frozen=True, slots=True)
class AtMost:
    """So many members of a list or a table; the rest is left out where it is made."""

    most: int

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        bounded: Any = {**handler(source), "max_length": self.most}
        return _fitting(self._fit, bounded)

    def _fit(self, value: Any) -> Any:
        if isinstance(value, tuple | list):
            return value[: self.most]
        if isinstance(value, dict) and len(value) > self.most:
            return dict(list(value.items())[: self.most])
        return value


class _OrNot:
    """True or false, and nothing that could be taken for it."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return _fitting(lambda value: value, handler(source), bool)


class _InIso8601:
    """A time as text, with its offset: what JSON gives is that and never a number."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "pattern": _TIME, "maxLength": _LONGEST_TIME}

    @staticmethod
    def _checked(value: Any) -> Any:
        if isinstance(value, datetime):
            return value
        if isinstance(value, str) and re.fullmatch(_TIME.strip("^$"), value):
            return value
        raise PydanticCustomError("moment", "a time in ISO 8601 with its offset")


Name = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Of a tenant, device, camera, zone, place, profile or operator: a level of an MQTT topic."""
Word = Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""One of the agent's own words, such as a kind of case or a lane."""
Id = Annotated[str, Field(max_length=64, pattern=f"^{_ID}$")]
"""Opaque; those of the device are UUIDs or hexadecimal."""
Sha256 = Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9.+!_-]{1,64}$")]
TimeZone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$")]
"""Such as ``Asia/Shanghai``."""
Moment = Annotated[AwareDatetime, _InIso8601()]

Flag = Annotated[bool, _OrNot()]

Label = Annotated[str, Text(100)]
"""A few words, such as the state of a camera's lens or the name of a card."""
Sentence = Annotated[str, Text(500)]
"""Such as the reason of a disk."""

Number = Annotated[int, Field(strict=True, ge=1, le=MAX_NUMBER)]
"""Of an event in its epoch."""
Count = Annotated[int, Whole(0, MAX_NUMBER)]
Seconds = Annotated[float, Within(0, 1e10)]
"""A length of time: three hundred years at most."""
Share = Annotated[float, Within(0, 1)]
Rate = Annotated[float, Within(0, 1e6)]
"""A second."""
Celsius = Annotated[float, Within(-273.15, 1000)]
