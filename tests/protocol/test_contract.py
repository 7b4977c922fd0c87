"""The contract with the platform: its files are what the code sends, and nothing else passes."""

from __future__ import annotations

import copy
import functools
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import jsonschema
import pytest
from pydantic import ValidationError

from agent import scenarios
from agent.domain.ids import RandomIds
from agent.protocol import event_codes, generator, schemas
from agent.protocol.case import CaseBody
from agent.protocol.events import DEVICE_EVENTS, Draft, Event, Message
from agent.storage.outbox_queries import Lane
from drivers.testing import FakeClock
from tests.support.drafts import case_opened
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from agent.protocol.schemas import Side

CONTRACT = ROOT / "contract"
EXAMPLES = sorted((CONTRACT / "examples").glob("*.json"))


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


DIALECTS: dict[str, Any] = {
    "": jsonschema.Draft202012Validator,
    "draft-07": jsonschema.Draft7Validator,
}


@functools.cache
def validator(name: str, side: str = "writer", dialect: str = "") -> Any:
    schema = read(CONTRACT / dialect / side / f"{name}.schema.json")
    kind = DIALECTS[dialect]
    assert schema["$schema"] == kind.META_SCHEMA["$schema"]
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def schema_of(example: Path) -> str:
    first = example.stem.partition("-")[0]
    return "device-state" if first == "state" else first


def message() -> dict[str, Any]:
    document = read(CONTRACT / "examples" / "message-live.json")
    assert isinstance(document, dict)
    return document


def committed() -> list[str]:
    """Every file of the contract, but those of published versions."""
    found = [path.relative_to(CONTRACT) for path in CONTRACT.rglob("*.json")]
    return sorted(str(path) for path in found if path.parts[0] != generator.KEPT)


@functools.cache
def generated() -> dict[str, str]:
    return generator.files()


@pytest.mark.parametrize("path", committed())
def test_the_committed_file_is_what_the_code_generates(path: str) -> None:
    text = (CONTRACT / path).read_text(encoding="utf-8")
    assert text == generated().get(path), "run: kerbwatch contract contract"


