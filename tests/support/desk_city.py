"""A small city as its devices told it: events made from the contract's own examples, in a real PostgreSQL."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from kerbwatch_platform import store
from kerbwatch_platform.contract.message import PREFIX, Message

if TYPE_CHECKING:
    import psycopg

EXAMPLES = Path("contract/examples")
TENANT, DEVICE = "example-city", "example-corner"
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 1, 1, 12, tzinfo=SHANGHAI)


@cache
def _example(name: str, type_: str) -> str:
    told = json.loads((EXAMPLES / f"message-{name}.json").read_text(encoding="utf-8"))
    return json.dumps(next(each for each in told["events"] if each["type"] == type_))


def example(name: str, type_: str) -> dict[str, Any]:
    """An event of the contract's examples."""
    found: dict[str, Any] = json.loads(_example(name, type_))
    return found


def told_at(at: datetime) -> str:
    return at.astimezone(SHANGHAI).isoformat()


def id_at(at: datetime) -> str:
    """A UUIDv7 of a moment, as devices make them."""
    milliseconds = int(at.timestamp() * 1000)
    return str(
        UUID(
            int=(milliseconds << 80)
            | (7 << 76)
            | (uuid4().int & ((1 << 76) - 1)) & ~(3 << 62)
            | (2 << 62)
        )
    )


class Device:
    """One device that tells things; each gets the next number of its epoch."""

    def __init__(
        self, connection: psycopg.Connection, name: str = DEVICE, *, tenant: str = TENANT
    ) -> None:
        self.connection, self.tenant, self.name = connection, tenant, name
        self.epoch, self.sequence, self.boot = f"epoch-{name}"[:32], 0, f"boot-{name}"
        self.zero_at = NOON - timedelta(days=10)

    def say(self, type_: str, body: dict[str, Any], at: datetime, **envelope: Any) -> str:
        """Store an event as a consumer would; its id."""
        self.sequence += 1
        event_id = envelope.pop("event_id", None) or id_at(at)
        clock = {"state": "synchronised", "boot_id": self.boot, "error_s": 0.02}
        clock["monotonic_s"] = (at - self.zero_at).total_seconds()
        raw = {
            "contract": envelope.pop("contract", 2),
            "event_id": event_id,
            "tenant": self.tenant,
            "device_id": self.name,
            "epoch": self.epoch,
            "sequence": self.sequence,
            "occurred_at": told_at(at),
            "clock": clock | envelope.pop("clock", {}),
            "source": "智能感知",
            "purpose": "city-order",
            "test": envelope.pop("test", False),
            "type": type_,
            "body": body,
        }
        self.store(raw)
        return event_id

    def store(self, raw: dict[str, Any]) -> None:
        """Store a whole event."""
        topic = f"{PREFIX}/{self.tenant}/{self.name}/events"
        message = {"contract": raw["contract"], "historical": False, "events": [raw]}
        store.take(self.connection, [Message(topic, json.dumps(message).encode())])
        there = "SELECT 1 FROM event WHERE (tenant, device, event_id) = (%s, %s, %s)"
        key = (self.tenant, self.name, raw["event_id"])
        assert self.connection.execute(there, key).fetchone(), "the store took it"

    def skip(self, numbers: int) -> None:
        """Give numbers that never come."""
        self.sequence += numbers

    def born(self, at: datetime, because: str = "first_start", **facts: Any) -> None:
        """Begin an epoch."""
        body = example("historical", "device.birth")["body"] | {
            "because": because,
            "predecessor": None,
        }
        self.say("device.birth", body | {"carried": 0, "open_cases": []} | facts, at)

    def takes_inventory(
        self, at: datetime, zones: list[dict[str, Any]] | None = None, **facts: Any
    ) -> None:
        """Tell what it is made of; zones as the example's, changed as told."""
        body = example("inventory", "device.inventory")["body"] | {"inventory_id": str(uuid4())}
        plain = body["zones"][0]
        body["zones"] = [plain | each for each in zones or [{}]]
        self.say("device.inventory", body | facts, at)

    def beats(
        self,
        at: datetime,
        view: str = "good",
        zones: dict[str, str] | None = None,
        camera: str = "running",
        clock: dict[str, Any] | None = None,
        **body: Any,
    ) -> str:
        """Give a whole sign of life."""
        told = example("heartbeat", "device.heartbeat")["body"]
        told["views"] = {
            "street": {"view": view, "for_s": 60.0, "commissioned": True, "abstaining": zones or {}}
        }
        told["camera_health"]["street"]["state"] = camera
        return self.say("device.heartbeat", told | body, at, clock=clock or {})

    def beats_until(self, begin: datetime, end: datetime, **told: Any) -> None:
        """Sign after sign, ten minutes apart."""
        while begin <= end:
            self.beats(begin, **told)
            begin += timedelta(minutes=10)

    def changes(self, of: str, at: datetime, **changed: Any) -> None:
        self.say("device.changes", {"of": of, "changed": changed}, at)


class Case:
    """One case of a device, step by step."""

    def __init__(
        self, device: Device, began: datetime, *, allowed_s: float = 180.0, **place: Any
    ) -> None:
        self.device, self.case_id, self.began = device, id_at(began), began
        self.opened_at = began + timedelta(seconds=allowed_s)
        self.body = example("live", "case.opened")["body"]
        kind = place.pop("kind", "misparked_bike")
        self.body["place"] |= place
        self.body |= {
            "case_id": self.case_id,
            "kind": kind,
            "allowed_s": allowed_s,
            "dwell_s": allowed_s,
        }
        self.body |= {
            "began_at": told_at(began),
            "opened_at": told_at(self.opened_at),
            "pictures": [],
        }
        self.body["members"][0] |= {
            "since": told_at(began),
            "last_present_at": told_at(self.opened_at),
        }
        self.tell("opened", self.opened_at)

    @property
    def id(self) -> tuple[str, str, str]:
        return (self.device.tenant, self.device.name, self.case_id)

    def tell(self, what: str, at: datetime, **facts: Any) -> str:
        """Tell the case as it stands, with what is new."""
        self.body |= {"last_present_at": told_at(at)} | facts
        told = copy.deepcopy(self.body)
        self.body["left"] = []
        return self.device.say(f"case.{what}", told, at)

    def clears(self, at: datetime) -> None:
        self.tell("cleared", at, state="cleared", cleared_at=told_at(at))

    def is_judged(self, verdict: str, reference: str, at: datetime) -> None:
        """The device confirms a verdict."""
        told = {
            "verdict": verdict,
            "duplicate_of": None,
            "reference": reference,
            "at": told_at(at),
            "key": "k" * 43,
        }
        self.tell("judged", at, verdict=told)


def seconds(at: datetime) -> float:
    return at.astimezone(UTC).timestamp()
