"""An older platform never goes deaf, an older device never goes mute; what is published stays what it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from pydantic import TypeAdapter

from agent.protocol import commands, generator, schemas
from agent.protocol.base import VERSION
from agent.protocol.case import CaseBody
from agent.protocol.commands import COMMANDS, name_of
from agent.protocol.downlink import Receipt
from agent.protocol.events import Message
from agent.protocol.examples import examples
from tests.support import compatibility, next_versions
from tests.support.contract_schemas import contract_schema
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ROOT / "contract" / generator.KEPT
PAGES = {
    ROOT / "docs" / "platform" / "compatibility.md": {},
    ROOT / "docs" / "platform" / "compatibility.zh-CN.md": {
        "written by": "由谁编写",
        "reader schema": "接收方格式",
        "example platform": "示例平台",
        "device: receipts": "设备：回执",
        "device: commands": "设备：命令",
        "(this)": "（本版）",
        "next minor": "下一小版本",
        "next major": "下一大版本",
        "accepted": "接受",
        "stored, receipted": "入库并回执",
        "heeded": "采纳",
        "not obeyed, answered": "不执行，给出应答",
        "obeyed, answered": "执行并给出应答",
        "refused": "拒绝",
    },
}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def of_kind(example: str) -> str:
    first = example.partition("-")[0]
    return "device-state" if first == "state" else first


@pytest.mark.slow
def test_the_page_shows_who_understands_whom() -> None:
    rows = compatibility.table()
    print(compatibility.rows_as_page(rows))
    for page, words in PAGES.items():
        shown = compatibility.rows_as_page(rows)
        for english, chinese in words.items():
            shown = shown.replace(english, chinese)
        assert shown in page.read_text(encoding="utf-8"), page.name


@pytest.mark.slow
def test_whatever_a_later_version_of_the_device_sends_is_taken_in_and_kept() -> None:
    rows = {version: told for version, *told in compatibility.table()}
    for later in ("next minor", "next major"):
        assert rows[later][:3] == ["accepted", "stored, receipted", "heeded"]
        assert rows[later][3] == "not obeyed, answered"


@pytest.mark.slow
def test_what_is_made_of_the_models_is_a_minor_version_that_this_one_did_not_know() -> None:
    """Else the table would say nothing: a writer's schema refuses each of them."""
    strict = jsonschema.Draft202012Validator(contract_schema("message"))
    made = next_versions.next_minor_messages()
    assert [name for name, document in made.items() if strict.is_valid(document)] == []
    assert {name.partition(" ")[0] for name in made} == {"a", "fields"}
    assert sum(name.startswith("a value") for name in made) > 20
    theirs = schemas.of_model(next_versions.minor(Message), "writer", heard=False)
    next_writer = jsonschema.Draft202012Validator(theirs)
    for name, document in made.items():
        if name.startswith(("a type", "fields")):  # made by it whole
            next_writer.validate(document)


@pytest.mark.slow
def test_a_platform_of_a_later_minor_version_takes_in_what_this_one_sends() -> None:
    theirs = schemas.of_model(next_versions.minor(Message), "reader", heard=False)
    next_reader = jsonschema.Draft202012Validator(theirs)
    for told in compatibility.messages_of().values():
        for document in told.values():
            next_reader.validate(document)


@pytest.mark.parametrize("name", ["state-online", "answer", "receipt"])
def test_what_else_travels_is_read_as_tolerantly(name: str) -> None:
    reader = jsonschema.Draft202012Validator(contract_schema(of_kind(name), "reader"))
    document = next_versions.next_minor_of(name)
    assert not jsonschema.Draft202012Validator(contract_schema(of_kind(name))).is_valid(document)
    reader.validate(document)
    reader.validate(document | {"contract": 3})


@pytest.mark.parametrize("missing", schemas.ENVELOPE)
@pytest.mark.parametrize("version", ["1.5", "next minor", "next major"])
def test_no_event_of_any_version_is_taken_in_without_what_identifies_it(
    missing: str, version: str
) -> None:
    reader = jsonschema.Draft202012Validator(contract_schema("message", "reader"))
    document = dict(next(iter(compatibility.messages_of()[version].values())))
    events = [
        {name: value for name, value in event.items() if name != missing}
        for event in document["events"]
    ]
    assert not reader.is_valid(document | {"events": events})


@pytest.mark.parametrize(
    "wrong", [{"body": {}}, {"body": None}, {"occurred_at": "soon"}, {"clock": {"state": "x"}}]
)
def test_an_event_of_a_known_type_is_read_whole(wrong: dict[str, Any]) -> None:
    (event, *_) = examples()["message-live"]["events"]
    for dialect in (contract_schema("event", "reader"),):
        reader = jsonschema.Draft202012Validator(dialect)
        assert reader.is_valid(event)
        assert not reader.is_valid(event | wrong)
        assert not jsonschema.Draft7Validator(schemas.draft_07(dialect)).is_valid(event | wrong)


