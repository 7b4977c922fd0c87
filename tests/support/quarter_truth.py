"""What the figures of drawn weeks must be, from what was drawn and by loops alone: no SQL, nothing of the package."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.support.drawn_quarter import MIN, Case, Drawn, H, Sign, Zone

if TYPE_CHECKING:
    from collections.abc import Iterator

Counts = dict[tuple[str | int | None, ...], list[int]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A period: its days, in order, and the moment as of which it is asked."""

    made: Drawn
    days: list[str]
    now: int
    within_days: int = 7

    @property
    def begin(self) -> int:
        return self.made.days[self.days[0]][0]

    @property
    def end(self) -> int:
        return self.made.days[self.days[-1]][1]

    def within(self, moment: int | None) -> bool:
        return moment is not None and self.begin <= moment < self.end

    def cut(self, since: int, until: int) -> int:
        return overlap(since, until, self.begin, self.end)

    def counted(self, *kinds: str) -> list[Case]:
        return [
            case
            for case in self.made.cases
            if not case.test
            and case.verdict not in {"false", "duplicate"}
            and (not kinds or case.zone.kind in kinds)
        ]

    def told_days(self, zone: Zone) -> list[str]:
        """The days that summaries tell of a zone as it is drawn here."""
        told = self.made.told_days[zone.device, zone.zone_id]
        return [day for day in told if zone.first <= day <= zone.last]

    def drawn_on(self, zone: Zone, day: str) -> bool:
        """Whether it was to be watched: from the first day that was told in full, to its last or on and on."""
        told = self.told_days(zone)
        whole = [each for each in told if (zone.device, each) in self.made.whole_days]
        return day >= min(whole or told) and (day <= max(told) or self.is_newest(zone))

    def is_newest(self, zone: Zone) -> bool:
        """Whether its device's newest summary names it."""
        newest = max(
            max(days) for (device, _), days in self.made.told_days.items() if device == zone.device
        )
        return max(self.told_days(zone)) == newest

    def drawn_days(self, zone: Zone) -> list[str]:
        """Days of the period that are over, on which a zone was to be watched."""
        found = []
        for day in self.days:
            end = self.made.days[day][1]
            gone = self.made.gone.get(zone.device, end) < end and day > max(self.told_days(zone))
            if self.drawn_on(zone, day) and not gone and end <= self.now:
                found.append(day)
        return found

    def seen(self, zone: Zone, day: str) -> int:
        if not zone.first <= day <= zone.last:
            return 0
        return self.made.seen.get((zone.device, zone.zone_id, day), 0)


def overlap(since: int, until: int, begin: int, end: int) -> int:
    return max(0, min(until, end) - max(since, begin))


def hours_of(asked: Asked, *kinds: str | None) -> Iterator[tuple[Zone, str, int, int]]:
    """Zone, day, seen and asked ms, of each zone and day with either."""
    for zone in asked.made.zones:
        if zone.kind in kinds:
            watched = asked.drawn_days(zone)
            for day in asked.days:
                begin, end = asked.made.days[day]
                seen = asked.seen(zone, day)
                if seen or day in watched:
                    yield zone, day, seen, end - begin if day in watched else 0


def operators(asked: Asked) -> Counts:
    """Operator → bikes, stood, seen, asked."""
    found: Counts = defaultdict(lambda: [0, 0])
    for case in asked.counted("misparked_bike"):
        for bike in case.bikes:
            if bike.since < asked.end and (bike.until > asked.begin or bike.since >= asked.begin):
                for name in (bike.operator or "not_told", "all"):
                    found[name,][0] += asked.within(bike.since)
                    found[name,][1] += asked.cut(bike.since, bike.until)
    hours = list(hours_of(asked, "misparked_bike"))
    sums = [sum(each[2] for each in hours), sum(each[3] for each in hours)]
    found["all",]
    return {name: line + sums for name, line in found.items()}


