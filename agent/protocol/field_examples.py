"""Examples of fields, each declared at its field: what the contract shows of a message is made of these."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel

from agent.domain.ids import DerivedIds

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

BEGAN_AT: Final = datetime(2026, 1, 1, 10, 0, tzinfo=timezone(timedelta(hours=8)))
"""The moment from which the times in examples are counted."""

EPOCH: Final = "0f1e2d3c4b5a6978"
"""Of the examples."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """What a field holds in the example of its message, as in ``Annotated[Count, Example(3)]``."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Under:
    """For a table of parts: the key under which the part's own example stands."""

    key: str


class NoExampleError(TypeError):
    """A field has no example, and none can be made of what it is."""


def sha256_of(text: str) -> str:
    """The hash that stands for something in an example, by that thing's name."""
    return hashlib.sha256(text.encode()).hexdigest()


def id_of(text: str, at: datetime = BEGAN_AT) -> str:
    """The id of something in an example, by that thing's name."""
    return DerivedIds(text).new(at)


def example_of(model: type[M]) -> M:
    """A message, or a part of one, made of the examples of its fields.

    A part among the fields is made of its own fields' examples; a field without one holds its default.

    Raises:
        NoExampleError: A field has neither.
    """
    return model(
        **{name: _example(model, name, field) for name, field in model.model_fields.items()}
    )


def _example(model: type[BaseModel], name: str, field: FieldInfo) -> Any:
    for each in field.metadata:
        if isinstance(each, Example):
            return each.value
    if (part := next(iter(_parts_in(field.annotation)), None)) is not None:
        of_part = example_of(part)
        for each in field.metadata:
            if isinstance(each, Under):
                return {each.key: of_part}
        return (of_part,) if get_origin(field.annotation) is tuple else of_part
    if not field.is_required():
        return field.get_default(call_default_factory=True)
    if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1:
        return get_args(field.annotation)[0]
    raise NoExampleError(f"{model.__name__}.{name} has no example")


def _parts_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for each in get_args(annotation) for part in _parts_in(each)]
