"""What happens at one corner: cases that open, change and end, the days' summaries, and how the device is.

Everything is drawn; what happens follows from the seed and the device's number. The bodies are the contract's own
models: nothing can be drawn that the contract does not know.
"""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from agent.domain.scene import Case
from agent.protocol.base import ClockReading
from agent.protocol.case import CaseBody, Departed, Fraction, Thing
from agent.protocol.event_codes import STANDARD, event_code
from agent.protocol.events import Draft
from agent.protocol.field_examples import sha256_of
from agent.protocol.heartbeat import HeartbeatBody
from agent.protocol.place import Place
from agent.protocol.summary import DeviceDay, KindDay, SummaryBody, ZoneDay

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from agent.domain.case_lifecycle import ChangeType
    from agent.domain.ids import Ids
    from agent.telemetry.gauges import GaugeTable
    from drivers.clock import Clock

CONFIGURATION_SHA256 = sha256_of("simulated corner")
TIMEZONE = "Asia/Shanghai"
KINDS = {
    "kerb": ("misparked_bike", "no_parking", "bicycle"),
    "gate": ("street_vending", "no_vending", "stall"),
    "bin": ("overflowing_bin", "bin", "bin"),
    "verge": ("exposed_rubbish", "no_dumping", "rubbish"),
}
"""Zone → the kind of its cases, its own kind, and what stands there."""
_ALLOWED_S = 180.0
_DAY = timedelta(days=1)


@dataclass(slots=True)
class _Standing:
    """What stands in a zone."""

    case: Case
    began_at: datetime
    opened_at: datetime
    things: list[Thing]
    count: int


@dataclass(slots=True)
class _Tally:
    """A zone since the last summary."""

    opened: int = 0
    cleared: int = 0
    stood_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Happened:
    """Something for the outbox; a case's row goes with its event."""

    draft: Draft
    case: Case | None = None


