"""Puts a case's event into the fields of another system, as a table of data (``mapping-*.toml``) says.

    python mapping.py mapping-reported-matter.toml < event.json

What the event does not know stays null: a code, a department or a grid cell is never made up. A mandatory
field that is null is named, so that a person fills it in before the matter is registered.
"""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

Fields = list[dict[str, Any]]


def loaded(path: str | Path) -> Fields:
    """A mapping's fields, each with ``name``, and ``from`` (a path into the event) or ``value``."""
    fields: Fields = tomllib.loads(Path(path).read_text(encoding="utf-8"))["field"]
    return fields


def mapped(event: dict[str, Any], fields: Fields) -> tuple[dict[str, Any], list[str]]:
    """The other system's fields by name, and which mandatory ones nobody knows."""
    found = {field["name"]: _value(event, field) for field in fields}
    lacking = [
        each["name"] for each in fields if each.get("mandatory") and found[each["name"]] is None
    ]
    return found, lacking


def _value(event: dict[str, Any], field: dict[str, Any]) -> Any:
    value: Any = field.get("value", event)
    for step in field["from"].split(".") if "from" in field else ():
        value = value.get(step) if isinstance(value, dict) else None
    if "words" in field:  # a table from our words to theirs; what is not in it is not known
        value = field["words"].get(value) if isinstance(value, str) else None
    # What is too long is not cut: half a code is another code.
    too_long = "most" in field and isinstance(value, str) and len(value) > field["most"]
    return None if too_long else value


if __name__ == "__main__":
    values, unknown = mapped(json.load(sys.stdin), loaded(sys.argv[1]))
    told = {"fields": values, "unknown": unknown}
    sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
