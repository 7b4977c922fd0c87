"""Every field of the contract has its bounds: what is read keeps to them, what is made fits them."""

from __future__ import annotations

import base64
import builtins
import copy
import json
import math
import re
import types
import typing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from agent.protocol import base, schemas
from agent.protocol.base import Wire
from agent.protocol.commands import Answer, orders, published
from agent.protocol.downlink import Receipt
from agent.protocol.events import DeviceState, Event, LossReport, Message
from agent.protocol.evidence import Manifest, Tombstone
from agent.protocol.fields import MAX_NUMBER, AtMost, Text, Whole, Within
from agent.protocol.heartbeat import HeartbeatBody, SomeFields
from tests.support.contract_schemas import contract_schema
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.protocol.schemas import Side

EXAMPLES = ROOT / "contract" / "examples"
SIDES: tuple[Side, ...] = ("writer", "reader")

MODELS: dict[str, Any] = {
    "event": Event,
    "message": Message,
    "device-state": DeviceState,
    "answer": Answer,
    "loss-report": LossReport,
    "manifest": Manifest,
    "tombstone": Tombstone,
    "receipt": Receipt,
    "command": published(),
    "order": orders(),
}


def checker(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(contract_schema(name))


_ANY_EVENT: Any = Event
EVENTS: tuple[type[BaseModel], ...] = get_args(get_args(_ANY_EVENT)[0])

# ── every published schema, so that the next field cannot forget ─────────────────────────────


def unbounded(part: Any, place: str = "") -> list[str]:
    """Where a schema lets through what has no end, or says nothing of what it lets through."""
    if isinstance(part, list):
        return [fault for i, each in enumerate(part) for fault in unbounded(each, f"{place}/{i}")]
    if not isinstance(part, dict) or "const" in part or "enum" in part:
        return []
    found = []
    for name in ("$defs", "definitions", "properties"):
        for key, each in part.get(name, {}).items():
            found += unbounded(each, f"{place}/{key}")
    inner = ("items", "prefixItems", "anyOf", "oneOf", "allOf", "additionalProperties")
    for name in (*inner, "propertyNames"):
        if part.get(name) not in (None, False, True):
            found += unbounded(part[name], f"{place}/{name}")
    kinds = {"string", "integer", "number", "array", "object", "boolean", "null"}
    if "type" not in part:
        named = {"$ref", "anyOf", "oneOf", "allOf"} & part.keys()
        return found if named else [*found, f"{place}: anything"]
    assert part["type"] in kinds, place
    return [*found, *(f"{place}: {fault}" for fault in LOOSE[part["type"]](part))]


def loose_text(part: dict[str, Any]) -> list[str]:
    wanted = {"maxLength", "pattern", "not"}
    if re.fullmatch(part.get("pattern", "a"), "\n") is not None:
        wanted -= {"not"}  # a newline at the end is as good as any other
    return [f"a text without {word}" for word in wanted - part.keys()]


def loose_number(part: dict[str, Any]) -> list[str]:
    least = part.get("minimum", part.get("exclusiveMinimum"))
    most = part.get("maximum", part.get("exclusiveMaximum"))
    if least is None or most is None:
        return ["a number without an end"]
    if part["type"] == "integer" and not -MAX_NUMBER <= least <= most <= MAX_NUMBER:
        return ["a whole number that readers may not agree on"]
    return [] if part["type"] == "integer" or "not" in part else ["what is no number"]


def loose_array(part: dict[str, Any]) -> list[str]:
    return [] if "maxItems" in part else ["a list without an end"]


def loose_object(part: dict[str, Any]) -> list[str]:
    if part.get("additionalProperties") is False and "patternProperties" not in part:
        return []
    if part.get("additionalProperties") is True and "properties" in part:
        return [] if "maxProperties" in part else ["an object of any number of fields"]
    wanted = {"maxProperties", "propertyNames"}
    return [f"a table without {word}" for word in wanted - part.keys()]


LOOSE: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "string": loose_text,
    "integer": loose_number,
    "number": loose_number,
    "array": loose_array,
    "object": loose_object,
    "boolean": lambda _: [],
    "null": lambda _: [],
}


PUBLISHED: list[tuple[str, Side]] = [(name, side) for side in SIDES for name in schemas.names(side)]


@pytest.mark.parametrize(("name", "side"), PUBLISHED)
def test_nothing_in_a_published_schema_is_without_bounds(name: str, side: Side) -> None:
    made = json.loads(json.dumps(contract_schema(name, side)))
    assert unbounded(made) == []
    assert unbounded(schemas.draft_07(made)) == []


