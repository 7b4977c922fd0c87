"""The contract's files, generated from the models: schemas, AsyncAPI document, examples.

``kerbwatch contract FOLDER`` writes them; a test holds ``contract/`` against what is generated.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from agent.protocol.base import CONTRACT_VERSION, VERSION
from agent.protocol.examples import examples
from agent.protocol.schemas import Side, draft_07, names, schema
from agent.protocol.topics import CHANNELS, Channel, Topics
from agent.protocol.vectors import vectors
from drivers.disk import READABLE, replace_file

if TYPE_CHECKING:
    from pathlib import Path


DOCUMENT_VERSION = f"{VERSION}.0-draft"
"""Of the contract as a document: ``contract/CHANGELOG.md``. Its first part is the wire's.

With ``-draft`` it may still change. Without, it is published: it is kept as files, and changes no more.
"""
KEPT = "versions"
"""The folder of the versions that are published, in ``contract/``."""
_SUMS = "SHA256SUMS"


def files() -> dict[str, str]:
    """Every generated file: its path within ``contract/``, and its text."""
    documents: dict[str, Any] = {
        "asyncapi.json": asyncapi(),
        **_schemas("writer"),
        **_schemas("reader"),
        **{f"examples/{name}.json": example for name, example in examples().items()},
        **{f"vectors/{name}.json": each for name, each in vectors().items()},
    }
    return {
        path: json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        for path, document in documents.items()
    }


def _schemas(side: Side) -> dict[str, Any]:
    made = {f"{side}/{name}.schema.json": schema(name, side) for name in names(side)}
    return made | {f"draft-07/{path}": draft_07(each) for path, each in made.items()}


def write(folder: Path) -> list[Path]:
    """Write every generated file into ``folder`` and give their paths."""
    written = []
    for name, text in files().items():
        path = folder / name
        replace_file(path, text, mode=READABLE)
        written.append(path)
    if "-" not in DOCUMENT_VERSION:
        written += keep(folder / KEPT, DOCUMENT_VERSION)
    return written


def keep(kept: Path, version: str) -> list[Path]:
    """Keep what is generated now as a published version, once: one that is there stays as it is.

    Args:
        kept: The folder of all that are kept.
        version: What it is called, such as ``2.0.0``.

    Returns:
        What was written.
    """
    if (kept / version).exists():
        return []
    texts = {path: text for path, text in files().items() if not path.startswith("vectors/")}
    for name, text in texts.items():
        replace_file(kept / version / name, text, mode=READABLE)
    sums = kept / _SUMS
    lines = sums.read_text(encoding="utf-8") if sums.exists() else ""
    replace_file(sums, f"{lines}{sum_of(kept / version)}  {version}\n", mode=READABLE)
    return [*(kept / version / name for name in texts), sums]


def sum_of(version: Path) -> str:
    """One hash of all files of a kept version and their names."""
    hashed = hashlib.sha256()
    for path in sorted(each for each in version.rglob("*") if each.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        hashed.update(f"{content}  {path.relative_to(version).as_posix()}\n".encode())
    return hashed.hexdigest()


def kept_sums(kept: Path) -> dict[str, str]:
    """The hash of each version when it was published."""
    sums = kept / _SUMS
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    return {version: told for told, _, version in (line.partition("  ") for line in lines)}


_BYTES = "application/octet-stream"
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
            " MQTT 5, and what it is told. The pages for the platform explain how to consume it.",
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
                **{
                    level: {"description": told} for each in CHANNELS for level, told in each.levels
                },
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
    levels = [level for level, _ in channel.levels]
    return {
        "address": "/".join((_TOPICS.of(name), *(f"{{{level}}}" for level in levels))),
        "description": channel.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": {
            level: {"$ref": f"#/components/parameters/{level}"}
            for level in ("tenant", "device", *levels)
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


def _side(channel: Channel) -> Side:
    """Whose schema the platform goes by: it accepts what the device sends, and is held to what it says itself."""
    return "reader" if channel.sent else "writer"


def _message(channel: Channel, shown: dict[str, Any]) -> dict[str, Any]:
    if channel.schema is None:
        return {"title": channel.title, "contentType": _BYTES, "payload": {"type": "string"}}
    return {
        "title": channel.title,
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": {"$ref": f"./draft-07/{_side(channel)}/{channel.schema}.schema.json"},
        },
        "examples": [
            {"name": name, "payload": payload}
            for name, payload in shown.items()
            if name.startswith(channel.examples)
        ],
    }
