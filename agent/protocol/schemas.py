"""The contract's JSON Schemas, made from the models: the writer's, the reader's, and their draft-07 twins.

The **writer's** say exactly what is sent: every field, every type, nothing besides. Who sends is held to them.
The **reader's** say what is to be accepted: all that, and what a later version may add to it. Who receives
goes by them, so that an update of the other side does not make it deaf. Both have bounds everywhere.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import TypeAdapter

from agent.protocol.base import CONTRACT_VERSION
from agent.protocol.commands import Answer, orders, published
from agent.protocol.downlink import Receipt
from agent.protocol.events import DeviceState, Envelope, Event, LossReport, Message
from agent.protocol.evidence import Manifest, Tombstone
from agent.protocol.fields import MAX_NUMBER, MORE_LATER, PRINTABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

Side = Literal["writer", "reader"]
Schema = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DRAFT_07: Final = "http://json-schema.org/draft-07/schema#"


@dataclass(frozen=True, slots=True)
class Document:
    """One kind of what travels.

    Attributes:
        title: Its name in the schemas, and so in code that is generated from them.
        model: Its type, for pydantic.
        about: What it is, where its model does not say so.
        heard: Whether the platform sends it; then it may leave out what has a default.
        tolerant: Whether there is a reader's schema. There is none of a command: what is not wholly known
            is not obeyed.
    """

    title: str
    model: Any
    about: str = ""
    heard: bool = False
    tolerant: bool = True


DOCUMENTS: Final[dict[str, Document]] = {
    "event": Document("Event", Event, about="One event."),
    "message": Document("Message", Message),
    "device-state": Document("DeviceState", DeviceState),
    "answer": Document("Answer", Answer),
    "loss-report": Document(
        "LossReport", LossReport, about="The payload that the signature of a device.loss is over."
    ),
    "manifest": Document("Manifest", Manifest),
    "tombstone": Document("Tombstone", Tombstone),
    "receipt": Document("Receipt", Receipt, heard=True),
    "order": Document(
        "Order",
        orders(),
        about="The payload that the signature of a command is over.",
        heard=True,
        tolerant=False,
    ),
    "command": Document(
        "Command",
        published(),
        about="What the platform asks of a device.",
        heard=True,
        tolerant=False,
    ),
}
"""All there are, by the name of their files."""

ENVELOPE: Final = ("event_id", "tenant", "device_id", "epoch", "sequence", "type")
"""What an event must have to be taken in, whatever version wrote it."""

MAX_FIELDS: Final = 256
"""Of one object, known and unknown ones together."""
MAX_ITEMS_OF_ROW: Final = 16
"""Of a list whose items mean something by their place, known and unknown ones together."""
MAX_UNKNOWN_TEXT: Final = 2_000_000
MAX_UNKNOWN_ITEMS: Final = 100_000
_NAME_OF_ANY: Final = r"^[A-Za-z0-9_.:/-]{1,128}$"
_STORABLE: Final = r"^[\u0001-\uD7FF\uE000-\uFFFF" "\U00010000-\U0010ffff]*$"
"""A text without NUL and without half a surrogate pair: neither can be kept in a database's text."""


def names(side: Side) -> tuple[str, ...]:
    """The documents that have a schema on this side."""
    return tuple(name for name, each in DOCUMENTS.items() if side == "writer" or each.tolerant)


def schema(name: str, side: Side = "writer") -> Schema:
    """One JSON Schema (2020-12) of the contract.

    Args:
        name: Of the document, a key of :data:`DOCUMENTS`.
        side: Who goes by it.
    """
    document = DOCUMENTS[name]
    made = of_model(document.model, side, heard=document.heard)
    definitions = made.pop("$defs", {})
    if name == "event":
        made = _as_root(made, definitions)
    else:
        made |= {"title": document.title}
    head = {
        "$schema": _DIALECT,
        "$id": f"urn:kerbwatch:contract:{CONTRACT_VERSION}:{side}:{name}",
        "title": made.pop("title"),
        "description": made.pop("description", document.about),
    }
    return {**head, **made, **({"$defs": dict(sorted(definitions.items()))} if definitions else {})}


def _as_root(made: Schema, definitions: Schema) -> Schema:
    """The definition of an event, with what holds for the whole document."""
    event: Schema = definitions.pop("Event")
    if "then" in made:
        event["then"]["allOf"].insert(0, made["then"])
    return event