def sanitation(asked: Asked) -> Counts:
    """Unit, kind → opened, cleared, standing, otherwise, stood, median, p90, longest, within, with, seen, asked."""
    kinds = ("overflowing_bin", "exposed_rubbish")
    found: Counts = defaultdict(lambda: [0] * 12)
    took: dict[tuple[str | int | None, ...], list[int]] = defaultdict(list)
    for case in asked.counted(*kinds):
        key = (case.zone.unit, case.zone.kind)
        line = found[key]
        line[0] += asked.within(case.opened)
        line[2] += case.opened < asked.end and (case.closed is None or case.closed >= asked.end)
        line[3] += case.ended in {"withdrawn", "taken_back"} and asked.within(case.closed)
        line[4] += asked.cut(case.began, case.present)
        if case.ended == "cleared" and case.closed is not None and asked.within(case.closed):
            took[key].append(case.closed - case.opened)
            line[1] += 1
            line[8] += case.sla is not None and case.closed - case.opened <= case.sla
            line[9] += case.sla is not None
    for line_of, each in took.items():
        each.sort()
        ranks = (-(-len(each) // 2), -(-9 * len(each) // 10), len(each))
        found[line_of][5:8] = [each[rank - 1] for rank in ranks]
    for zone, _, seen, whole in hours_of(asked, *kinds):
        found[zone.unit, zone.kind][10] += seen
        found[zone.unit, zone.kind][11] += whole
    return found


def vending(asked: Asked) -> Counts:
    """Place, weekday, hour → opened, stood, seen, asked."""
    found: Counts = defaultdict(lambda: [0] * 4)

    def add(which: int, place: str, since: int, until: int, *, one: bool = False) -> None:
        for begin, end in quarters(since, until):
            at = datetime.fromtimestamp(begin / 1000, asked.made.zone)
            found[place, at.isoweekday(), at.hour][which] += 1 if one else end - begin

    for case in asked.counted("street_vending"):
        if asked.within(case.opened):
            add(0, case.zone.place_id, case.opened, case.opened + 1, one=True)
        since, until = max(case.began, asked.begin), min(case.present, asked.end)
        add(1, case.zone.place_id, since, until)
    for zone, begin, end in _sights(asked, "street_vending"):
        add(2, zone.place_id, begin, end)
    for zone, day, _, whole in hours_of(asked, "street_vending"):
        if whole:
            add(3, zone.place_id, *asked.made.days[day])
    return {key: line for key, line in found.items() if any(line)}


def _sights(asked: Asked, *kinds: str) -> Iterator[tuple[Zone, int, int]]:
    for sign, holds in signs(asked):
        for begin, end in quarters(max(sign.at, asked.begin), min(holds, asked.end)):
            for zone in zones_seen(asked, sign, *kinds):
                if on(asked, zone, begin):
                    yield zone, begin, end


def quarters(since: int, until: int) -> Iterator[tuple[int, int]]:
    """A stretch in pieces that no hour's beginning lies within."""
    while since < until:
        end = min(until, since - since % (15 * MIN) + 15 * MIN)
        yield since, end
        since = end


def signs(asked: Asked) -> Iterator[tuple[Sign, int]]:
    """Each sign of life, and until when it holds; nothing is known of what is to come."""
    of: dict[str, list[Sign]] = defaultdict(list)
    for sign in asked.made.signs:
        of[sign.device].append(sign)
    for told in of.values():
        told.sort(key=lambda sign: sign.at)
        for sign, following in zip(told, [*told[1:], None], strict=True):
            most = min(sign.at + 15 * MIN, asked.now)
            yield sign, most if following is None else min(most, following.at)


def zones_seen(asked: Asked, sign: Sign, *kinds: str | None) -> list[Zone]:
    return [
        zone
        for zone in asked.made.zones
        if zone.device == sign.device
        and (zone.kind in kinds or (not kinds and zone.kind is not None))
        and sign.running
        and zone.zone_id not in sign.bad
    ]


def on(asked: Asked, zone: Zone, moment: int) -> bool:
    """Whether a zone was drawn on a moment's day."""
    local = datetime.fromtimestamp(moment / 1000, asked.made.zone)
    return asked.drawn_on(zone, local.date().isoformat())


def hot_spots(asked: Asked) -> Counts:
    """Place, kind → cases, again, soonest, stood, seen, asked."""
    found: Counts = {}
    places: dict[tuple[str, str | None], list[Case]] = defaultdict(list)
    for case in asked.counted():
        if case.ended != "withdrawn":
            places[case.zone.place_id, case.zone.kind].append(case)
    for key, cases in places.items():
        cases.sort(key=lambda case: (case.opened, case.zone.device, case.case_id))
        line = [0] * 6
        over: int | None = None
        soonest: int | None = None
        for case in cases:
            gap = None if over is None else case.opened - over
            if asked.within(case.opened):
                line[0] += 1
                if gap is not None and gap >= 0:
                    line[1] += gap <= asked.within_days * 24 * H
                    soonest = gap if soonest is None else min(gap, soonest)
                line[3] += max(0, min(case.present, asked.end) - case.began)
            ended = case.present if case.closed is None else case.closed
            over = ended if over is None else max(over, ended)
        line[2] = -1 if soonest is None else soonest
        for zone, _, seen, whole in hours_of(asked, key[1]):
            if zone.place_id == key[0]:
                line[4] += seen
                line[5] += whole
        if line[0]:
            found[key] = line
    return found


def night(asked: Asked) -> Counts:
    """Night, kind, place → cases, opened, cleared, left, stood, seen, asked; "all" for all places."""
    found: Counts = defaultdict(lambda: [0] * 7)
    for day, (begin, end) in nights_of(asked).items():
        for kind, place, line in _night(asked, day, begin, end):
            for name in (place, "all"):
                sums = found[day, kind, name]
                sums[:] = [one + other for one, other in zip(sums, line, strict=True)]
    return {key: line for key, line in found.items() if line[0] or key[2] == "all"}


def nights_of(asked: Asked) -> dict[str, tuple[int, int]]:
    """Nights that are over, by the day of their evening."""
    found = {}
    for day in asked.days:
        evening = datetime.fromisoformat(day).replace(tzinfo=asked.made.zone, hour=22)
        morning = (evening + timedelta(days=1)).replace(hour=5)
        if morning.timestamp() * 1000 <= asked.now:
            found[day] = (int(evening.timestamp() * 1000), int(morning.timestamp() * 1000))
    return found


def _night(
    asked: Asked, day: str, begin: int, end: int
) -> Iterator[tuple[str | None, str, list[int]]]:
    for case in asked.counted():
        closed = case.closed or 0
        if case.opened < end and max(case.present, case.opened, closed) >= begin:
            cleared = case.ended == "cleared" and begin <= closed < end
            left = case.closed is None or closed >= end
            stood = overlap(case.began, case.present, begin, end)
            line = [1, int(case.opened >= begin), int(cleared), int(left), stood, 0, 0]
            yield case.zone.kind, case.zone.place_id, line
    for sign, until in signs(asked):
        ms = overlap(sign.at, until, begin, end)
        for zone in zones_seen(asked, sign) if ms else ():
            if asked.drawn_on(zone, day):
                yield zone.kind, zone.place_id, [0, 0, 0, 0, 0, ms, 0]
    for zone in asked.made.zones:
        if zone.kind is not None and day in asked.drawn_days(zone):
            yield zone.kind, zone.place_id, [0, 0, 0, 0, 0, 0, end - begin]


def daily(asked: Asked) -> Counts:
    """Day, kind → opened, cleared, otherwise, standing, valid, false, duplicate, seen, asked."""
    found: Counts = defaultdict(lambda: [0] * 9)
    for day in asked.days:
        begin, end = asked.made.days[day]
        for case in asked.made.cases:
            over = case.closed is not None and case.closed < begin
            if (
                case.test
                or case.opened >= end
                or (over and case.opened < begin)
                or begin >= asked.now
            ):
                continue
            line = found[day, case.zone.kind]
            new, counts = case.opened >= begin, case.verdict not in {"false", "duplicate"}
            ended = case.closed is not None and begin <= case.closed < end
            line[0] += counts and new
            line[1] += counts and ended and case.ended == "cleared"
            line[2] += counts and ended and case.ended in {"withdrawn", "taken_back"}
            line[3] += counts and (case.closed is None or case.closed >= end)
            for which, name in enumerate(("valid", "false", "duplicate")):
                line[4 + which] += new and case.verdict == name
    for zone, day, seen, whole in hours_of(
        asked, *{zone.kind for zone in asked.made.zones} - {None}
    ):
        found[day, zone.kind][7] += seen
        found[day, zone.kind][8] += whole
    return found


def precision(asked: Asked) -> Counts:
    """Kind, device, zone, place → reported, valid, false, duplicate, seen, asked; "all" for all of a kind."""
    found: Counts = defaultdict(lambda: [0] * 6)

    def lines(zone: Zone) -> list[list[int]]:
        return [
            found[zone.kind, zone.device, zone.zone_id, zone.place_id],
            found[zone.kind, "all", "all", "all"],
        ]

    for case in asked.made.cases:
        if not case.test and asked.within(case.opened):
            told = Counter([case.verdict])
            for line in lines(case.zone):
                line[0] += 1
                for which, name in enumerate(("valid", "false", "duplicate")):
                    line[1 + which] += told[name]
    for zone, _, seen, whole in hours_of(asked, *{zone.kind for zone in asked.made.zones} - {None}):
        for line in lines(zone):
            line[4] += seen
            line[5] += whole
    return found


def overflows(asked: Asked) -> Counts:
    """Case → began, opened, last seen, ended (0: open)."""
    found: Counts = {}
    for case in asked.counted("overflowing_bin", "exposed_rubbish"):
        last = max(case.opened, case.present, case.closed or 0)
        if case.opened < asked.end and last >= asked.begin:
            times = [case.began, case.opened, case.present, case.closed or 0]
            found[case.case_id,] = times
    return found
