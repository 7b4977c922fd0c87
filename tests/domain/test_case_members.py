"""Promises about the members of a case: each stay is told with its own times, and its end once."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from agent.domain.case_lifecycle import Cases, Change
from agent.domain.case_members import LEFT_AFTER_S
from agent.domain.scene import Finding, Member
from tests.support.cases import KIND, absent, cases
from tests.support.scenes import NOON, box_at


def bike(name: str, since_s: float, last_s: float | None = None) -> Member:
    return Member(name, "bicycle", box_at(0.5, 0.7), since_s, last_s)


def there(*members: Member, zone: str = "kerb") -> Finding:
    since_s = min(member.since_s for member in members)
    return Finding(KIND, zone, "kerb", "present", since_s, 0.8, members)


def tell(known: Cases, now_s: float, finding: Finding, camera: str = "north") -> list[Change]:
    return known.update(camera, [finding], now_s, NOON + timedelta(seconds=now_s))


def names(members: tuple[Member, ...]) -> list[str]:
    return [member.name for member in members]


def test_a_bike_that_comes_is_told_and_not_before_a_minute_has_passed() -> None:
    known = cases()
    tell(known, 10, there(bike("1", 0)))
    told = [
        (now_s, change)
        for now_s in range(11, 200)
        for change in tell(known, now_s, there(bike("1", 0), bike("2", 12)))
    ]
    [(now_s, changed)] = told
    assert (now_s, changed.type) == (70, "case.changed")
    assert names(changed.case.members) == ["1", "2"]
    assert changed.left == ()


def test_a_bike_that_goes_is_told_with_when_it_was_last_there() -> None:
    known = cases()
    tell(known, 10, there(bike("1", 0), bike("2", 3)))
    told = []
    for now_s in range(11, 200):
        bikes = [bike("1", 0, now_s)] + [bike("2", 3, now_s)] * (now_s <= 100)
        told += tell(known, now_s, there(*bikes))
    [changed] = told
    assert changed.type == "case.changed"
    [gone] = changed.left
    assert (gone.name, gone.since_s, gone.until_s) == ("2", 3, 100)
    assert names(changed.case.members) == ["1"]


def test_a_bike_that_is_not_named_for_a_moment_has_not_gone() -> None:
    known = cases()
    tell(known, 10, there(bike("1", 0), bike("2", 0)))
    for now_s in range(100, 400):
        hidden = now_s % 30 < LEFT_AFTER_S
        bikes = [bike("1", 0)] if hidden else [bike("1", 0), bike("2", 0)]
        assert tell(known, now_s, there(*bikes)) == []


def test_what_comes_back_after_it_was_told_as_gone_is_another_stay() -> None:
    known = cases(change_every_s=1)
    tell(known, 10, there(bike("1", 0), bike("2", 0)))
    for now_s in range(11, 31):
        tell(known, now_s, there(bike("1", 0, now_s)))
    [back] = tell(known, 50, there(bike("1", 0, 50), bike("2", 0, 50)))
    again = next(member for member in back.case.members if member.member_id == "2")
    assert (again.name, again.since_s) == ("2.2", 10), "no minute is counted twice"


def test_all_that_has_gone_is_told_at_the_end_at_the_latest() -> None:
    known = cases()
    tell(known, 10, there(bike("1", 0), bike("2", 0)))
    for now_s in range(11, 40):
        tell(known, now_s, there(bike("1", 0, now_s)))
    [cleared] = tell(known, 60, replace(absent(since_s=39), zone_id="kerb"))
    assert names(cleared.left) == ["2"]
    assert [(each.name, each.until_s) for each in cleared.case.members] == [("1", 39)]


def test_members_of_two_zones_of_one_place_are_together() -> None:
    known = cases(change_every_s=1)
    tell(known, 10, there(bike("1", 0)))
    [joined] = tell(known, 12, there(bike("2", 4), zone="bay side"))
    assert names(joined.case.members) == ["1", "2"]
    assert tell(known, 13, there(bike("1", 0))) == []
    empty = Finding(KIND, "bay side", "kerb", "absent", 20.0)
    assert tell(known, 30, empty) == []
    [left] = tell(known, 31, there(bike("1", 0)))
    assert [(each.name, each.until_s) for each in left.left] == [("2", 12)]


def test_what_only_another_camera_sees_still_keeps_its_members() -> None:
    known = cases()
    tell(known, 10, there(bike("1", 0)))
    tell(known, 11, there(bike("9", 0), zone="west"), camera="west")
    tell(known, 20, Finding(KIND, "kerb", "kerb", "absent", 20.0))
    tell(known, 40, there(bike("9", 0), zone="west"), camera="west")
    gone = Finding(KIND, "west", "kerb", "absent", 40.0)
    [cleared] = tell(known, 50, gone, camera="west")
    assert [(each.name, each.until_s) for each in cleared.case.members] == [("1", 40)]


def test_times_of_members_move_with_the_clock_of_another_boot() -> None:
    before = cases()
    tell(before, 10, there(bike("1", 2), bike("2", 4, 8)))
    after = Cases(lambda _at: "another", open_cases=before.open)
    after.shift("north", 100)
    [case] = after.open
    assert [(each.since_s, each.until_s) for each in case.members] == [(102, 110), (104, 108)]


def test_a_bike_that_goes_to_another_zone_of_the_place_is_one_bike_still() -> None:
    """It keeps its track, and its two stays are told one after the other."""
    known = cases(change_every_s=1)
    tell(known, 10, there(bike("1", 0), bike("7", 0)))
    told = []
    for now_s in range(11, 40):
        told += tell(known, now_s, there(bike("1", 0)))
        told += tell(known, now_s, there(bike("7", 11, now_s), zone="bay side"))
    assert [names(change.left) for change in told if change.left] == [["7"]]
    [left] = [each for change in told for each in change.left]
    assert (left.since_s, left.until_s) == (0, 10)
    assert all(names(change.case.members) in (["1", "7"], ["1", "7.2"]) for change in told)
    [case] = known.open
    assert [(each.name, each.since_s) for each in case.members] == [("1", 0), ("7.2", 11)]


def test_a_bike_that_stands_in_two_zones_of_a_place_is_counted_once() -> None:
    known = cases(change_every_s=1)
    tell(known, 10, there(bike("7", 0)))
    for now_s in range(11, 40):
        for zone in ("bay side", "kerb"):
            assert tell(known, now_s, there(bike("7", 5, now_s), zone=zone)) == []
    [case] = known.open
    assert names(case.members) == ["7"]


ZONES = ("kerb", "bay side")
SEEN = st.sets(st.sampled_from("abc"))
STEPS = st.lists(st.tuples(st.floats(0.5, 40), SEEN, SEEN, st.booleans()), max_size=40)


@given(STEPS)
def test_every_stay_ends_once_and_none_overlaps_another(
    steps: list[tuple[float, set[str], set[str], bool]],
) -> None:
    """Whatever comes and goes, in two zones of a place: what the events say adds up, stay by stay."""
    known, told, now_s = cases(change_every_s=25), [], 1.0
    told += tell(known, now_s, there(bike("a", 0.0)))
    since: dict[tuple[str, str], float] = {("kerb", "a"): 0.0}
    for step_s, kerb, bay, turned in steps:
        now_s += step_s
        standing = dict(zip(ZONES, (kerb, bay), strict=True))
        since = {(z, n): since.get((z, n), now_s) for z in ZONES for n in standing[z]}
        if not kerb | bay:
            continue
        # Who sees nothing any more says so last: the case is one to the end.
        for zone in sorted(ZONES, key=lambda z: (not standing[z], (z == "kerb") == turned)):
            bikes = [bike(n, since[zone, n]) for n in sorted(standing[zone])]
            gone = Finding(KIND, zone, "kerb", "absent", now_s - step_s)
            told += tell(known, now_s, there(*bikes, zone=zone) if bikes else gone)
    for zone in ZONES:
        told += tell(known, now_s + 1, Finding(KIND, zone, "kerb", "absent", now_s))
    assert len({change.case.case_id for change in told}) == 1

    ended: dict[str, Member] = {}
    for change in told:
        assert len(set(names(change.case.members))) == len(change.case.members)
        assert ended.keys().isdisjoint(names(change.case.members)), "what has gone is there again"
        for member in change.left:
            assert member.name not in ended
            ended[member.name] = member
    assert told[-1].type == "case.cleared"
    ended |= {member.name: member for member in told[-1].case.members}
    assert {m.name for change in told for m in change.case.members} <= ended.keys()
    for name in "abc":
        stays = sorted((m.since_s, m.until_s) for m in ended.values() if m.member_id == name)
        assert all(since_s <= until_s for since_s, until_s in stays)
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(stays))