def test_every_published_schema_is_looked_at() -> None:
    contract = ROOT / "contract"
    files = [*contract.glob("*/*.schema.json"), *contract.glob("draft-07/*/*.schema.json")]
    looked_at = sorted((side, f"{name}.schema.json") for name, side in PUBLISHED)
    assert sorted((path.parent.name, path.name) for path in files) == sorted(looked_at * 2)
    assert set(MODELS) == set(schemas.DOCUMENTS)


UNKNOWN = {
    "NUL": "a\x00b",
    "half a character": "a\ud800b",
    "a text without an end": "a" * (schemas.MAX_UNKNOWN_TEXT + 1),
    "a list without an end": [None] * (schemas.MAX_UNKNOWN_ITEMS + 1),
    "a name without an end": {"a" * 200: 1},
    "a name of nothing that is seen": {"\u202e": 1},
    "no number": math.nan,
    "infinite": math.inf,
}
LONG = {"a text without an end", "a list without an end"}
"""For these a reader in Rust: one in Python walks over each of 100,000 items. What is no Unicode is Python's alone."""


@pytest.mark.parametrize("what", UNKNOWN)
@pytest.mark.parametrize("deep", [False, True])
def test_what_is_not_known_has_an_end_for_the_reader_too(what: str, deep: bool) -> None:
    unknown = [{"inner": UNKNOWN[what]}] if deep else UNKNOWN[what]
    reader: Any = jsonschema_rs if what in LONG else jsonschema
    for name, side in PUBLISHED:
        if side == "reader":
            document = example_for(name)
            check = reader.Draft202012Validator(contract_schema(name, side))
            assert check.is_valid(document | {"new": "fine, on\nany number of lines"})
            assert not check.is_valid(document | {"new": unknown}), name
            assert not check.is_valid(document | {f"new{n}": n for n in range(300)}), name


SIGNED = {
    "loss-report": ("message-loss.json", 0),
    "manifest": ("message-evidence.json", 0),
    "tombstone": ("message-evidence.json", 1),
}
"""In which event each payload of a signature is."""


def example_for(name: str) -> dict[str, Any]:
    if name == "event":
        (event, *_) = example_for("message")["events"]
        return dict(event)
    if name in SIGNED:
        file, number = SIGNED[name]
        event = json.loads((EXAMPLES / file).read_text())["events"][number]
        payload = event["body"]["jws"].split(".")[1]
        return dict(json.loads(base64.urlsafe_b64decode(payload + "==")))
    begins = name.replace("device-state", "state")
    path = next(each for each in sorted(EXAMPLES.glob("*.json")) if each.stem.startswith(begins))
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "string"},
        {"type": "string", "maxLength": 9},
        {"type": "integer", "minimum": 0},
        {"type": "integer", "minimum": 0, "maximum": 2**53},
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "array", "items": {"type": "null"}},
        {"type": "array", "maxItems": 2, "items": {"type": "string"}},
        {"type": "object", "additionalProperties": {"type": "null"}, "maxProperties": 3},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {},
    ],
    ids=str,
)
def test_the_look_sees_what_is_without_bounds(part: dict[str, Any]) -> None:
    assert unbounded({"type": "object", "additionalProperties": False, "properties": {"a": part}})


# ── what is read ─────────────────────────────────────────────────────────────────────────────

LEFT_OUT = {"refused", "pictures"}
"""Of a receipt: what cannot be read of them is left out, and the rest holds."""
FREE = {"address", "cameras", "last_refused", "made", "name", "purpose", "reason"} | {
    "en",
    "field",
    "reference",
    "responsible_unit",
    "road_class",
    "state",
    "ticket",
    "unknown",
    "version",
    "zh",
}
"""Fields for people, in which a path or a space is just text."""
HOSTILE_TEXTS = {
    "NUL": "a\x00b",
    "escape": "\x1b[2J",
    "newline": "a\nb",
    "newline at the end": "a\n",
    "C1": "a\x9bb",
    "bidi": "a\u202eb",
    "isolate": "a\u2066b",
    "mark": "a\u200fb",
    "line separator": "a\u2028b",
    "half a character": "a\ud800b",
    "invisible tag": "a\U000e0041b",
    "without an end": "a" * 5_000,
}
HOSTILE_NAMES = HOSTILE_TEXTS | {
    "path": "../../etc/passwd",
    "absolute": "/etc/passwd",
    "wildcard": "#",
    "empty": "",
}
HOSTILE_NUMBERS = {
    "2^53": 2**53,
    "2^63": 2**63,
    "2^64": 2**64 - 1,
    "huge": 10**300,
    "far below": -(2**63),
    "1e300": 1e300,
    "infinite": math.inf,
    "infinite below": -math.inf,
    "no number": math.nan,
}


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found = [leaf for key, part in inner for leaf in leaves(part, (*place, key))]
    return found or [place]


