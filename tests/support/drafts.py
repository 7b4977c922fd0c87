"""Events to put into an outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.ids import RandomIds
from agent.protocol.base import VERSION, ClockReading, EventCode
from agent.protocol.case import CaseBody
from agent.protocol.events import BirthBody, Draft
from agent.protocol.place import Place

if TYPE_CHECKING:
    from drivers.clock import Clock

_ids = RandomIds()


def case_opened(clock: Clock, *, address: str = "人民路12号", padding: int = 0) -> Draft:
    """A case that has just been opened; ``padding`` makes it larger by so many bytes."""
    at = clock.now()
    return Draft(
        event_id=_ids.new(at),
        type="case.opened",
        occurred_at=at,
        clock=ClockReading.of(clock),
        body=CaseBody(
            case_id=_ids.new(at),
            kind="misparked_bike",
            state="open",
            code=EventCode(profile="gbt-47678-5", code=None, name="非机动车乱停放"),
            place=Place(place_id="p1", zone_id="z1", camera_id="c1", address=address),
            began_at=at,
            opened_at=at,
            last_present_at=at,
            dwell_s=60,
            allowed_s=60,
            count=1,
            confidence=0.9,
            reason=_padding(padding),
            configuration_sha256="0" * 64,
        ),
    )


def _padding(size: int) -> dict[str, int | float | str | bool | None]:
    """So many characters, in values of the length that the contract allows."""
    return {
        f"padding_{begin}": "x" * min(500, size - begin) for begin in range(0, max(1, size), 500)
    }


def birth(clock: Clock) -> Draft:
    body = BirthBody(
        session_id="s1",
        because="first_start",
        agent_version="0",
        contract_version=VERSION,
        configuration_sha256="0" * 64,
    )
    return Draft.of_device(body, clock, _ids)
