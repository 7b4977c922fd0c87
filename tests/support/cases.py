"""Findings of a place, and cases that come of them."""

from __future__ import annotations

from dataclasses import replace

from agent.domain.case_lifecycle import Cases, Change
from agent.domain.scene import Case, Finding, Member
from tests.support.scenes import box_at

OPEN_CASE = Case(
    case_id="case-1",
    kind="misparked_bike",
    zone_id="kerb",
    place_id="kerb",
    camera_id="street",
    state="open",
    began_s=1.0,
    opened_s=2.0,
    last_present_s=3.0,
    last_reported_s=2.0,
    members=(),
    confidence=0.9,
)
"""One to put into a casebook."""

KIND = "misparked_bike"
MEMBER = Member("1", "bicycle", box_at(0.5, 0.7), 100.0)
BIKE_CASE = Case(
    "case-1", KIND, "kerb", "kerb", "street", "open", 100, 110, 110, 110, (MEMBER,), 0.9
)
FOUND = Finding(KIND, "kerb", "kerb", "present", 100.0)
OPENED = Change("case.opened", BIKE_CASE, FOUND)
CLEARED = Change("case.cleared", replace(BIKE_CASE, state="cleared"), FOUND)


def cases(**told: float) -> Cases:
    """No case yet; those that come are numbered."""
    numbers = iter(range(10_000))
    return Cases(lambda _at: f"case-{next(numbers)}", **told)  # type: ignore[arg-type]


def present(place: str = "kerb", since_s: float = 0.0, kind: str = "misparked_bike") -> Finding:
    member = Member("1", "bicycle", box_at(0.5, 0.7), since_s)
    return Finding(kind, f"zone-{place}", place, "present", since_s, 0.8, (member,))


def absent(place: str = "kerb", since_s: float = 0.0, kind: str = "misparked_bike") -> Finding:
    return Finding(kind, f"zone-{place}", place, "absent", since_s)