def valued(document: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        document = document[step]
    return document


def replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    target = changed
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    return changed


def hostile_to(value: Any, place: tuple[Any, ...]) -> dict[str, Any]:
    if isinstance(value, bool) or value is None or value in ([], {}):
        return {}
    if isinstance(value, int | float):
        return HOSTILE_NUMBERS
    if place[-1] == "jws":
        return HOSTILE_NAMES | {"without an end": "a.b." + "c" * 2_000_000}
    return HOSTILE_TEXTS if FREE & set(place) else HOSTILE_NAMES


def shown() -> dict[str, tuple[Any, str, Any]]:
    """One of each kind of what travels: the document, its schema's name, its model."""
    found: dict[str, tuple[Any, str, Any]] = {}
    for path in sorted(EXAMPLES.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for event in document.get("events", []):
            model = next(each for each in EVENTS if event["type"] in types_of(each))
            found[event["type"]] = event, "event", model
        if "events" not in document:
            name = path.stem.partition("-")[0].replace("state", "device-state")
            found[path.stem] = document, name, MODELS[name]
    return found


def rules_for(name: str, model: Any) -> dict[str, Any]:
    """The schema of a document; of an event that of its own type."""
    if name != "event":
        return contract_schema(name)
    return {"$ref": f"#/$defs/{model.__name__}", "$defs": contract_schema("event")["$defs"]}


def types_of(event: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(event.model_fields["type"].annotation)


SHOWN = shown()


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHOWN)
def test_hostile_values_pass_neither_the_schema_nor_the_model(kind: str) -> None:
    document, name, model = SHOWN[kind]
    validator = jsonschema.Draft202012Validator(rules_for(name, model))
    adapter = TypeAdapter[Any](model)
    assert validator.is_valid(document)
    adapter.validate_json(json.dumps(document))
    tried = 0
    for place in leaves(document):
        for what, hostile in hostile_to(valued(document, place), place).items():
            changed = replaced(document, place, hostile)
            assert not validator.is_valid(changed), (place, what)
            tried += 1
            if kind.startswith("receipt") and place[0] in LEFT_OUT and len(place) > 1:
                read = adapter.validate_python(changed)
                assert len(getattr(read, str(place[0]))) < len(document[place[0]]), (place, what)
                continue
            with pytest.raises(ValidationError):
                adapter.validate_json(json.dumps(changed))
            with pytest.raises(ValidationError):
                adapter.validate_python(changed)
    assert tried > 10


@pytest.mark.parametrize("key", ["../x", "a\n", "", "x" * 65, "\x00"])
def test_the_keys_of_a_table_are_held_to_their_form_too(key: str) -> None:
    document = json.loads((EXAMPLES / "message-heartbeat.json").read_text(encoding="utf-8"))
    for table in ("cameras", "spent_today", "waiting", "views", "camera_health"):
        changed = copy.deepcopy(document)
        body = changed["events"][0]["body"]
        body[table][key] = next(iter(body[table].values()))
        assert not checker("message").is_valid(changed), table
        with pytest.raises(ValidationError):
            Message.model_validate_json(json.dumps(changed))


@pytest.mark.parametrize("time", [0, 1767225600, "1767225600", "2026-01-01", "2026-01-01T00:00:00"])
def test_a_time_is_a_text_with_its_offset(time: Any) -> None:
    document = json.loads((EXAMPLES / "message-live.json").read_text(encoding="utf-8"))
    document["events"][0]["occurred_at"] = time
    assert not checker("message").is_valid(document)
    with pytest.raises(ValidationError, match="ISO 8601"):
        Message.model_validate_json(json.dumps(document))


# ── what is made ─────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(st.characters(), max_size=30) | st.text(max_size=30).map(lambda text: text * 40)
FIGURES = st.floats() | st.integers() | st.sampled_from([10**400, -(10**400)])


def some_of(heartbeat: HeartbeatBody) -> st.SearchStrategy[dict[str, Any]]:
    return st.sets(st.sampled_from(sorted(HeartbeatBody.model_fields)), max_size=4).map(
        lambda names: {name: getattr(heartbeat, name) for name in names}
    )


def anything_for(kind: Any, metadata: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Whatever a field may be given where it is made: hostile where it is to be made to fit, else right."""
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        return anything_for(inner, (*more, *metadata))
    if any(isinstance(each, SomeFields) for each in metadata):
        return made(HeartbeatBody).flatmap(some_of)
    if (bounded := bounded_by(kind, metadata)) is not None:
        return bounded
    arguments = get_args(kind)
    match get_origin(kind):
        case typing.Literal:
            return st.sampled_from(arguments)
        case typing.Union | types.UnionType:
            return st.one_of([anything_for(each) for each in arguments])
        case builtins.tuple:
            return lists_of(arguments, metadata)
        case builtins.dict:
            key, value = (anything_for(each) for each in arguments)
            return st.dictionaries(key, value, max_size=3)
    return made(kind) if issubclass(kind, BaseModel) else PLAIN[kind]


ZONES = st.sampled_from([UTC, timezone(timedelta(hours=8))])
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    type(None): st.none(),
    AwareDatetime: st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=ZONES),  # noqa: DTZ001
}


def bounded_by(kind: Any, metadata: tuple[Any, ...]) -> st.SearchStrategy[Any] | None:
    for bound in metadata:
        if isinstance(bound, Text):
            return TEXTS
        if isinstance(bound, Within):
            return FIGURES
        if isinstance(bound, Whole):
            return st.integers() | st.just(10**400)
    flat = [part for bound in metadata for part in getattr(bound, "metadata", [bound])]
    rules = {name: value for part in flat for name, value in vars_of(part).items()}
    return held_to(kind, rules) if rules.keys() - {"most"} else None


def vars_of(part: Any) -> dict[str, Any]:
    names = ("pattern", "max_length", "min_length", "ge", "gt", "le")
    return {name: getattr(part, name) for name in names if getattr(part, name, None) is not None}


def held_to(kind: Any, rules: dict[str, Any]) -> st.SearchStrategy[Any] | None:
    if kind is str:
        return st.from_regex(rules["pattern"], fullmatch=True).filter(
            lambda text: len(text) <= rules["max_length"]
        )
    if kind is int:
        return st.integers(rules.get("ge", rules.get("gt", 0) + 1), rules["le"])
    if kind is float:
        return st.floats(rules["ge"], rules["le"])
    return lists_of(get_args(kind), (), least=rules["min_length"])


def lists_of(
    parts: tuple[Any, ...], metadata: tuple[Any, ...], least: int = 0
) -> st.SearchStrategy[Any]:
    if parts[-1] is not Ellipsis:
        return st.tuples(*(anything_for(part) for part in parts))
    few = st.lists(anything_for(parts[0]), min_size=least, max_size=2).map(tuple)
    most = max((each.most for each in metadata if isinstance(each, AtMost)), default=None)
    if most is None or most > MANY:
        return few
    return few | anything_for(parts[0]).map(lambda one: (one,) * (most + 1))


MANY = 100
_STRATEGIES: dict[type[BaseModel], st.SearchStrategy[Any]] = {}


def made(cls: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Any object of a class, made as the agent makes it."""
    if cls not in _STRATEGIES:
        _STRATEGIES[cls] = st.builds(
            cls,
            **{
                name: anything_for(field.annotation, tuple(field.metadata))
                for name, field in cls.model_fields.items()
                if not (field.get_default() is not None and get_origin(field.annotation) is Literal)
            },
        )
    return _STRATEGIES[cls]


BODIES: list[Any] = [event.model_fields["body"].annotation for event in EVENTS]
OF_ITSELF: dict[type[Wire], str] = {DeviceState: "device-state", Answer: "answer"}


@pytest.mark.slow
@pytest.mark.parametrize("cls", [*BODIES, DeviceState, Answer, base.ClockReading])
def test_whatever_the_device_meets_what_it_makes_can_be_read(cls: type[Wire]) -> None:
    rules = contract_schema(OF_ITSELF.get(cls, "event"))
    whole = rules if cls in OF_ITSELF else {"$ref": f"#/$defs/{cls.__name__}"}
    schema = jsonschema.Draft202012Validator({"$defs": rules.get("$defs", {})} | whole)

    @given(made(cls))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(one: Wire) -> None:
        text = one.model_dump_json()
        again = cls.model_validate_json(text)
        assert again.model_dump_json() == text
        schema.validate(json.loads(text, parse_constant=pytest.fail))

    holds()