@dataclass(slots=True)
class Corner:
    """One corner; for one thread.

    Attributes:
        device_id: Whose corner it is.
        seed: What happens follows from it.
        clock: Of the device.
        ids: Where ids come from; no two runs have the same.
    """

    device_id: str
    seed: str
    clock: Clock
    ids: Ids
    _die: random.Random = field(init=False)
    _standing: dict[str, _Standing] = field(init=False, default_factory=dict)
    _tallies: dict[str, _Tally] = field(init=False)
    _warmth_c: float = field(init=False)

    def __post_init__(self) -> None:
        self._die = random.Random(self.seed)  # noqa: S311  a simulation
        self._tallies = {zone: _Tally() for zone in KINDS}
        self._warmth_c = self._die.uniform(42, 58)

    def go_on_with(self, cases: Iterable[Case]) -> None:
        """Take up what an earlier run left open."""
        at, now_s = self.clock.now(), self.clock.monotonic_s()
        for case in cases:
            began_at = at - timedelta(seconds=max(0.0, now_s - case.began_s))
            opened_at = max(began_at, at - timedelta(seconds=max(0.0, now_s - case.opened_s)))
            self._standing[case.zone_id] = _Standing(case, began_at, opened_at, [], 0)

    def pause_h(self, rate_per_h: float) -> float:
        """Hours until something happens again."""
        return self._die.expovariate(rate_per_h)

    def begin_of_day_s(self) -> float:
        """When in the device's life its first midnight is, in seconds."""
        return self._die.uniform(0, _DAY.total_seconds())

    def happen(self) -> Happened:
        """Let something happen: a case opens, or one that is open changes, lasts or ends."""
        zone = self._die.choice(list(KINDS))
        there = self._standing.get(zone)
        at = self.clock.now()
        if there is None:
            return self._open(zone, at)
        chance = self._die.random()
        if chance < 0.5:
            return self._clear(zone, there, at)
        return self._change(zone, there, at) if chance < 0.75 else self._persist(zone, there, at)

    def _open(self, zone: str, at: datetime) -> Happened:
        kind, _, label = KINDS[zone]
        began_at = at - timedelta(seconds=_ALLOWED_S + self._die.uniform(0, 2))
        now_s = self.clock.monotonic_s()
        case = Case(
            case_id=self.ids.new(at),
            kind=kind,
            zone_id=zone,
            place_id=f"{self.device_id}.{zone}",
            camera_id="street",
            state="open",
            began_s=max(0.0, now_s - _ALLOWED_S),
            opened_s=now_s,
            last_present_s=now_s,
            last_reported_s=now_s,
            members=(),
            confidence=round(self._die.uniform(0.6, 0.98), 2),
        )
        things = [self._thing(n, label, began_at, at) for n in range(self._die.randint(1, 4))]
        there = _Standing(case, began_at, at, things, len(things))
        self._standing[zone] = there
        self._tallies[zone].opened += 1
        return self._told("case.opened", zone, there, at)

    def _change(self, zone: str, there: _Standing, at: datetime) -> Happened:
        """Another one came, and the oldest may have gone."""
        left: tuple[Departed, ...] = ()
        if len(there.things) > 1 and self._die.random() < 0.5:
            gone = there.things.pop(0)
            left = (Departed(**{**dict(gone), "last_present_at": at, "until": at}),)
        there.things.append(self._thing(there.count, KINDS[zone][2], at, at))
        there.count += 1
        return self._told("case.changed", zone, there, at, left)

    def _persist(self, zone: str, there: _Standing, at: datetime) -> Happened:
        return self._told("case.persisting", zone, there, at)

    def _clear(self, zone: str, there: _Standing, at: datetime) -> Happened:
        del self._standing[zone]
        there.case = dataclasses.replace(
            there.case, state="cleared", cleared_s=self.clock.monotonic_s()
        )
        tally = self._tallies[zone]
        tally.cleared += 1
        tally.stood_s += (at - there.began_at).total_seconds()
        return self._told("case.cleared", zone, there, at)

    def _thing(self, number: int, label: str, since: datetime, at: datetime) -> Thing:
        left, top = self._die.uniform(0.05, 0.8), self._die.uniform(0.3, 0.7)
        is_bike = label == "bicycle"
        return Thing(
            member_id=str(number + 1),
            label=label,
            box=Fraction(
                left=round(left, 3),
                top=round(top, 3),
                right=round(left + 0.09, 3),
                bottom=round(top + 0.16, 3),
            ),
            since=since,
            last_present_at=at,
            operator="unknown" if is_bike else None,
            plate="plate_unreadable" if is_bike else None,
        )

    def _told(
        self,
        type_: ChangeType,
        zone: str,
        there: _Standing,
        at: datetime,
        left: tuple[Departed, ...] = (),
    ) -> Happened:
        is_over = there.case.state == "cleared"
        body = CaseBody(
            case_id=there.case.case_id,
            kind=there.case.kind,
            state="cleared" if is_over else "open",
            code=event_code(STANDARD, there.case.kind),
            place=self._place(zone),
            began_at=there.began_at,
            opened_at=there.opened_at,
            last_present_at=at,
            cleared_at=at if is_over else None,
            dwell_s=(at - there.began_at).total_seconds(),
            allowed_s=_ALLOWED_S,
            count=len(there.things),
            members=tuple(there.things),
            left=left,
            confidence=there.case.confidence,
            reason={"simulated": True},
            configuration_sha256=CONFIGURATION_SHA256,
        )
        draft = Draft(
            event_id=self.ids.new(at),
            type=type_,
            occurred_at=at,
            clock=ClockReading.of(self.clock),
            body=body,
        )
        return Happened(draft, there.case)

    def _place(self, zone: str) -> Place:
        return Place(
            place_id=f"{self.device_id}.{zone}",
            zone_id=zone,
            camera_id="street",
            address=f"模拟路口 {self.device_id}",
            responsible_unit="模拟单位",
            responsible_unit_id=f"unit-{int(self.device_id.rpartition('-')[2]) % 20}",
            sla_s=7200.0,
        )

    def summary(self) -> Happened:
        """A day is over: what was told since the last one."""
        at = self.clock.now()
        zones = tuple(self._zone_day(zone) for zone in KINDS)
        self._tallies = {zone: _Tally() for zone in KINDS}
        body = SummaryBody(
            day=(at - _DAY).date().isoformat(),
            timezone=TIMEZONE,
            complete=False,
            configuration_sha256=CONFIGURATION_SHA256,
            zones=zones,
            device=DeviceDay(
                uptime_s=_DAY.total_seconds(),
                unsynchronised_s=0.0,
                began_after={},
                lost=0,
                temperature_c_max=round(self._warmth_c + 6, 1),
                throttled_s=None,
                under_voltage_s=None,
                waiting_rows_max=None,
                waiting_s_max=None,
                written_bytes=None,
            ),
            open_cases=tuple(there.case.case_id for there in self._standing.values()),
        )
        return Happened(Draft.of_device(body, self.clock, self.ids))

    def _zone_day(self, zone: str) -> ZoneDay:
        kind, zone_kind, _ = KINDS[zone]
        tally, blind_s = self._tallies[zone], round(self._die.uniform(0, 600), 1)
        place = self._place(zone)
        day = KindDay(
            kind=kind,
            code=event_code(STANDARD, kind),
            opened=tally.opened,
            cleared=tally.cleared,
            abstained=0,
            stood_s=tally.stood_s,
        )
        return ZoneDay(
            zone_id=zone,
            camera_id="street",
            zone_kind=zone_kind,
            place_id=place.place_id,
            responsible_unit=place.responsible_unit,
            responsible_unit_id=place.responsible_unit_id,
            sensing_s=_DAY.total_seconds() - blind_s,
            abstained_s=0.0,
            blind_s=blind_s,
            cases=(day,),
        )

    def gauges(self, **measured: Any) -> GaugeTable:
        """How the device is, but for what is measured of its outbox and its uplink.

        Args:
            measured: A function for each field that is.
        """
        began_s = self.clock.monotonic_s()

        def lived_s() -> float:
            return max(0.0, self.clock.monotonic_s() - began_s)

        drawn: dict[str, Any] = {
            "uptime_s": lived_s,
            "cameras": lambda: {"street": "running"},
            "frames": lambda: int(5 * lived_s()),
            "frames_dropped": lambda: 0,
            "inferences": lambda: int(lived_s() / 2),
            "open_cases": lambda: len(self._standing),
            "temperature_c": self._temperature_c,
            "disk_free_bytes": lambda: 12_000_000_000,
            "memory_rss_bytes": lambda: 200_000_000 + self._die.randrange(4_000_000),
            "agent_version": lambda: version("kerbwatch"),
            "configuration_sha256": lambda: CONFIGURATION_SHA256,
        }
        nothing = {
            name: lambda told=told: told.get_default(call_default_factory=True)
            for name, told in HeartbeatBody.model_fields.items()
            if not told.is_required()
        }
        return nothing | drawn | measured

    def _temperature_c(self) -> float:
        hour = self.clock.monotonic_s() / 3600
        return round(
            self._warmth_c + 5 * math.sin(hour / 24 * 2 * math.pi) + self._die.gauss(0, 0.8), 1
        )