def of_model(model: Any, side: Side, *, heard: bool) -> Schema:
    """The schema of any model, with all of its parts under ``$defs``.

    Args:
        model: A message or a part of one, as a type for pydantic.
        side: Who goes by it.
        heard: Whether the platform makes it. What the device makes has every field.
    """
    whole = side == "writer" and not heard
    made: Schema = TypeAdapter(model).json_schema(mode="serialization" if whole else "validation")
    definitions: Schema = made.pop("$defs", {})
    for title, part in [("", made), *definitions.items()]:
        _tidy(part, title)
    made = _event_by_name(made, definitions)
    _close(made)
    _close(definitions)
    if side == "writer":
        for part in _parts([made, definitions]):
            _strict(part)
    else:
        _loosen(made, definitions)
    return made | ({"$defs": definitions} if definitions else {})


def draft_07(made: Schema) -> Schema:
    """The twin of a schema in draft-07, which most generators of code and the AsyncAPI document speak."""
    twin: Schema = _older(copy.deepcopy(made))
    twin["$schema"] = _DRAFT_07
    twin["$id"] = f"{made['$id']}:draft-07"
    return twin


def _older(part: Any) -> Any:
    if isinstance(part, list):
        return [_older(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {"definitions" if key == "$defs" else key: _older(each) for key, each in part.items()}
    if "prefixItems" in found:  # there, a list of schemas stands under `items`
        found["items"], found["additionalItems"] = (
            found.pop("prefixItems"),
            found.pop("items", False),
        )
    if "propertyName" in found and isinstance(found.get("mapping"), dict):
        renamed = {
            key: each.replace("$defs", "definitions") for key, each in found["mapping"].items()
        }
        found["mapping"] = renamed
    if isinstance(found.get("$ref"), str):
        found["$ref"] = found["$ref"].replace("#/$defs/", "#/definitions/")
        if len(found) > 1:  # there, what stands beside `$ref` is not heeded
            found["allOf"] = [{"$ref": found.pop("$ref")}]
    return found


def _parts(node: Any) -> Iterator[Schema]:
    """Every schema in a schema, the outer ones first."""
    if isinstance(node, list):
        for each in node:
            yield from _parts(each)
    if isinstance(node, dict):
        yield node
        for each in list(node.values()):
            yield from _parts(each)


def _tidy(part: Schema, title: str) -> None:
    """Leave titles to what generated code is to have a name for: definitions, and no fields."""
    if title:
        part["title"] = title
    for field in part.get("properties", {}).values():
        field.pop("title", None)
        field.pop("default", None)


def _event_by_name(made: Schema, definitions: Schema) -> Schema:
    """Give the choice between the kinds of events a definition of its own; only its name stands where it stood."""
    if "oneOf" in made and made.get("discriminator", {}).get("propertyName") == "type":
        definitions["Event"] = {"title": "Event", **_chosen_by(made)}
        return {"$ref": "#/$defs/Event"}
    if (items := made.get("properties", {}).get("events", {}).get("items")) is not None:
        definitions["Event"] = {"title": "Event", **_chosen_by(items)}
        made["properties"]["events"]["items"] = {"$ref": "#/$defs/Event"}
    elif "discriminator" in made:
        made |= _chosen_by(made)
    return made


def _chosen_by(choice: Schema) -> Schema:
    """A choice, with OpenAPI's word for what tells its kinds apart."""
    return {"oneOf": choice["oneOf"], "discriminator": choice["discriminator"]}


def _close(part: Any) -> None:
    """Shut what a schema leaves open though its model does not, in it and in all below.

    The keys of a table must *all* be as they should (``patternProperties`` would let others pass). And
    Python's ``$`` matches before a newline at the end of a text, too, and its JSON knows a number that is
    neither below nor above any other: in ECMA-262 and in JSON there is neither.
    """
    for each in [*_parts(part)]:
        if each.get("type") == "string" and "pattern" in each:
            each["not"] = {"pattern": r"\n"}
        if each.get("type") == "number":
            least = each.get("minimum", each.get("exclusiveMinimum"))
            each["not"] = {"exclusiveMaximum": least}
        if isinstance(each.get("patternProperties"), dict):
            [(pattern, each["additionalProperties"])] = each.pop("patternProperties").items()
            keys = {"type": "string", "pattern": pattern, **each.get("propertyNames", {})}
            each["propertyNames"] = keys | {"not": {"pattern": r"\n"}}


def _has_fields(part: Schema) -> bool:
    return part.get("type") == "object" and isinstance(part.get("properties"), dict)


def _strict(part: Schema) -> None:
    """Nothing but what this version has, and this version: also of what the device reads tolerantly."""
    part.pop(MORE_LATER, None)
    if _has_fields(part):
        part["additionalProperties"] = False
        if "contract" in part["properties"]:
            part["properties"]["contract"] = {"type": "integer", "const": CONTRACT_VERSION}


def _tolerant(part: Schema) -> None:
    """What a later version may have more of: fields, and values of which there are some today."""
    if part.pop(MORE_LATER, False):
        part |= {"maxItems": MAX_ITEMS_OF_ROW, "items": {"$ref": "#/$defs/Anything"}}
    if _has_fields(part):
        part["additionalProperties"] = True
        part["maxProperties"] = MAX_FIELDS
        if "contract" in part["properties"]:
            part["properties"]["contract"] = _any_version(part["properties"]["contract"])
    if isinstance(part.get("enum"), list):
        part |= _TOKEN | {"examples": part.pop("enum")}
    elif isinstance(part.get("const"), str):
        part |= _TOKEN | {"examples": [part.pop("const")]}


_TOKEN: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    "pattern": f"^{PRINTABLE}*$",
    "not": {"pattern": r"\n"},
}
"""One of some words of which a later version may have more."""


_TYPE: Final[Schema] = {
    "type": "string",
    "maxLength": 64,
    "pattern": r"^[a-z][a-z0-9_.]{0,63}$",
    "not": {"pattern": r"\n"},
}


def _any_version(part: Schema) -> Schema:
    least = part.get("minimum", 1)
    return {
        "type": "integer",
        "minimum": least,
        "maximum": MAX_NUMBER,
        "examples": [CONTRACT_VERSION],
    }


def _anything() -> Schema:
    """What this version does not know, to be kept as it came: only its size has an end."""
    this = {"$ref": "#/$defs/Anything"}
    most = sys.float_info.max
    name = {"type": "string", "maxLength": 128, "pattern": _NAME_OF_ANY, "not": {"pattern": r"\n"}}
    number = {"type": "number", "minimum": -most, "maximum": most}
    return {
        "title": "Anything",
        "description": "What this version does not know, to be kept as it came.",
        "anyOf": [
            {"type": "null"},
            {"type": "boolean"},
            number | {"not": {"exclusiveMaximum": -most}},
            {"type": "string", "maxLength": MAX_UNKNOWN_TEXT, "pattern": _STORABLE},
            {"type": "array", "maxItems": MAX_UNKNOWN_ITEMS, "items": this},
            {
                "type": "object",
                "maxProperties": MAX_UNKNOWN_ITEMS,
                "propertyNames": name,
                "additionalProperties": this,
            },
        ],
    }


def _any_event(choice: Schema, definitions: Schema) -> Schema:
    """An event of whatever version: its envelope; and of a type that is known, all of it.

    A choice (``oneOf``) would call an event with one wrong figure an event of an unknown type, or no event.
    """
    parts = TypeAdapter(Envelope).json_schema()["properties"]
    fields = {name: parts[name] for name in ENVELOPE if name in parts} | {"type": dict(_TYPE)}
    for field in fields.values():
        field.pop("title", None)
    _close(fields)
    return {
        "title": "Event",
        "description": "One event of whatever version. One of a type that is known is besides what the"
        " definition of that type says; of any other, what is not known is kept as it came.",
        "type": "object",
        "required": list(ENVELOPE),
        "properties": {"contract": _any_version({}), **fields},
        "additionalProperties": True,
        "maxProperties": MAX_FIELDS,
        "if": True,
        "then": {"allOf": [_if_known(kind, definitions) for kind in choice["oneOf"]]},
    }


def _if_known(kind: Schema, definitions: Schema) -> Schema:
    told = definitions[kind["$ref"].removeprefix("#/$defs/")]["properties"]["type"]
    theirs = {"contract": {"const": CONTRACT_VERSION}, "type": told}
    return {"if": {"properties": theirs, "required": ["contract"]}, "then": kind}


def _loosen(made: Schema, definitions: Schema) -> None:
    """Make a schema the reader's: it and its definitions."""
    choice = definitions.get("Event")
    kinds = [] if choice is None else [each["$ref"] for each in choice["oneOf"]]
    kinds = [definitions[each.removeprefix("#/$defs/")]["properties"] for each in kinds]
    types = [dict(each["type"]) for each in kinds]
    for part in _parts([made, definitions]):
        _tolerant(part)
    if choice is not None:
        for fields, told in zip(kinds, types, strict=True):
            fields["type"] = told  # what tells them apart stays what it is
        definitions["KnownEvent"] = choice | {
            "title": "KnownEvent",
            "description": "One event of a type that is known: for generated code, which reads an Event"
            " first, and by this if it knows the type.",
        }
        definitions["Event"] = _any_event(choice, definitions)
        if "events" in made.get("properties", {}):  # of a message only they are needed
            made["required"] = ["contract", "events"]
    # Also in what is not known, texts, names and numbers have an end.
    made |= {"if": True, "then": {"$ref": "#/$defs/Anything"}}
    definitions["Anything"] = _anything()
