"""Every field that a mapping names is one that a device sends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.example_platform import PLATFORM, module
from tests.support.paths import ROOT

mapping = module("kerbwatch_platform.contract.mapping")
FILES = sorted(PLATFORM.glob("mapping-*.toml"))


def paths(schema: dict[str, Any], whole: dict[str, Any], before: str = "") -> set[str]:
    """Every path of named fields that a schema allows."""
    found: set[str] = set()
    schema = _resolved(schema, whole)
    for name, each in schema.get("properties", {}).items():
        found |= {f"{before}{name}"} | paths(each, whole, f"{before}{name}.")
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        found |= paths(each, whole, before)
    return found


def _resolved(schema: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_that_a_mapping_reads_is_one_of_the_contract(path: Any) -> None:
    text = (ROOT / "contract" / "writer" / "event.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    known = paths(schema["$defs"]["CaseEvent"], schema)
    read = {field["from"] for field in mapping.loaded(path)}
    assert read - known == set()