def test_the_changelog_names_every_type_command_and_field_of_a_case_that_is_new() -> None:
    text = (ROOT / "contract" / "CHANGELOG.md").read_text(encoding="utf-8")
    present, _, former = text.partition("\n## 1.5.0")
    events = [
        event for told in compatibility.messages_of()["1.5"].values() for event in told["events"]
    ]
    types = contract_schema("event")["discriminator"]["mapping"].keys()
    names = set(types) - {each["type"] for each in events} | set(map(name_of, COMMANDS))
    cases = [set(each["body"]) for each in events if each["type"].startswith("case.")]
    new = {each for each in names if f"`{each}`" not in former}
    assert {"device.changes", "case.changed", "verdict", "apply"} <= new
    new |= CaseBody.model_fields.keys() - set().union(*cases)
    assert [each for each in sorted(new) if f"`{each}`" not in present] == []


def test_the_readme_names_every_schema() -> None:
    text = (ROOT / "contract" / "README.md").read_text(encoding="utf-8")
    made = {path.name.split(".")[0] for path in (ROOT / "contract" / "writer").glob("*.json")}
    assert [each for each in sorted(made) if f"| `{each}` |" not in text] == []


# ── versions that are published ──────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contract")
    generator.keep(folder, "2.0.0")
    return folder


def published(made: Path) -> list[Path]:
    """All that are kept, and the present one as it would be."""
    return [*sorted(each for each in VERSIONS.glob("*") if each.is_dir()), made / "2.0.0"]


def test_a_later_platform_may_say_more_of_what_it_refuses() -> None:
    told = examples()["receipt"] | {"refused": [[4, 4, "no_such_tenant", {"see": "示例"}]]}
    assert not jsonschema.Draft202012Validator(contract_schema("receipt", "writer")).is_valid(told)
    assert jsonschema.Draft202012Validator(contract_schema("receipt", "reader")).is_valid(told)
    older = schemas.draft_07(contract_schema("receipt", "reader"))
    assert jsonschema.Draft7Validator(older).is_valid(told)
    assert Receipt.model_validate(told).refused == ((4, 4, "no_such_tenant"),)


def test_what_was_published_is_kept_as_it_was() -> None:
    kept = {each.name: generator.sum_of(each) for each in VERSIONS.glob("*") if each.is_dir()}
    assert kept == generator.kept_sums(VERSIONS)
    assert (generator.DOCUMENT_VERSION in kept) == ("-" not in generator.DOCUMENT_VERSION)


def test_births_and_documents_say_one_version() -> None:
    bodies = {
        event["type"]: event["body"]
        for name, told in examples().items()
        if name.startswith("message-")
        for event in told["events"]
    }
    birth, inventory = bodies["device.birth"], bodies["device.inventory"]
    assert birth["contract_version"] == inventory["device"]["contract_version"] == VERSION
    assert generator.DOCUMENT_VERSION.startswith(f"{VERSION}.")


def test_a_published_version_changes_no_more_without_another_number() -> None:
    """Else: give the contract a new number in agent/protocol/generator.py, and an entry in its changelog."""
    if "-" in generator.DOCUMENT_VERSION:
        assert generator.DOCUMENT_VERSION.endswith("-draft")
        return
    for path, text in generator.files().items():
        if not path.startswith("vectors/"):
            kept = VERSIONS / generator.DOCUMENT_VERSION / path
            assert kept.read_text(encoding="utf-8") == text, path


@pytest.mark.slow
def test_a_version_is_kept_once_and_a_change_of_it_is_seen(tmp_path: Path) -> None:
    assert generator.keep(tmp_path, "2.0.0")
    told = generator.kept_sums(tmp_path)
    assert told == {"2.0.0": generator.sum_of(tmp_path / "2.0.0")}
    example = tmp_path / "2.0.0" / "examples" / "receipt.json"
    example.write_text("{}", encoding="utf-8")
    assert generator.keep(tmp_path, "2.0.0") == []
    assert example.read_text(encoding="utf-8") == "{}", "what is kept is not written again"
    assert generator.sum_of(tmp_path / "2.0.0") != told["2.0.0"]
    assert generator.keep(tmp_path, "2.1.0")
    assert list(generator.kept_sums(tmp_path)) == ["2.0.0", "2.1.0"]


def test_this_version_takes_in_what_a_published_one_sends(made: Path) -> None:
    for folder in published(made):
        for path in sorted((folder / "examples").glob("*.json")):
            kind = of_kind(path.stem)
            if kind == "receipt":
                Receipt.model_validate_json(path.read_text(encoding="utf-8"))
            elif kind == "command":
                TypeAdapter(commands.published()).validate_json(path.read_text(encoding="utf-8"))
            else:
                reader = jsonschema.Draft202012Validator(contract_schema(kind, "reader"))
                reader.validate(read(path))


def test_a_published_version_takes_in_what_this_one_sends(made: Path) -> None:
    for folder in published(made):
        for name, document in examples().items():
            if (kind := of_kind(name)) != "command":
                theirs = read(folder / "reader" / f"{kind}.schema.json")
                jsonschema.Draft202012Validator(theirs).validate(document)
