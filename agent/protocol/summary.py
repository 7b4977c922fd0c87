"""One local day of one device (日报): its zones, their cases, and the device itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.protocol.base import MAX_PLACES, MAX_WORDS, Counts, EventCode, Wire
from agent.protocol.case import OpenCases
from agent.protocol.fields import (
    AtMost,
    Celsius,
    Count,
    Flag,
    Name,
    Seconds,
    Sha256,
    Share,
    TimeZone,
    Word,
)
from agent.protocol.place import PlaceId, Unit, UnitId


class Reviewed(Wire):
    """What reviewers found of a kind of case in a zone, by the last verdict on each of the newest 500 cases.

    ``precision`` is the share of the valid among the valid and the false; null where nothing was found either. A
    ``duplicate`` says nothing of it.
    """

    valid: Count
    false: Count
    duplicate: Count
    precision: Share | None


class KindDay(Wire):
    """One kind of case in one zone on one day, whatever matter each case was told as.

    ``code`` is what such cases are told under in that zone when the summary is made. A single case may bear
    another: shared bikes of a known operator (``shared_bikes_as`` of the inventory), or a case that opened before
    the zone's code was changed. Who counts by code counts the cases' own events. ``stood_s`` is how long all that
    cleared had stood; what was withdrawn is not in it. ``suppressed`` counts candidates that were a case by all
    else, and were kept from it or ended by the verifier's word, by what it saw them as. ``judged`` counts the
    verdicts of reviewers that came on that day: ``valid``, ``false``, ``duplicate``. ``reviewed`` is what stands
    when the summary is made, of whatever day; null where no verdict came yet. ``held_back`` counts candidates that
    opened no case because they looked like a false alarm at the same place. ``warned`` counts warnings by lamp or
    buzzer before a case opened, ``warned_left`` those after which what was meant left before one did.
    """

    kind: Word
    code: EventCode
    opened: Count
    cleared: Count
    abstained: Count
    stood_s: Seconds
    withdrawn: Count = 0
    suppressed: Counts = {}
    judged: Counts = {}
    reviewed: Reviewed | None = None
    held_back: Count = 0
    warned: Count = 0
    warned_left: Count = 0


class ZoneDay(Wire):
    """One zone on one day.

    ``sensing_s`` is for how long it was watched and could be seen; ``abstained_s`` for how long its view
    was bad, so that nothing was claimed of it; ``blind_s`` for how long its camera gave nothing besides.
    What is missing to the day's length the agent did not run, or was ended without warning in between.
    ``camera_id``, ``zone_kind`` and ``place_id`` are null for a zone that is drawn no more.
    """

    zone_id: Name
    camera_id: Name | None
    zone_kind: Word | None
    place_id: PlaceId | None
    responsible_unit: Unit | None
    responsible_unit_id: UnitId | None
    sensing_s: Seconds
    abstained_s: Seconds
    blind_s: Seconds
    cases: Annotated[tuple[KindDay, ...], AtMost(MAX_WORDS)] = ()


class DeviceDay(Wire):
    """The device on one day.

    ``began_after`` counts the runs that began, by why. ``lost`` is how many numbers were lost. The highest
    values are of what was sampled; null is what nothing measures. ``unsynchronised_s`` is for how long of
    ``uptime_s`` the clock could not be trusted, and therefore neither the day.
    """

    uptime_s: Seconds
    unsynchronised_s: Seconds
    began_after: Counts
    lost: Count
    temperature_c_max: Celsius | None
    throttled_s: Seconds | None
    under_voltage_s: Seconds | None
    waiting_rows_max: Count | None
    waiting_s_max: Seconds | None
    written_bytes: Count | None


class SummaryBody(Wire):
    """One local day of one device (日报).

    ``complete`` says that the day was over, that a time source vouched for the clock all the time that is
    counted, and that the clock was not set out of the day or into it: else some of the day is told under
    another day, or some of another under this one. Two summaries of one day are of different times that the
    device lived through, and nothing is in both: a clock that was wrong has named the day as well.
    """

    day: Annotated[
        str, Field(max_length=10, pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
    ]
    timezone: TimeZone
    complete: Flag
    configuration_sha256: Sha256
    zones: Annotated[tuple[ZoneDay, ...], AtMost(2 * MAX_PLACES)]
    device: DeviceDay
    open_cases: OpenCases = ()
