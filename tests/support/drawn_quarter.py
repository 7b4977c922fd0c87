"""Weeks of drawn streets, as the events that devices would send, and as what was drawn: for figures to be held against.

Drawn on purpose: cases over midnight, over the year's end and still open; two cameras at one place; bikes that come
and go within a case; false alarms and duplicates; tests; withdrawn cases and some that the verifier took back; a
device whose clock was wrong by months until it was set; one that was taken down; days told in two parts, and one
not told at all; hours without a connection, dark views and cameras that stand still.
"""

from __future__ import annotations

import json
import random
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.paths import ROOT

TENANT = "drawn-city"
KINDS = {
    "no_parking": "misparked_bike",
    "no_vending": "street_vending",
    "bin": "overflowing_bin",
    "no_dumping": "exposed_rubbish",
    "bay": None,
}
UNITS = ("unit-a", "unit-b", None)
OPERATORS = ("blue", "green", "unknown", None)
S, MIN, H = 1000, 60_000, 3_600_000
_EXAMPLES = ROOT / "contract" / "examples"


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone of a device; ``first`` and ``last`` are the days that summaries name it on."""

    device: str
    zone_id: str
    place_id: str
    zone_kind: str
    unit: str | None
    first: str
    last: str
    watched_on: bool
    """Whether it is still drawn at the end."""

    @property
    def kind(self) -> str | None:
        return KINDS[self.zone_kind]


@dataclass(slots=True)
class Bike:
    """A member of a case."""

    operator: str | None
    since: int
    until: int


@dataclass(slots=True)
class Case:
    """What is drawn of a case; times in ms. ``ended``: cleared, taken_back, withdrawn or open."""

    zone: Zone
    case_id: str
    began: int
    opened: int
    present: int
    closed: int | None
    ended: str
    sla: int | None
    test: bool
    verdict: str | None
    bikes: list[Bike] = field(default_factory=list)


@dataclass(slots=True)
class Sign:
    """A sign of life; ``bad``: zones that abstain then, ``running``: whether the camera gives frames."""

    device: str
    at: int
    bad: frozenset[str]
    running: bool


@dataclass(slots=True)
class Drawn:
    """All of it.

    Attributes:
        events: Tenant, device, event; in no order.
        verdicts: Rows of the desk: tenant, device, case, verdict, when (ms).
        seen: Device, zone, day → ms.
        told_days: Device, zone → the days that were told of it.
        whole_days: Device and day, told in full.
        days: Day → its ends, ms.
        gone: Device → when it was taken down.
    """

    zone: ZoneInfo
    events: list[tuple[str, str, dict[str, Any]]]
    verdicts: list[tuple[str, str, str, str, int]]
    zones: list[Zone]
    cases: list[Case]
    signs: list[Sign]
    seen: dict[tuple[str, str, str], int]
    days: dict[str, tuple[int, int]]
    gone: dict[str, int]
    told_days: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    whole_days: set[tuple[str, str]] = field(default_factory=set)


def drawn(
    seed: int,
    first: date,
    days: int,
    *,
    devices: int = 3,
    time_zone: str = "Asia/Shanghai",
    signs: bool = True,
    cases_a_day: float = 1.5,
) -> Drawn:
    """Draw so many days."""
    return _Drawing(seed, first, days, ZoneInfo(time_zone), cases_a_day).all(devices, signs=signs)


def v7(ms: int, dice: random.Random) -> str:
    """An id as a device whose clock shows that moment makes it."""
    bits = (ms & (1 << 48) - 1) << 80 | 7 << 76 | dice.getrandbits(12) << 64
    text = f"{bits | 2 << 62 | dice.getrandbits(62):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _template(name: str, type_: str) -> dict[str, Any]:
    told = json.loads((_EXAMPLES / f"message-{name}.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = next(each for each in told["events"] if each["type"] == type_)
    return found


_TEMPLATES = {
    "case": _template("changed", "case.changed"),
    "device.summary": _template("summary", "device.summary"),
    "device.heartbeat": _template("heartbeat", "device.heartbeat"),
    "device.changes": _template("changes", "device.changes"),
    "device.clock": _template("clock", "device.clock"),
    "device.decommissioned": _template("service", "device.decommissioned"),
}


class _Drawing:
    def __init__(
        self, seed: int, first: date, days: int, zone: ZoneInfo, cases_a_day: float
    ) -> None:
        self.dice = random.Random(seed)
        self.zone, self.cases_a_day = zone, cases_a_day
        ends = [self._midnight(first + timedelta(days=n)) for n in range(days + 1)]
        self.days = {
            (first + timedelta(days=n)).isoformat(): (ends[n], ends[n + 1]) for n in range(days)
        }
        self.begin, self.end = ends[0], ends[-1]
        self.made = Drawn(zone, [], [], [], [], [], {}, self.days, {})
        self.sequence = 0
        self.wrong: dict[str, tuple[int, int]] = {}
        """Device → until when its clock was wrong, and by how much."""

    def _midnight(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) * 1000

    def all(self, devices: int, *, signs: bool) -> Drawn:
        names = list(self.days)
        for n in range(devices):
            device = f"drawn-{n}"
            if n % 3 == 1:
                self._set_clock(device)
            if n % 3 == 2:
                self.made.gone[device] = self.days[names[-3]][0] + 7 * H
                self.tell(
                    device,
                    "device.decommissioned",
                    self.made.gone[device],
                    {"at": self.iso(self.made.gone[device])},
                )
            zones = self._zones(device, n, names)
            self.made.zones += zones
            for day in names:
                self._summary(device, day, zones)
            for zone in zones:
                if zone.kind is not None:
                    self._cases(zone)
            if signs:
                self._signs(device, zones)
        self.dice.shuffle(self.made.events)
        return self.made

    # Telling -------------------------------------------------------------------------------------------

    def iso(self, ms: int, device: str = "") -> str:
        until, off = self.wrong.get(device, (0, 0))
        shown = ms - off if ms < until else ms
        text = datetime.fromtimestamp(shown // 1000, self.zone).isoformat()
        return f"{text[:19]}.{shown % 1000:03d}{text[19:]}"

    def tell(self, device: str, type_: str, at: int, body: dict[str, Any], **more: Any) -> str:
        event = deepcopy(_TEMPLATES["case" if type_.startswith("case.") else type_])
        until, off = self.wrong.get(device, (0, 0))
        early = at < until
        self.sequence += 1
        event |= {
            "event_id": v7(at - off if early else at, self.dice),
            "tenant": TENANT,
            "device_id": device,
            "sequence": self.sequence,
            "occurred_at": self.iso(at, device),
            "test": more.get("test", False),
            "type": type_,
        }
        event["clock"] |= {
            "state": "unsynchronised" if early else "synchronised",
            "boot_id": "boot-1",
            "monotonic_s": (at - self.begin) / 1000 + 40,
        }
        event["body"] |= body
        self.made.events.append((TENANT, device, event))
        return str(event["event_id"])

    def _set_clock(self, device: str) -> None:
        """Its clock was months back for two days and a half; the correction came twice, the first one rough."""
        until = self.begin + 60 * H
        self.wrong[device] = (until, 200 * 24 * H + 1234)
        for at, error in ((until, 3 * S), (until + 5 * MIN, 0)):
            zero = {"boot_id": "boot-1", "zero_at": self.iso(self.begin - 40 * S + error)}
            self.tell(device, "device.clock", at, zero)

    # Zones and days ------------------------------------------------------------------------------------

    def _zones(self, device: str, n: int, names: list[str]) -> list[Zone]:
        found = []
        for place, zone_kind in enumerate(KINDS):
            zone_id = f"{zone_kind}-{n}"
            # Two devices see one bin; a kerb is given to another unit on the way, under another place.
            place_id = "shared-bin" if zone_kind == "bin" and n < 2 else f"{device}.{zone_id}"
            unit = UNITS[(n + place) % 3]
            last = names[-4] if device in self.made.gone else names[-1]
            ends = device not in self.made.gone
            if zone_kind == "no_parking" and n == 0:
                moved = min(5, len(names) - 1)
                before = names[moved - 1]
                found += [
                    Zone(device, zone_id, "old-kerb", zone_kind, unit, names[0], before, False),
                    Zone(
                        device,
                        zone_id,
                        "new-kerb",
                        zone_kind,
                        "unit-b",
                        names[moved],
                        names[-1],
                        True,
                    ),
                ]
            else:
                found.append(Zone(device, zone_id, place_id, zone_kind, unit, names[0], last, ends))
        return found

    def _summary(self, device: str, day: str, zones: list[Zone]) -> None:
        here = [zone for zone in zones if zone.first <= day <= zone.last]
        begin, end = self.days[day]
        untold = [day] == list(self.days)[1:2] and device.endswith("0")
        if not here or untold:
            return
        parts = 2 if self.dice.random() < 0.15 else 1
        for zone in here:
            self.made.told_days.setdefault((device, zone.zone_id), []).append(day)
        if parts == 1:
            self.made.whole_days.add((device, day))
        for part in range(parts):
            lines: list[dict[str, Any]] = []
            for zone in here:
                most = (end - begin) // parts
                seen = most if self.dice.random() < 0.5 else self.dice.randrange(most // 100) * 100
                key = (device, zone.zone_id, day)
                self.made.seen[key] = self.made.seen.get(key, 0) + seen
                lines.append(
                    {
                        "zone_id": zone.zone_id,
                        "camera_id": "street",
                        "zone_kind": zone.zone_kind,
                        "place_id": zone.place_id,
                        "responsible_unit": None if zone.unit is None else f"名{zone.unit}",
                        "responsible_unit_id": zone.unit,
                        "sensing_s": seen / 1000,
                        "abstained_s": (most - seen) / 1000,
                        "blind_s": 0.0,
                        "cases": [],
                    }
                )
            body = {"day": day, "zones": lines, "complete": parts == 1, "open_cases": []}
            # It is told after the day; the clock that was wrong names the right day all the same in this drawing.
            self.tell(device, "device.summary", max(end, self._set(device)) + (part + 1) * S, body)

    def _set(self, device: str) -> int:
        return self.wrong.get(device, (0, 0))[0]

    # Cases ---------------------------------------------------------------------------------------------

    def _cases(self, zone: Zone) -> None:
        at = self.days[zone.first][0] + self.dice.randrange(6 * H)
        until = self.days[zone.last][1]
        while True:
            at += int(self.dice.expovariate(self.cases_a_day) * 24 * H) + 5 * MIN
            if at >= until - H:
                return
            case = self._case(zone, at)
            self.made.cases.append(case)
            self._told(case)
            at = max(case.present, case.opened, case.closed or 0)

    def _case(self, zone: Zone, began: int) -> Case:
        dice = self.dice
        opened = began + 180 * S + dice.randrange(90) * S
        stood = int(dice.expovariate(1 / (3 * H))) + dice.randrange(1000)
        if dice.random() < 0.06:
            stood += 30 * H
        present = min(opened + stood, self.end)
        ended = dice.choices(("cleared", "taken_back", "withdrawn", "open"), weights=(80, 6, 6, 8))[
            0
        ]
        closed = None if ended == "open" else present + dice.randrange(1, 200) * S
        verdict = dice.choices((None, "valid", "false", "duplicate"), weights=(40, 40, 12, 8))[0]
        return Case(
            zone,
            v7(opened, dice),
            began,
            opened,
            present,
            closed,
            ended,
            dice.choice((7200 * S, None, 3600 * S)),
            dice.random() < 0.05,
            verdict,
            self._bikes(began, opened, present) if zone.zone_kind == "no_parking" else [],
        )

    def _bikes(self, began: int, opened: int, present: int) -> list[Bike]:
        """The first stands all the time; others come and go."""
        bikes = [Bike(self.dice.choice(OPERATORS), began, present)]
        for _ in range(self.dice.randrange(4)):
            since = self.dice.randrange(opened, max(opened + 1, present))
            until = present if self.dice.random() < 0.4 else self.dice.randrange(since, present + 1)
            bikes.append(Bike(self.dice.choice(OPERATORS), since, until))
        return bikes

    def _told(self, case: Case) -> None:
        # Of each moment at which something came or went; then the end.
        self._say(case, "case.opened", case.opened, case.opened)
        gone: list[int] = []
        for n, bike in sorted(enumerate(case.bikes), key=lambda pair: pair[1].until):
            if bike.until < case.present:
                at = bike.until + 7 * S
                gone.append(n)
                self._say(case, "case.changed", at, at, left=[n], gone=gone)
        if case.closed is None:
            self._say(case, "case.persisting", case.present + S, case.present, gone=gone)
        else:
            type_ = "case.withdrawn" if case.ended == "withdrawn" else "case.cleared"
            self._say(case, type_, case.closed, case.present, gone=gone, over=True)
        self._judged(case, gone)

    def _judged(self, case: Case, gone: list[int]) -> None:
        if case.verdict is None:
            return
        at = (case.closed or case.present) + H
        way = self.dice.randrange(3)
        over = case.closed is not None
        if way < 2:  # by the desk, which had thought otherwise before
            other = "valid" if case.verdict == "false" else "false"
            for verdict, when in ((other, at), (case.verdict, at + H)):
                self.made.verdicts.append((TENANT, case.zone.device, case.case_id, verdict, when))
        if way > 0:  # confirmed by the device
            told = case.verdict if way == 2 else "valid"
            self._say(
                case, "case.judged", at + 2 * H, case.present, gone=gone, over=over, verdict=told
            )

    def _say(self, case: Case, type_: str, at: int, present: int, **more: Any) -> None:
        zone, over = case.zone, more.get("over", False)
        gone = more.get("gone", [])
        state = "open" if not over else "withdrawn" if case.ended == "withdrawn" else "cleared"
        place = deepcopy(_TEMPLATES["case"]["body"]["place"]) | {
            "zone_id": zone.zone_id,
            "place_id": zone.place_id,
            "responsible_unit": None if zone.unit is None else f"名{zone.unit}",
            "responsible_unit_id": zone.unit,
            "sla_s": None if case.sla is None else case.sla / 1000,
        }
        device = zone.device
        here = [n for n, bike in enumerate(case.bikes) if n not in gone and bike.since <= at]
        body: dict[str, Any] = {
            "case_id": case.case_id,
            "kind": zone.kind,
            "state": state,
            "place": place,
            "began_at": self._iso_at(case.began, at, device),
            "opened_at": self._iso_at(case.opened, at, device),
            "last_present_at": self._iso_at(present, at, device),
            "cleared_at": self._iso_at(at, at, device) if over and state == "cleared" else None,
            "reason": {"ended_by": "verifier"} if over and case.ended == "taken_back" else {},
            "withdrawn": None,
            "verdict": None,
            "count": len(here),
            "members": [self._thing(case, n, at, present, left=False) for n in here],
            "left": [self._thing(case, n, at, present, left=True) for n in more.get("left", [])],
        }
        if type_ == "case.judged":
            # The case as it was told last: its end is when it ended.
            body["cleared_at"] = (
                self._iso_at(case.closed, at, device)
                if case.closed is not None and state == "cleared"
                else None
            )
            body["verdict"] = {
                "verdict": more["verdict"],
                "duplicate_of": None,
                "reference": "r",
                "at": self._iso_at(at, at, device),
                "key": "k" * 43,
            }
        if state == "withdrawn" and case.closed is not None:
            body["withdrawn"] = {
                "reason": "zone_changed",
                "at": self._iso_at(case.closed, at, device),
            }
        self.tell(device, type_, at, body, test=case.test)

    def _iso_at(self, ms: int, told_at: int, device: str) -> str:
        """A moment as the clock has it when the event is made: what came before is moved along with it."""
        until, off = self.wrong.get(device, (0, 0))
        return self.iso(ms - off if told_at < until else ms)

    def _thing(self, case: Case, n: int, at: int, present: int, *, left: bool) -> dict[str, Any]:
        bike, device = case.bikes[n], case.zone.device
        seen = bike.until if left else min(bike.until, present)
        told = {
            "member_id": str(n),
            "label": "bicycle",
            "box": {"left": 0.4, "top": 0.5, "right": 0.5, "bottom": 0.7},
            "since": self._iso_at(bike.since, at, device),
            "last_present_at": self._iso_at(seen, at, device),
            "operator": bike.operator,
            "plate": "plate_unreadable",
        }
        return told | ({"until": self._iso_at(bike.until, at, device)} if left else {})

    # Signs of life -------------------------------------------------------------------------------------

    def _signs(self, device: str, zones: list[Zone]) -> None:
        at, names = self.begin + self.dice.randrange(10 * MIN), sorted({z.zone_id for z in zones})
        full, told = "", (frozenset[str](), True)
        while at < self.made.gone.get(device, self.end):
            bad = frozenset(name for name in names if self.dice.random() < 0.1)
            running = self.dice.random() > 0.03
            fresh = not full or self.dice.random() < 0.2
            # What changed is in the news; what did not is as the full one told it.
            same = not fresh and self.dice.random() < 0.5
            if same:
                bad, running = told
            self.made.signs.append(Sign(device, at, bad, running))
            full, told = self._sign(
                device, at, (bad, running), full if not fresh else "", told, same
            )
            at += self.dice.choice((1, 3, 8, 10, 11)) * MIN + self.dice.randrange(MIN)
            if self.dice.random() < 0.01:
                at += self.dice.randrange(5 * H)

    def _sign(
        self,
        device: str,
        at: int,
        state: tuple[frozenset[str], bool],
        full: str,
        told: tuple[frozenset[str], bool],
        same: bool,
    ) -> tuple[str, tuple[frozenset[str], bool]]:
        bad, running = state
        views = {
            "street": {
                "view": "good",
                "for_s": 1.0,
                "commissioned": True,
                "abstaining": dict.fromkeys(sorted(bad), "view_dark"),
            }
        }
        cameras = {"street": "running" if running else "stopped"}
        if full:
            changed = {} if same else {"views": views, "cameras": cameras}
            self.tell(device, "device.changes", at, {"of": full, "changed": changed})
            return full, told
        body = {"views": views, "cameras": cameras}
        return self.tell(device, "device.heartbeat", at, body), state
