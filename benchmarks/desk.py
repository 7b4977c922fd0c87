"""Holds a platform's database against the devices' own, and the desk's five questions against drawn streets."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent.storage.outbox_queries import last_sequence
from agent.storage.paths import DATABASE
from agent.storage.state_table import load_state
from benchmarks.three_streets import CLEAR_AFTER_S, OPERATORS, SLA_S, TENANT, Episode, Street
from tests.support.desk_questions import QUESTIONS

NOTICED_S = 3.0
"""How much later than drawn the device may say something: pictures come five times a second."""
AT_ONCE_S = 6.0
"""How well the moment is known at which a street began, and was asked about."""
LAST_WORDS = 5
"""So many events of a device may still wait on it: what it said while it was ended."""
PERSISTS_S = 60.0
"""How old the last word of an open case may be."""
SAMPLED_S = 45.0
"""How well hours are known: sampled every 15 s; a camera that is covered is called dark some seconds later."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One figure, and whether it is as it should be."""

    what: str
    found: Any
    holds: bool
    drawn: Any = None

    @property
    def line(self) -> str:
        truth = "" if self.drawn is None else f" (drawn: {self.drawn})"
        return f"{'ok ' if self.holds else 'NOT'} {self.what}: {self.found}{truth}"


@dataclass(frozen=True, slots=True)
class Hour:
    """What was done, and where it lies.

    Attributes:
        platform: The platform's database.
        began_at: When all streets had begun.
        ended_at: When the questions are asked.
        midnight: When the devices' day was over.
        devices: Each street, when it began, and the folder of its device.
    """

    platform: Path
    began_at: datetime
    ended_at: datetime
    midnight: datetime
    devices: list[tuple[Street, datetime, Path]]

    def ask(self, query: str, **given: Any) -> list[dict[str, Any]]:
        """What a query of the platform's database gives."""
        with closing(sqlite3.connect(f"file:{self.platform}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(query, given)]


def judged_numbers(hour: Hour) -> list[Judged]:
    """Whether every number is there or named, and every event there once."""
    [counted] = hour.ask(
        "SELECT (SELECT count(*) FROM event) AS events, (SELECT count(*) FROM numbered) AS numbers,"
        " (SELECT count(DISTINCT event_id) FROM event) AS ids,"
        " (SELECT coalesce(sum(last - first + 1), 0) FROM lost) AS lost,"
        " (SELECT count(*) FROM refused) AS refused, (SELECT count(*) FROM conflict) AS conflicts,"
        " (SELECT count(*) FROM set_aside) AS set_aside, (SELECT count(*) FROM cloned) AS cloned,"
        " (SELECT count(*) FROM moved WHERE gone <> came) AS moved"
    )
    found = [
        Judged(
            "events on the platform, all of them once",
            counted["events"],
            counted["events"] == counted["ids"] > 0,
        ),
        Judged(
            "numbers there; named as lost; refused",
            (counted["numbers"], counted["lost"], counted["refused"]),
            counted["numbers"] >= counted["events"],
        ),
        *(Judged(name, counted[name], not counted[name]) for name in _NEVER),
    ]
    for street, _, folder in hour.devices:
        found += _device_numbers(hour, street.device, folder / "state" / DATABASE)
    return found


_NEVER = ("conflicts", "set_aside", "cloned", "moved")


def _device_numbers(hour: Hour, device: str, path: Path) -> list[Judged]:
    """One device's own database against what the platform has of it."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as own:
        epoch, through = load_state(own, "outbox.epoch"), last_sequence(own)
        accepted = {each for (each,) in own.execute("SELECT event_id FROM outbox")}
        accepted |= {each for (each,) in own.execute("SELECT event_id FROM kept")}
        waiting = {n for (n,) in own.execute("SELECT sequence FROM outbox WHERE arrived = 0")}
    of = {"device": device}
    there = {
        row["event_id"]
        for row in hour.ask("SELECT event_id FROM event WHERE device = :device", **of)
    }
    settled = {
        number
        for row in hour.ask("SELECT epoch, first, last FROM settled WHERE device = :device", **of)
        if row["epoch"] == epoch
        for number in range(row["first"], row["last"] + 1)
    }
    gaps = set(range(1, through + 1)) - settled
    others = "SELECT * FROM missing WHERE device = :device AND epoch <> :epoch AND why <> 'moved'"
    missing = hour.ask(others, epoch=epoch, **of)
    return [
        Judged(
            f"{device}: numbers given; neither there nor named; of these still waiting on the device",
            (through, len(gaps), len(gaps & waiting)),
            gaps <= waiting and len(gaps) <= LAST_WORDS and not missing,
        ),
        Judged(
            f"{device}: events that it has; of these not on the platform, and not waiting",
            (len(accepted), len(accepted - there) - len(gaps & waiting)),
            len(accepted - there) <= len(gaps & waiting),
        ),
    ]


def judged_questions(hour: Hour) -> list[Judged]:
    """The five questions, each answer against what was drawn."""
    given = {
        "from_s": hour.began_at.timestamp() - 60,
        "until_s": hour.ended_at.timestamp(),
        "now_s": hour.ended_at.timestamp(),
        # The devices' day that ended within the hour, in their own time zone.
        "from_day": "2000-01-01",
        "until_day": "2999-12-31",
    }
    answers = {name: hour.ask(query, **given) for name, query in QUESTIONS.items()}
    return [
        *_open_now(hour, answers["open_now"]),
        *_time_to_clear(hour, answers["time_to_clear"]),
        *_operator_minutes(hour, answers["operator_minutes"]),
        *_hot_spots(hour, answers["hot_spots"]),
        *_blind_cameras(hour, answers["blind_cameras"]),
    ]


def _open_now(hour: Hour, rows: list[dict[str, Any]]) -> list[Judged]:
    drawn = {}
    for street, began_at, _ in hour.devices:
        for episode in street.episodes:
            if episode.cleared_s is None:
                since = began_at + timedelta(seconds=episode.opened_s)
                because = "view_dark" if street.covered else None
                drawn[street.device] = (round((hour.ended_at - since).total_seconds()), because)
    found = {row["device"]: (row["open_for_s"], row["not_seen_because"]) for row in rows}
    holds = (
        len(rows) == len(drawn)
        and found.keys() == drawn.keys()
        and all(
            abs(found[name][0] - drawn[name][0]) <= AT_ONCE_S and found[name][1] == drawn[name][1]
            for name in drawn
        )
        and not any(row["unknown"] for row in rows)
    )
    return [Judged("open now, s", found, holds, drawn)]


def _ended(street: Street) -> list[Episode]:
    return [each for each in street.episodes if each.cleared_s is not None]


def _stood_s(episode: Episode) -> float:
    """How long its case is open, as drawn: until the place has been in order for as long as is asked."""
    assert episode.cleared_s is not None
    return episode.cleared_s + CLEAR_AFTER_S - episode.opened_s


def _time_to_clear(hour: Hour, rows: list[dict[str, Any]]) -> list[Judged]:
    found = {row["unit"]: row for row in rows}
    judged = []
    for street, _, _ in hour.devices:
        stood = [_stood_s(each) for each in _ended(street)]
        mean_s, longest_s = sum(stood) / len(stood), max(stood)
        row = found.pop(street.unit, None)
        within = [sum(each + late <= SLA_S for each in stood) for late in (NOTICED_S, -NOTICED_S)]
        told = None if row is None else tuple(row[name] for name in _CLEARED)
        holds = told is not None and (
            told[0] == len(stood)
            and abs(told[1] - mean_s) <= NOTICED_S
            and abs(told[2] - longest_s) <= NOTICED_S
            and within[0] <= told[3] <= within[1]
        )
        drawn = (len(stood), round(mean_s), round(longest_s), within[1])
        judged.append(
            Judged(f"{street.unit}: cleared, mean s, longest s, within SLA", told, holds, drawn)
        )
    return [*judged, Judged("units that nobody drew", list(found), not found)]


_CLEARED = ("cleared", "mean_s", "longest_s", "within_sla")


def _operator_minutes(hour: Hour, rows: list[dict[str, Any]]) -> list[Judged]:
    found = {row["operator"]: row for row in rows}
    judged = []
    for operator in sorted(set(OPERATORS.values())):
        count, seconds, slack_s = 0, 0.0, 0.0
        for street, began_at, _ in hour.devices:
            # What is still there was last seen when the street was covered, or a moment ago.
            now_s = (hour.ended_at - began_at).total_seconds()
            seen_s = street.covered[-1][0] if street.covered else now_s
            for bike in (bike for each in street.episodes for bike in each.bikes):
                if OPERATORS[bike.colour] == operator:
                    count += 1
                    seconds += (seen_s if bike.to_s is None else bike.to_s) - bike.from_s
                    slack_s += PERSISTS_S if bike.to_s is None and not street.covered else NOTICED_S
        row = found.pop(operator, None)
        told = None if row is None else (row["bikes"], row["minutes"])
        holds = told is not None and (
            told[0] == count and abs(told[1] - seconds / 60) <= slack_s / 60 + 0.5
        )
        drawn = (count, round(seconds / 60, 1))
        judged.append(Judged(f"operator {operator}: bikes, minutes", told, holds, drawn))
    return [
        *judged,
        Judged("operators that nobody drew", list(found), not found),
        *_camera_hours(hour, rows),
    ]


def _day_s(hour: Hour) -> dict[str, tuple[float, float]]:
    """Device → how long its camera could see on the day that ended, and how long it could not, as drawn."""
    drawn = {}
    for street, began_at, _ in hour.devices:
        day_s = (hour.midnight - began_at).total_seconds()
        blind_s = sum(max(0.0, min(end, day_s) - begin) for begin, end in street.covered)
        drawn[street.device] = (day_s - blind_s, blind_s)
    return drawn


def _camera_hours(hour: Hour, rows: list[dict[str, Any]]) -> list[Judged]:
    # The question rounds to whole hours, as a quarter's report does; the same sum, not rounded.
    [told] = hour.ask(
        "SELECT sum(sensing_s) / 3600 AS hours FROM zone_day WHERE kind = 'no_parking'"
    )
    drawn = sum(seeing_s for seeing_s, _ in _day_s(hour).values()) / 3600
    hours = told["hours"]
    holds = hours is not None and (
        abs(hours - drawn) <= len(hour.devices) * SAMPLED_S / 3600
        and all(row["camera_hours"] == round(hours) for row in rows)
    )
    return [
        Judged(
            "hours in which a camera could see",
            None if hours is None else round(hours, 2),
            holds,
            round(drawn, 2),
        )
    ]


def _hot_spots(hour: Hour, rows: list[dict[str, Any]]) -> list[Judged]:
    found = {row["place_id"]: row for row in rows}
    judged = []
    for street, began_at, _ in hour.devices:
        stood_s = sum(_stood_s(each) for each in _ended(street))
        slack_s = NOTICED_S * len(street.episodes)
        for each in street.episodes:
            if each.cleared_s is None:
                now_s = (hour.ended_at - began_at).total_seconds()
                seen_s = street.covered[-1][0] if street.covered else now_s
                stood_s += seen_s - each.opened_s
                slack_s += PERSISTS_S
        place = f"kerb-{street.device}"
        row = next((row for name, row in found.items() if name.endswith(place)), None)
        told = None if row is None else (row["cases"], row["stood_s"])
        holds = told is not None and (
            told[0] == len(street.episodes) and abs(told[1] - stood_s) <= slack_s
        )
        judged.append(
            Judged(f"{place}: cases, stood s", told, holds, (len(street.episodes), round(stood_s)))
        )
    return [*judged, Judged("places", len(rows), len(rows) == len(hour.devices))]


def _blind_cameras(hour: Hour, rows: list[dict[str, Any]]) -> list[Judged]:
    found = {(row["tenant"], row["device"], row["camera_id"]): row for row in rows}
    judged = []
    for street, _, _ in hour.devices:
        seeing_s, blind_s = _day_s(hour)[street.device]
        row = found.get((TENANT, street.device, "street"))
        told = row and (row["now_because"], row["not_seeing_s"], row["seeing_s"])
        because = "view_dark" if street.covered else None
        holds = bool(told) and (
            told[0] == because
            and None not in told[1:]
            and abs(told[1] - blind_s) <= SAMPLED_S
            and abs(told[2] - seeing_s) <= SAMPLED_S
        )
        drawn = (because, round(blind_s), round(seeing_s))
        judged.append(
            Judged(f"{street.device}: blind now, not seeing s, seeing s", told, holds, drawn)
        )
    return judged
