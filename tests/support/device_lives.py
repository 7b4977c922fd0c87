"""What devices send over two epochs, without any contradiction: whoever takes it in, in whatever order, knows the same."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.domain.ids import uuid7
from agent.protocol.vectors import public_key, signed_by
from tests.support.device_words import BOOTS, TENANT, moment, topic

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGAN = datetime(2026, 3, 1, 4, tzinfo=UTC)


class Life:
    """One device's events, numbered as a device numbers them."""

    def __init__(self, device: str, seed: int, count: int) -> None:
        self._device, self._random = device, random.Random(f"{device} {seed}")
        self._second = 60
        self.events = [*self._first(count)]

    def _event(self, epoch: str, sequence: int, type_: str, body: Any) -> dict[str, Any]:
        self._second += 7
        at = BEGAN + timedelta(seconds=self._second)
        return {
            "contract": 3,
            "event_id": uuid7(at, self._random.getrandbits(74)),
            "tenant": TENANT,
            "device_id": self._device,
            "epoch": epoch,
            "sequence": sequence,
            "type": type_,
            "test": self._random.random() < 0.05,
            "occurred_at": moment(self._second),
            "clock": {"boot_id": self._random.choice([*BOOTS, "b3"]), "monotonic_s": self._second},
            "body": body,
        }

    def _first(self, count: int) -> Iterator[dict[str, Any]]:
        """An epoch, its loss report, and the next one, into which the last events are carried."""
        first, second = f"{self._device}-a", f"{self._device}-b"
        yield self._birth(first, None, 0)
        lost = set(self._random.sample(range(2, count), count // 20))
        told = [each for each in range(2, count + 1) if each not in lost]
        events = [self._event(first, each, *self._body()) for each in told]
        carried = events[-5:]
        yield from events
        before = {"epoch": first, "last_sequence": count}
        yield self._birth(second, before, len(carried))
        for nth, each in enumerate(carried, 2):
            yield each | {"epoch": second, "sequence": nth}
        yield self._loss(second, len(carried) + 2, first, sorted(lost))

    def _birth(self, epoch: str, before: Any, carried: int) -> dict[str, Any]:
        key = public_key("device").model_dump()
        body = {"because": "power_cut", "predecessor": before, "carried": carried}
        return self._event(
            epoch, 1, "device.birth", body | {"signing_key": key, "open_cases": ["k1"]}
        )

    def _loss(self, epoch: str, sequence: int, of: str, lost: list[int]) -> dict[str, Any]:
        event = self._event(epoch, sequence, "device.loss", None)
        bound = {"tenant": TENANT, "device_id": self._device, "event_id": event["event_id"]}
        loss = {"epoch": of, "lane": "rest", "reason": "evicted", "ranges": [[n, n] for n in lost]}
        return event | {"body": {"jws": signed_by("device", bound | {"losses": [loss]})}}

    def _body(self) -> tuple[str, Any]:
        which = self._random.random()
        if which < 0.1:
            boot = self._random.choice(list(BOOTS))
            zero = moment(self._random.randrange(900) + BOOTS[boot])
            return "device.clock", {"boot_id": boot, "zero_at": zero}
        if which < 0.3:
            views = {"street": {"view": self._random.choice(["good", "dark"])}}
            return "device.heartbeat", {"views": views}
        if which < 0.35:
            hours = {"zone_id": "kerb", "zone_kind": "no_parking", "sensing_s": 60, "blind_s": 0.5}
            return "device.summary", {"day": "2026-03-01", "zones": [hours], "open_cases": ["k2"]}
        state = self._random.choice(["open", "open", "open", "cleared"])
        member = {"member_id": self._random.choice("123"), "operator": "blue"}
        stay = member | {"since": moment(self._second), "last_present_at": moment(self._second + 5)}
        body = {
            "case_id": f"k{self._random.randrange(30)}",
            "kind": "misparked_bike",
            "state": state,
        }
        return f"case.{state}", body | {"opened_at": moment(self._second), "members": [stay]}


def lives(devices: int, seed: int, count: int = 120) -> list[tuple[str, str]]:
    """Messages of some events each, as topics and texts, device by device."""
    told = []
    sizes = random.Random(seed)
    for device in (f"corner-{each}" for each in range(devices)):
        events = Life(device, seed, count).events
        while events:
            size = sizes.randint(1, 8)
            message, events = {"contract": 3, "events": events[:size]}, events[size:]
            told.append((topic(device), json.dumps(message)))
    return told
