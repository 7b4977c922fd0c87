"""What the tests draw is what devices may send."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

import jsonschema_rs

from tests.support.drawn_quarter import drawn
from tests.support.paths import ROOT

SCHEMA = ROOT / "contract" / "reader" / "event.schema.json"


def test_drawn_events_are_events_of_the_contract() -> None:
    schema = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")))
    made = drawn(7, date(2026, 12, 22), 14, cases_a_day=2.5)
    faults = [str(error) for _, _, event in made.events for error in schema.iter_errors(event)]
    assert faults == []
    assert len({event["event_id"] for _, _, event in made.events}) == len(made.events)


def test_every_odd_thing_is_drawn() -> None:
    made = drawn(7, date(2026, 12, 22), 14, cases_a_day=2.5)
    ended = Counter(case.ended for case in made.cases)
    assert ended.keys() == {"cleared", "taken_back", "withdrawn", "open"}
    assert {case.verdict for case in made.cases} == {None, "valid", "false", "duplicate"}
    new_year = made.days["2027-01-01"][0]
    over = [case for case in made.cases if case.began < new_year < case.present]
    assert over
    assert any(case.test for case in made.cases)
    assert {bike.operator for case in made.cases for bike in case.bikes} >= {"unknown", None}
    types = {event["type"] for _, _, event in made.events}
    assert {"device.clock", "device.decommissioned", "device.changes", "case.judged"} <= types