def test_every_file_that_the_code_generates_is_there_and_no_other() -> None:
    assert committed() == sorted(generated())


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("side", ["writer", "reader"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_satisfies_its_schemas(example: Path, side: Side, dialect: str) -> None:
    if schema_of(example) in schemas.names(side):
        validator(schema_of(example), side, dialect).validate(read(example))


def _objects(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a document objects of the contract stand; ``reason`` is free in its keys."""
    if isinstance(value, dict):
        inner = [p for key, part in value.items() for p in _objects(part, (*place, key))]
        return inner if place[-1:] == ("reason",) else [place, *inner]
    if isinstance(value, list):
        return [p for index, part in enumerate(value) for p in _objects(part, (*place, index))]
    return []


@pytest.mark.parametrize("place", _objects(message()), ids=lambda place: ".".join(map(str, place)))
def test_an_unknown_field_is_refused_by_who_writes_and_accepted_by_who_reads(
    place: tuple[Any, ...],
) -> None:
    document = copy.deepcopy(message())
    target = document
    for step in place:
        target = target[step]
    target["surprise"] = {"of": ["a later version", None, 1.5, True]}
    for dialect in DIALECTS:
        assert not validator("message", "writer", dialect).is_valid(document)
        assert validator("message", "reader", dialect).is_valid(document)
    with pytest.raises(ValidationError, match="surprise"):
        Message.model_validate_json(json.dumps(document))


@pytest.mark.slow
def test_a_field_left_out_is_refused_by_the_schema() -> None:
    document = message()
    for field in document["events"][0]:
        shortened = copy.deepcopy(document)
        del shortened["events"][0][field]
        assert not validator("message").is_valid(shortened), field


def test_a_case_cannot_call_itself_evidence() -> None:
    document = message()
    document["events"][0]["body"]["evidence_status"] = "evidence"
    assert not validator("message").is_valid(document)


@pytest.mark.parametrize("side", ["writer", "reader"])
def test_every_definition_has_a_title_of_its_own(side: Side) -> None:
    """Generated code calls its classes by them."""
    for name in schemas.names(side):
        made = schemas.schema(name, side)
        titles = {key: part.get("title") for key, part in made.get("$defs", {}).items()}
        assert titles == {key: key for key in titles}
        assert made["title"] == schemas.DOCUMENTS[name].title
        assert made["description"]


def test_what_tells_the_types_apart_is_told_and_stands_as_a_constant_in_each() -> None:
    for side, choice in [("writer", "Event"), ("reader", "KnownEvent")]:
        definitions = schemas.schema("message", cast("Side", side))["$defs"]
        told = definitions[choice]["discriminator"]
        assert told["propertyName"] == "type"
        types = {
            each["$ref"]: definitions[each["$ref"].removeprefix("#/$defs/")]["properties"]["type"]
            for each in definitions[choice]["oneOf"]
        }
        words = [
            (word, ref)
            for ref, each in types.items()
            for word in each.get("enum", [each.get("const")])
        ]
        assert told["mapping"] == dict(words)
        assert len(words) == len(told["mapping"]), "no type is of two kinds"
        twin = schemas.draft_07(schemas.schema("message", cast("Side", side)))["definitions"]
        for ref in twin[choice]["discriminator"]["mapping"].values():
            assert ref.removeprefix("#/definitions/") in twin
    unsigned, signed = schemas.schema("command")["anyOf"]
    assert signed == {"$ref": "#/$defs/SignedCommand"}
    for each in (unsigned, schemas.schema("order")):
        assert each["discriminator"]["propertyName"] == "command"


def test_the_asyncapi_document_points_at_the_schemas_and_shows_every_example() -> None:
    document = read(CONTRACT / "asyncapi.json")
    shown: set[str] = set()
    parts = dict(document["components"]["messages"])
    assert parts.pop("pictures")["contentType"] == "application/octet-stream"
    sides = {name: side_of(part) for name, part in parts.items()}
    assert sides == {"events": "reader", "state": "reader", "answers": "reader"} | {
        "receipts": "writer",
        "commands": "writer",
    }
    for part in parts.values():
        assert (CONTRACT / part["payload"]["schema"]["$ref"]).is_file()
        shown |= {example["name"] for example in part["examples"]}
    assert shown == {path.stem for path in EXAMPLES}
    for channel in document["channels"].values():
        assert channel["address"].startswith("kerbwatch/v2/{tenant}/{device}/")
        assert "." not in channel["address"], "no dots: RabbitMQ reads them as levels"
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])


def side_of(part: dict[str, Any]) -> str:
    return Path(part["payload"]["schema"]["$ref"]).parent.name


def test_every_scenario_has_a_row_in_every_table_of_codes() -> None:
    kinds = {scenarios.load_scenario(name).KIND for name in scenarios.scenario_names()}
    for name, profile in event_codes.profiles().items():
        assert kinds <= set(profile.matters), name


@pytest.mark.parametrize(
    ("profile", "kind", "code", "name"),
    [
        ("gbt-47678-5", "street_vending", "09006", "占道经营"),
        ("gbt-47678-5", "misparked_bike", "09010", "非机动车乱停放"),
        ("gbt-47678-5", "overflowing_bin", "06042", "垃圾站(箱)满溢"),
        ("classic", "misparked_bike", "05-06", "非机动车乱停放"),
        ("classic", "street_vending", None, "占道经营"),
        ("classic", "overflowing_bin", None, "垃圾站(箱)满溢"),
        ("gbt-47678-5", "ponding", None, "道路积水"),
    ],
)
def test_a_kind_has_the_code_that_was_read_or_none(
    profile: str, kind: str, code: str | None, name: str
) -> None:
    found = event_codes.event_code(profile, kind)
    assert (found.profile, found.code, found.name) == (profile, code, name)


def test_a_kind_that_no_table_knows_gets_no_invented_code() -> None:
    found = event_codes.event_code("classic", "flying_saucer")
    assert found.code is None
    assert found.name == "flying_saucer"


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(event_codes.UnknownProfileError, match=r"classic, gbt-47678-5"):
        event_codes.event_code("imperial", "misparked_bike")


def test_no_table_claims_to_be_confirmed() -> None:
    """Set ``confirmed`` only with the official text at hand, and change this test with it."""
    assert not any(profile.confirmed for profile in event_codes.profiles().values())


def test_every_kind_of_event_has_one_type_and_one_lane() -> None:
    clock = FakeClock(datetime(2026, 7, 1, tzinfo=UTC))
    kinds = {each.model_fields["body"].annotation: each for each in get_args(get_args(Event)[0])}
    assert {*DEVICE_EVENTS, CaseBody} == kinds.keys()
    for body, (type_, lane) in DEVICE_EVENTS.items():
        assert get_args(kinds[body].model_fields["type"].annotation) == (type_,)
        draft = Draft.of_device(body.model_construct(), clock, RandomIds())
        assert (draft.type, draft.lane, draft.occurred_at) == (type_, lane, clock.now())
        assert Lane.of(draft).name == lane.upper()
    assert Lane.of(case_opened(clock)) is Lane.CASE


def test_no_number_of_an_epoch_is_two_events_in_the_examples() -> None:
    told: dict[tuple[str, int], str] = {}
    for path in EXAMPLES:
        if path.stem.startswith("message-"):
            for event in read(path)["events"]:
                number = event["epoch"], event["sequence"]
                assert told.setdefault(number, event["event_id"]) == event["event_id"], path
    assert len(told) > 10
