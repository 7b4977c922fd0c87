"""Reading quickly is reading the same: the compiled schema against jsonschema, and numbers that are looked at only if need be."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kerbwatch_platform.contract import reading

from agent.protocol.examples import examples
from tests.support.hostile_messages import AMBIGUOUS, ANOTHERS, LIVE, NUMBERLESS, UNKNOWN
from tests.support.paths import ROOT

SLOW = jsonschema.Draft202012Validator(
    json.loads((ROOT / "contract/reader/event.schema.json").read_text(encoding="utf-8"))
)
EVENTS = {
    f"{name} {nth}": event
    for name, document in examples().items()
    if name.startswith("message-")
    for nth, event in enumerate(document["events"])
}


def held_against(event: dict[str, Any]) -> str | None:
    of = event.get("tenant"), event.get("device_id")
    return reading.code_against(event, *of)  # type: ignore[arg-type]


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_an_example_of_the_contract_is_valid_by_both(event: dict[str, Any]) -> None:
    assert SLOW.is_valid(event)
    assert held_against(event) is None


@pytest.mark.parametrize("text", [*AMBIGUOUS.values(), *ANOTHERS.values(), *UNKNOWN.values()])
def test_of_a_hostile_event_both_say_the_same(text: str) -> None:
    for event in json.loads(text)["events"]:
        if reading.number_of(event) and not has_no_number(event):
            assert (held_against(event) is None) == SLOW.is_valid(event)


def has_no_number(value: Any) -> bool:
    """Whether something in it is called a number and is none: no such event is ever validated."""
    if isinstance(value, dict | list):
        return any(map(has_no_number, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and not math.isfinite(value)


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        (0, 1, 1.0, -1, 2.0, 1e308, "", "open", "cleared", "a\n", "2026-01-01", "é", "长")
    )
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in an event with each key in it."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [each for key in keys for each in places(value[key])]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_of_an_event_that_somebody_changed_both_say_the_same(data: st.DataObject) -> None:
    event = copy.deepcopy(data.draw(st.sampled_from(tuple(EVENTS.values()))))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(event)))
        if isinstance(container, dict) and data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(_values)
    if "\\u0000" not in json.dumps(event):
        assert (held_against(event) is None) == SLOW.is_valid(event)


def slowly_unclear(text: str) -> bool:
    """Whether a number in it is too large, with each one looked at."""
    found = []

    def whole(digits: str) -> int:
        found.append(abs(int(digits)) > reading.LARGEST_NUMBER)
        return int(digits)

    def real(digits: str) -> float:
        found.append(not math.isfinite(float(digits)))
        return float(digits)

    json.loads(text, parse_int=whole, parse_float=real)
    return any(found)


@settings(max_examples=300)
@given(
    number=st.from_regex(
        r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?", fullmatch=True
    ),
    before=st.sampled_from(("", " ", "\n", "\t", "1,", '"e",', '{"a":1},')),
    encoding=st.sampled_from(("utf-8", "utf-16", "utf-32")),
)
@example(number="9007199254740992", before="", encoding="utf-8")
@example(number="-9007199254740992", before="", encoding="utf-16")
@example(number="1E400", before="\n", encoding="utf-8")
def test_no_number_is_too_large_unseen(number: str, before: str, encoding: str) -> None:
    text = f'{{"events": [{before}{number}]}}'
    _, unclear = reading.events_in(text.encode(encoding))
    assert unclear == slowly_unclear(text)


def test_the_numberless_are_told_apart_as_ever() -> None:
    events, unclear = reading.events_in(NUMBERLESS["2^63"].encode())
    assert unclear
    assert [reading.number_of(each) for each in events] == [None]
    assert reading.events_in(LIVE.encode())[1] is False
