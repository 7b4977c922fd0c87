"""The contract's files, generated from :mod:`agent.protocol.events`: schemas, AsyncAPI document, examples.

``kerbwatch contract FOLDER`` writes them; a test holds ``contract/`` against what is generated.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from agent.protocol.base import CONTRACT_VERSION
from agent.protocol.commands import Answer, any_of
from agent.protocol.downlink import Receipt
from agent.protocol.events import (
    DeviceState,
    Event,
    Message,
)
from agent.protocol.examples import examples
from agent.protocol.topics import CHANNELS, Channel, Topics
from drivers.disk import READABLE, replace_file

if TYPE_CHECKING:
    from pathlib import Path


DOCUMENT_VERSION = "2.0.0"
"""Of the contract as a document: ``contract/CHANGELOG.md``. Its first part is the wire's."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCHEMAS: dict[str, tuple[str, Any]] = {
    "event": ("One event", Event),
    "message": ("The payload of one publish on the events channel", Message),
    "device-state": ("The retained payload of the state channel, and the will", DeviceState),
    "answer": ("What became of a command", Answer),
    "receipt": ("What the platform has stored for good", Receipt),
    "command": ("What the platform asks of a device", any_of()),
}
_HEARD = frozenset({"receipt", "command"})
"""What the platform sends: it may leave out what has a default."""


def files() -> dict[str, str]:
    """Every generated file: its path within ``contract/``, and its text."""
    documents: dict[str, Any] = {
        "asyncapi.json": asyncapi(),
        **{f"writer/{name}.schema.json": schema(name) for name in _SCHEMAS},
        **{f"examples/{name}.json": example for name, example in examples().items()},
    }
    return {
        path: json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        for path, document in documents.items()
    }


def write(folder: Path) -> list[Path]:
    """Write every generated file into ``folder`` and give their paths."""
    written = []
    for name, text in files().items():
        path = folder / name
        replace_file(path, text, mode=READABLE)
        written.append(path)
    return written


def schema(name: str) -> dict[str, Any]:
    """One JSON Schema (2020-12) of the contract.

    Of what the device sends every field is required: it leaves none out, one that says nothing is
    null. What the platform sends may leave out what has a default.
    """
    title, kind = _SCHEMAS[name]
    generated = TypeAdapter(kind).json_schema(
        mode="validation" if name in _HEARD else "serialization"
    )
    for part in [generated, *generated.get("$defs", {}).values()]:
        if part.get("additionalProperties") is False and name not in _HEARD:
            part["required"] = list(part["properties"])
        part.pop("title", None)
        for field in part.get("properties", {}).values():
            field.pop("title", None)
            field.pop("default", None)
            # OpenAPI's word, which AsyncAPI reads otherwise; each kind's `type` is a const anyway.
            field.get("items", {}).pop("discriminator", None)
        part.pop("discriminator", None)
    _close(generated)
    head = {
        "$schema": _DIALECT,
        "$id": f"urn:kerbwatch:contract:{CONTRACT_VERSION}:{name}",
        "title": title,
    }
    return {**head, **generated}


def _close(part: Any) -> None:
    """Shut what a schema leaves open though its model does not, in it and in all below.

    The keys of a table must *all* be as they should (``patternProperties`` would let others pass). And
    Python's ``$`` matches before a newline at the end of a text, too, and its JSON knows a number that is
    neither below nor above any other: in ECMA-262 and in JSON there is neither.
    """
    if isinstance(part, list):
        for each in part:
            _close(each)
    if not isinstance(part, dict):
        return
    for each in part.values():
        _close(each)
    if part.get("type") == "string" and "pattern" in part:
        part["not"] = {"pattern": r"\n"}
    if part.get("type") == "number":
        least = part.get("minimum", part.get("exclusiveMinimum"))
        part["not"] = {"exclusiveMaximum": least}
    if "patternProperties" in part:
        [(pattern, part["additionalProperties"])] = part.pop("patternProperties").items()
        keys = {"type": "string", "pattern": pattern, **part.get("propertyNames", {})}
        _close(keys)
        part["propertyNames"] = keys


_TOPICS = Topics.pattern(CONTRACT_VERSION)


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of what the device publishes."""
    shown = examples()
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:kerbwatch:contract:{CONTRACT_VERSION}",
        "info": {
            "title": "Kerbwatch: device to platform",
            "version": DOCUMENT_VERSION,
            "description": "What a device at a street corner tells the city's platform over"
            " MQTT 5, and what it is told. docs/integrator.md explains how to consume it.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"platform": _server()},
        "channels": {each.name: _channel(each) for each in CHANNELS},
        "operations": {
            f"{_verb(each)}{each.name.capitalize()}": _operation(each)
            for each in sorted(CHANNELS, key=lambda each: not each.sent)
        },
        "components": {
            "messages": {each.name: _message(each, shown) for each in CHANNELS},
            "parameters": {
                "tenant": {"description": "Whose device it is; from the site's configuration."},
                "device": {"description": "The device's id; from the site's configuration."},
            },
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{host}:{port}",
        "protocol": "secure-mqtt",
        "protocolVersion": "5",
        "description": "The platform's broker, as configured at the site.",
        "variables": {
            "host": {"description": "The broker's name."},
            "port": {"description": "The broker's port.", "default": "8883"},
        },
        "bindings": {
            "mqtt": {
                "cleanSession": True,
                "lastWill": {
                    "topic": _TOPICS.of("state"),
                    "qos": 1,
                    "retain": True,
                    "message": "A device-state with online = false.",
                },
                "bindingVersion": "0.2.0",
            }
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    name = channel.name
    return {
        "address": _TOPICS.of(name),
        "description": channel.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": {
            level: {"$ref": f"#/components/parameters/{level}"} for level in ("tenant", "device")
        },
    }


def _verb(channel: Channel) -> str:
    return "send" if channel.sent else "receive"


def _operation(channel: Channel) -> dict[str, Any]:
    name = channel.name
    return {
        "action": _verb(channel),
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        "bindings": {"mqtt": {"qos": 1, "retain": channel.retain, "bindingVersion": "0.2.0"}},
    }


def _message(channel: Channel, shown: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": channel.title,
        "contentType": "application/json",
        "payload": {"$ref": f"./writer/{channel.schema}.schema.json"},
        "examples": [
            {"name": name, "payload": payload}
            for name, payload in shown.items()
            if name.startswith(channel.examples)
        ],
    }
