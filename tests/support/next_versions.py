"""Versions of the contract that do not exist yet, made from the models of this one.

A **next minor** adds what a minor may add: a field to every part at every depth, a value to every list of words, a
type of event, a command. A **next major** keeps of an event what identifies it, and changes all else.
"""

from __future__ import annotations

import copy
import functools
import json
import operator
import types
import typing
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field, TypeAdapter, ValidationError, create_model

from agent.protocol.base import Wire
from agent.protocol.commands import COMMANDS, Answer, Command, any_of, name_of
from agent.protocol.downlink import Receipt
from agent.protocol.events import DeviceState, Envelope, Message
from agent.protocol.examples import examples
from agent.protocol.fields import Id, Label, Seconds, Word
from agent.protocol.schemas import ENVELOPE

LATER = "of_a_later_version"


class Later(Wire):
    """A part that no version has yet."""

    words: tuple[Word, ...] = ("one", "two")
    figure: Seconds = 1.5
    nothing: Label | None = None
    by_name: dict[Word, Label] = Field(default={"name": "文字"})


class LaterEvent(Envelope):
    """An event of a type that no version has yet."""

    type: Literal["device.of_a_later_version"]
    body: Later


class LaterCommand(Command):
    """A command that no version has yet."""

    command: Literal["of_a_later_version"]
    wanted: Id = "w-1"


@functools.cache
def minor(model: type[Wire]) -> type[Wire]:
    """The model as a next minor may have it: with more fields in it and in its parts, and more words."""
    fields: dict[str, Any] = {
        name: (_minor_of(field.annotation), copy.copy(field))
        for name, field in model.model_fields.items()
    }
    made: Any = create_model(
        model.__name__, __base__=model, **fields, of_a_later_version=(Later, Later())
    )
    return typing.cast("type[Wire]", made)


def _minor_of(kind: Any) -> Any:
    """A field's type, with its parts as a next minor has them."""
    if isinstance(kind, type) and issubclass(kind, Wire):
        return minor(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        more = len(inner) > 1 and all(isinstance(each, str) for each in inner)
        word = f"case.{LATER}" if more and "." in inner[0] else LATER
        return Literal[(*inner, word)] if more else kind
    if origin is Annotated:
        return Annotated[(_minor_of(inner[0]), *inner[1:])]
    if origin in (types.UnionType, typing.Union):
        kinds = [_minor_of(each) for each in inner]
        events = all(isinstance(each, type) and issubclass(each, Envelope) for each in kinds)
        return functools.reduce(operator.or_, [*kinds, LaterEvent] if events else kinds)
    return origin[tuple(_minor_of(each) for each in inner)] if origin and inner else kind


def next_minor_messages() -> dict[str, dict[str, Any]]:
    """Messages of a next minor by what is new in them; each is valid under it."""
    adapter = TypeAdapter[Any](minor(Message))
    found = {}
    for name, document in _messages().items():
        found[f"fields at every depth of {name}"] = _dumped(adapter, document)
        for place in _leaves(document):
            changed = _with(document, place, f"case.{LATER}" if place[-1] == "type" else LATER)
            if _reads(adapter, changed) and not _reads(TypeAdapter(Message), changed):
                found[f"a value in {name}: {'.'.join(map(str, place))}"] = changed
    (event, *_) = _messages()["message-live"]["events"]
    later = event | {"type": f"device.{LATER}", "body": Later().model_dump(mode="json")}
    new = {**_messages()["message-live"], "events": [later]}
    return found | {"a type": _dumped(adapter, new)}


def next_minor_of(name: str) -> dict[str, Any]:
    """Another example as a next minor has it: a state, an answer, a receipt."""
    kinds: dict[str, type[Wire]] = {"state": DeviceState, "answer": Answer, "receipt": Receipt}
    model = minor(kinds[name.partition("-")[0]])
    return _dumped(TypeAdapter(model), examples()[name])


def next_minor_commands() -> dict[str, dict[str, Any]]:
    """Commands of a next minor: what no device can know, and what looks like one that it knows."""
    known = {
        f"command {name}": examples()[name]
        for name in map("command-{}".format, map(name_of, COMMANDS))
        if name in examples()
    }
    commands: list[Any] = [*(minor(each) for each in COMMANDS), LaterCommand]
    adapter = TypeAdapter[Any](any_of(commands))
    told = {"command": LATER, "command_id": "c-later"}
    made = {f"a field in {name}": _dumped(adapter, each) for name, each in known.items()}
    return made | {"a command": _dumped(adapter, told)}


def next_major(document: dict[str, Any]) -> dict[str, Any]:
    """A message as a next major may have it: its events, and of them what identifies them."""
    events = [
        {name: event[name] for name in ENVELOPE}
        | {"contract": 3, "at": 17, "clock": "rubidium", "body": [event["type"], {"case": None}]}
        for event in document["events"]
    ]
    return {"contract": 3, "events": events, "later": {"of": [True]}}


def next_major_messages() -> dict[str, dict[str, Any]]:
    """Messages of a next major."""
    return {name: next_major(document) for name, document in _messages().items()}


def _messages() -> dict[str, dict[str, Any]]:
    return {name: each for name, each in examples().items() if name.startswith("message-")}


def _dumped(adapter: TypeAdapter[Any], document: dict[str, Any]) -> dict[str, Any]:
    text = adapter.dump_json(adapter.validate_json(json.dumps(document)))
    return dict(json.loads(text))


def _reads(adapter: TypeAdapter[Any], document: dict[str, Any]) -> bool:
    try:
        adapter.validate_json(json.dumps(document))
    except ValidationError:
        return False
    return True


def _leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where texts stand."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, part in inner for leaf in _leaves(part, (*place, key))]
    return [place] if isinstance(value, str) else []


def _with(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    target = changed
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    return changed
