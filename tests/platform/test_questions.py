"""The five questions of a desk, on both databases: over a recorded street, and over a day of known figures."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent.config import loading
from agent.runtime.replay import replay
from tests.support import red_bike_model, red_bike_site
from tests.support.desk_questions import QUESTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.platform_stores import Store

NOON = datetime.fromisoformat("2026-03-01T12:00:00+08:00")
DAY = {"from_day": "2026-03-01", "until_day": "2026-03-01"}
PERIOD = {"from_s": NOON.timestamp() - 43_200, "until_s": NOON.timestamp() + 43_200}


def ask(
    store: Store, question: str, *, now_min: float = 0, **others: float
) -> list[dict[str, Any]]:
    given: dict[str, str | float] = {**DAY, **PERIOD, "now_s": NOON.timestamp() + 60 * now_min}
    given |= others
    return store.run(QUESTIONS[question], **given)


def at(minute: float) -> str:
    return (NOON + timedelta(minutes=minute)).isoformat()


def tell(store: Store, type_: str, minute: float, body: dict[str, Any], **more: Any) -> None:
    device = more.get("device", "corner-1")
    raw = {"occurred_at": at(minute), "clock": {"boot_id": "b", "monotonic_s": 0}, "body": body}
    event_id = f"{type_}-{minute}-{body.get('case_id', '')}"
    store.insert(
        "event", ("city", device, event_id, type_, more.get("test", False), json.dumps(raw))
    )


def case(case_id: str, opened: float, cleared: float | None = None, **more: Any) -> dict[str, Any]:
    place = {"place_id": "kerb", "address": "示例路", "responsible_unit": "一队", "sla_s": 1200}
    body = {
        "case_id": case_id,
        "kind": "misparked_bike",
        "state": "open" if cleared is None else "cleared",
        "place": place | more.pop("place", {}),
        "opened_at": at(opened),
        "last_present_at": at(opened if cleared is None else cleared),
        "cleared_at": None if cleared is None else at(cleared),
    }
    return body | more


@pytest.fixture
def day(store: Store) -> Store:
    """Two cases cleared in 10 and 30 minutes, one that the verifier ended, one open, a test, one withdrawn."""
    tell(store, "case.opened", 0, case("a", 0))
    tell(store, "case.cleared", 10, case("a", 0, 10))
    tell(store, "case.cleared", 35, case("b", 5, 35))
    tell(store, "case.cleared", 37, case("c", 36, 37, reason={"ended_by": "verifier"}))
    tell(store, "case.opened", 20, case("d", 20, place={"place_id": "gate"}))
    tell(
        store,
        "case.abstained",
        25,
        case("d", 20, place={"place_id": "gate"}, abstention={"because": "view_dark"}),
    )
    tell(store, "case.opened", 1, case("e", 1), test=True)
    tell(
        store,
        "case.withdrawn",
        3,
        case("f", 2, state="withdrawn", withdrawn={"reason": "zone_gone"}),
    )
    return store


def test_every_question_of_the_file_is_asked_here() -> None:
    assert set(QUESTIONS) == {
        "open_now",
        "time_to_clear",
        "operator_minutes",
        "hot_spots",
        "blind_cameras",
    }


def test_open_now_is_what_nothing_has_ended(day: Store) -> None:
    [found] = ask(day, "open_now", now_min=50)
    assert (found["case_id"], found["open_for_s"]) == ("d", 1800)
    assert (found["not_seen_because"], bool(found["unknown"])) == ("view_dark", False)


def test_time_to_clear_counts_what_somebody_cleared(day: Store) -> None:
    [found] = ask(day, "time_to_clear")
    assert found == {
        "unit": "一队",
        "kind": "misparked_bike",
        "cleared": 2,
        "mean_s": 1200,
        "longest_s": 1800,
        "within_sla": 1,
        "with_sla": 2,
    }


def test_hot_spots_go_by_place_and_kind(day: Store) -> None:
    found = [(each["place_id"], each["cases"], each["stood_s"]) for each in ask(day, "hot_spots")]
    assert found == [("kerb", 3, 2460), ("gate", 1, 0)]


def test_operators_are_charged_for_each_bike_as_long_as_it_was_seen(store: Store) -> None:
    def bike(member: str, operator: str | None, since: float, **more: float) -> dict[str, Any]:
        times = {name: at(minute) for name, minute in more.items()}
        return {"member_id": member, "operator": operator, "since": at(since), **times}

    first = [bike("1", "blue", 0, last_present_at=5), bike("2", "green", 0, last_present_at=5)]
    tell(store, "case.opened", 5, case("a", 5, members=first))
    gone = [bike("2", "green", 0, until=8)]
    tell(store, "case.changed", 10, case("a", 5, members=[first[0]], left=gone))
    late = [bike("1", "blue", 0, last_present_at=30), bike("3", None, 20, last_present_at=30)]
    tell(store, "case.cleared", 31, case("a", 5, 30, members=late))
    zone = {
        "zone_id": "z",
        "zone_kind": "no_parking",
        "sensing_s": 5400,
        "abstained_s": 0,
        "blind_s": 0,
    }
    for minute, seconds in ((40, 5400), (41, 1800)):  # two reports of one day add up
        body = {
            "day": "2026-03-01",
            "zones": [zone | {"sensing_s": seconds}, zone | {"zone_kind": "bin"}],
        }
        tell(store, "device.summary", minute, body)
    found = {each["operator"]: each for each in ask(store, "operator_minutes")}
    assert {name: (each["bikes"], each["minutes"]) for name, each in found.items()} == {
        "blue": (1, 30),
        "unknown": (1, 10),
        "green": (1, 8),
    }
    assert {(each["camera_hours"]) for each in found.values()} == {2}
    assert found["blue"]["minutes_per_hour"] == 15


def test_blind_cameras_are_told_with_why_and_for_how_long(store: Store) -> None:
    names = ("good", "dark", "new")
    cameras = [{"camera_id": each, "width_px": None if each == "new" else 1920} for each in names]
    body = {"inventory_id": "i", "part": 1, "parts": 1, "cameras": cameras, "zones": []}
    tell(store, "device.inventory", 0, body)
    tell(store, "device.inventory", 0, body, device="corner-2")
    views = {"good": {"view": "good"}, "dark": {"view": "view_dark"}}
    tell(store, "device.heartbeat", 58, {"views": views})
    seen = {"zone_id": "z", "camera_id": "dark", "sensing_s": 100, "abstained_s": 20, "blind_s": 3}
    tell(store, "device.summary", 2, {"day": "2026-03-01", "zones": [seen]})
    found = [
        (each["device"], each["camera_id"], each["now_because"], each["not_seeing_s"])
        for each in ask(store, "blind_cameras", now_min=60)
    ]
    assert found == [
        ("corner-1", "dark", "view_dark", 23),
        ("corner-1", "good", None, None),
        ("corner-1", "new", "no_picture_yet", None),
        ("corner-2", "dark", "silent", None),
        ("corner-2", "good", "silent", None),
        ("corner-2", "new", "silent", None),
    ]


@pytest.mark.slow
def test_a_recorded_street_has_the_answers_that_its_recording_shows(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bike comes after one second, stands four and goes; after two it may not stand any longer."""
    red_bike_model.write_model(tmp_path / "models")
    red_bike_site.write_red_site(tmp_path / "site")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    configuration = loading.load(tmp_path / "site")
    lines = replay(configuration, base=tmp_path / "site").lines
    began = min(datetime.fromisoformat(json.loads(line)["occurred_at"]) for line in lines)
    now_s = began.timestamp() + 60
    given = {"from_s": now_s - 120, "until_s": now_s, "now_s": now_s}
    for line in lines:
        event = json.loads(line)
        row = (event["event_id"], event["type"], event["test"], line)
        store.insert("event", ("example", "red-corner", *row))
    body = json.loads(lines[-1])["body"]
    took_s = sum(
        sign * datetime.fromisoformat(body[name]).timestamp()
        for sign, name in ((1, "cleared_at"), (-1, "opened_at"))
    )
    assert ask(store, "open_now", **given) == []
    [cleared] = ask(store, "time_to_clear", **given)
    assert (cleared["kind"], cleared["cleared"]) == ("misparked_bike", 1)
    assert cleared["mean_s"] == pytest.approx(took_s, abs=0.6)
    [spot] = ask(store, "hot_spots", **given)
    assert (spot["cases"], spot["kind"]) == (1, "misparked_bike")
