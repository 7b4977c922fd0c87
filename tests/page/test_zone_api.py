"""What the zones' page asks of the agent, and what becomes of what it should not ask."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.zone_unit import ZoneUnit, street_zones

pytestmark = pytest.mark.slow
PAVEMENT = street_zones()[0]
POST = "POST"


@pytest.fixture
def asked(unit: ZoneUnit) -> ZoneUnit:
    """A unit at which somebody has signed in."""
    if not unit.page.cookies:
        unit.page.sign_in()
    return unit


def test_what_is_wrong_with_a_draft_is_told_by_zone_and_key(asked: ZoneUnit) -> None:
    draft = [PAVEMENT | {"kind": "ring_road"}, PAVEMENT | {"zone_id": "b", "allowed_s": -1}]
    told = asked.page.ask("/api/check-draft", POST, {"zones": draft}).json()
    assert {(each["zone_id"], each["key"]) for each in told["faults"]} == {
        ("pavement", "kind"),
        ("b", "allowed_s"),
    }
    assert all(each["text"] for each in told["faults"])


def test_a_draft_that_is_refused_says_what_is_wrong_with_it(asked: ZoneUnit) -> None:
    draft = {"zones": [PAVEMENT | {"kind": "ring_road"}], "over": 0}
    [fault] = asked.page.ask("/api/apply", POST, draft).json()["error"]["faults"]
    assert "pavement" in fault["text"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/dry-run/zzzzzzzz", None, 400),
        ("/api/dry-run/00000000", None, 409),
        ("/api/confirm", {"number": 0}, 400),
        ("/api/confirm", {"number": 999}, 409),
        ("/api/revert", {"number": 999}, 409),
        ("/api/reanchor", {"camera_id": "street", "zones": [1]}, 400),
        ("/api/reanchor", {"camera_id": "nowhere", "zones": [PAVEMENT]}, 409),
        ("/api/apply", {"zones": [PAVEMENT]}, 400),
        ("/api/apply", {"zones": [PAVEMENT], "over": 77}, 409),
        ("/api/apply", {"zones": [PAVEMENT | {"kind": "ring_road"}], "over": 0}, 409),
        ("/api/apply", {"zones": [{}] * 65, "over": 0}, 400),
    ],
)
def test_what_should_not_be_asked_is_refused_in_words_and_changes_nothing(
    asked: ZoneUnit, path: str, body: Any, status: int
) -> None:
    answer = asked.page.ask(path) if body is None else asked.page.ask(path, POST, body)
    assert answer.status == status, answer.body
    assert set(answer.json()["error"]["text"]) == {"zh", "en"}
    assert asked.zones() == street_zones()
