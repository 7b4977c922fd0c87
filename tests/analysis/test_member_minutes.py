"""How long each operator's bikes stood misparked can be summed from the events alone."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from agent.config.loading import from_tables
from agent.protocol.events import CaseEvent
from agent.runtime.replay import replay
from tests.support.coloured_bikes_model import BLUE, GREEN, RED, write_coloured_bikes_model
from tests.support.sites import Table, drawn_camera, red_thing, site_of, zone

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from agent.config.schema import Configuration
    from agent.protocol.events import Event

TRUTH = {"one": (48 - 2) + (100 - 55), "other": 80 - 12}
"""Operator → seconds of its bikes, as they are drawn below."""


@pytest.fixture(autouse=True)
def coloured_bikes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_coloured_bikes_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))


def bike(colour: str, left: float, from_s: float, to_s: float) -> Table:
    return red_thing(left=left, from_s=from_s, to_s=to_s) | {"colour": colour, "width": 0.12}


def kerb(change_every_s: float) -> Configuration:
    """A red bike, a green one beside it, and a blue one after the red one has gone."""
    bikes = [bike(RED, 0.15, 2, 48), bike(GREEN, 0.45, 12, 80), bike(BLUE, 0.75, 55, 100)]
    return from_tables(
        site_of(
            cameras=[drawn_camera(seconds=115, frames_per_s=5, things=bikes)],
            analysis={"change_every_s": change_every_s},
            operators=[
                {"name": "one", "colours": [RED, BLUE]},
                {"name": "other", "colours": [GREEN]},
            ],
            scenarios={"misparked_bikes": {"allowed_s": 4, "clear_after_s": 1}},
            zones=[zone()],
        )
    )


def seconds_by_operator(events: Iterable[Event]) -> dict[str, float]:
    """What a platform reckons: of each member the newest that was said of it, and `until` where it has gone."""
    stays: dict[tuple[str, str], tuple[str, datetime, datetime]] = {}
    for event in events:
        assert isinstance(event, CaseEvent)
        body = event.body
        for member in body.members:
            assert member.last_present_at is not None
            stays[body.case_id, member.member_id] = (
                member.operator or "?",
                member.since,
                member.last_present_at,
            )
        for gone in body.left:
            stays[body.case_id, gone.member_id] = (gone.operator or "?", gone.since, gone.until)
    found: dict[str, float] = defaultdict(float)
    for operator, since, until in stays.values():
        found[operator] += (until - since).total_seconds()
    return dict(found)


@pytest.mark.parametrize("change_every_s", [10, 1000], ids=["told soon", "told at the end"])
def test_minutes_of_each_operator_add_up(tmp_path: Path, change_every_s: float) -> None:
    events = replay(kerb(change_every_s), base=tmp_path).events
    assert seconds_by_operator(events) == pytest.approx(TRUTH, abs=1)
    types = [event.type for event in events]
    assert (types[0], types[-1]) == ("case.opened", "case.cleared"), "one case, for it is one place"
    assert types.count("case.opened") == 1
    changes = [event for event in events if event.type == "case.changed"]
    assert len(changes) == (0 if change_every_s == 1000 else len(types) - 2)
    assert len(changes) <= 115 / change_every_s
    for before, after in itertools.pairwise(changes):
        assert (after.occurred_at - before.occurred_at).total_seconds() >= change_every_s


def test_minutes_add_up_over_a_restart(tmp_path: Path) -> None:
    state, site = tmp_path / "state", kerb(10)
    events = replay(site, base=tmp_path, state=state, until_s=60).events
    events += replay(site, base=tmp_path, state=state, from_s=60).events
    assert seconds_by_operator(events) == pytest.approx(TRUTH, abs=1)
    assert [event.type for event in events].count("case.opened") == 1
