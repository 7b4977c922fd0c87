"""The example street as a real agent saw it just now: its events, signed manifests and redacted pictures, for a platform."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from kerbwatch_platform import evidence, store
from kerbwatch_platform.contract.message import PREFIX, Message

from agent.config import loading
from agent.runtime.replay import replay
from agent.storage.paths import DATABASE
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg
    from kerbwatch_platform.settings import Settings

STREET = ROOT / "examples/street"
PIECE_BYTES = 8192
TENANT, DEVICE = "example-city", "example-corner"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the agent said and kept.

    Attributes:
        events: Each as it is on the wire, in the order of its numbers.
        evidence: The folder of its cases' pictures and manifests.
        key: Its public key, as its birth names it.
    """

    events: list[dict[str, Any]]
    evidence: Path
    key: dict[str, str]

    def case_id(self, kind: str) -> str:
        """A case by its kind; the street has one of each."""
        return str(next(e["body"]["case_id"] for e in self.events if e["body"].get("kind") == kind))

    def of_case(self, kind: str) -> list[dict[str, Any]]:
        """Everything that was said of it."""
        case_id = self.case_id(kind)
        return [each for each in self.events if each["body"].get("case_id") == case_id]


def recorded_street(folder: Path, begins_at: datetime) -> Recorded:
    """Let an agent look at the example street, as if it had begun at this time."""
    site = folder / "site"
    shutil.copytree(STREET, site)
    plain = (site / "site.toml").read_text(encoding="utf-8")
    told = f'starts_at = "{begins_at.isoformat()}"'
    (site / "site.toml").write_text(
        plain.replace('path = "clip.mp4"', f'path = "clip.mp4", {told}').replace(
            'codes_profile = "gbt-47678-5"',
            'codes_profile = "gbt-47678-5"\nresponsible_unit = "示例单位"\nresponsible_unit_id = "unit-1"\nsla_s = 7200',
        ),
        encoding="utf-8",
    )
    configuration = loading.load(site)
    state = folder / "state"
    replay(configuration, base=site, out=folder / "out", state=state, packets=True)
    with closing(sqlite3.connect(state / DATABASE)) as own:
        lines = own.execute("SELECT event FROM outbox ORDER BY sequence").fetchall()
    key = json.loads((state / "keys/signing.jwk").read_text(encoding="utf-8"))
    return Recorded([json.loads(line) for (line,) in lines], folder / "out/evidence", key)


def deliver(connection: psycopg.Connection, events: list[dict[str, Any]]) -> None:
    """Take events in as a worker does, signatures verified."""
    topic = f"{PREFIX}/{TENANT}/{DEVICE}/events"
    for each in events:
        message = {"contract": 2, "historical": False, "events": [each]}
        taken = store.take(connection, [Message(topic, json.dumps(message).encode())])
        evidence.verify_arrived(connection, taken.packed, taken.births)


def deliver_pictures(
    connection: psycopg.Connection, settings: Settings, folder: Path, *names: str
) -> None:
    """Take a case's redacted pictures in, piece by piece: all, or those of these names."""
    for file in sorted(folder.glob("*.redacted.jpg")):
        if not names or file.name.removesuffix(".redacted.jpg") in names:
            evidence.take(connection, settings, list(_pieces(file.read_bytes())))


def _pieces(content: bytes) -> Iterator[Message]:
    sha256 = hashlib.sha256(content).hexdigest()
    for first in range(0, len(content), PIECE_BYTES):
        topic = f"{PREFIX}/{TENANT}/{DEVICE}/pictures/{sha256}/{len(content)}/{first}"
        yield Message(topic, content[first : first + PIECE_BYTES])


def street_of_now(connection: psycopg.Connection, settings: Settings, folder: Path) -> Recorded:
    """The example street of a quarter of an hour ago, on a platform.

    The bike has gone and all of its pictures are here; the stall still stands, with the picture that comes by itself
    and a close-up; the bin overflows, and no picture of it has come.
    """
    begins_at = datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(minutes=15)
    recorded = recorded_street(folder, begins_at)
    deliver(connection, [birth_of(recorded, begins_at), *recorded.of_case("misparked_bike")])
    for kind in ("street_vending", "overflowing_bin"):
        deliver(connection, [each for each in recorded.of_case(kind) if not _ends(each["body"])])
    bike, stall = (recorded.case_id(kind) for kind in ("misparked_bike", "street_vending"))
    deliver_pictures(connection, settings, recorded.evidence / bike)
    deliver_pictures(connection, settings, recorded.evidence / stall, "threshold", "close_up")
    return recorded


def _ends(body: dict[str, Any]) -> bool:
    return "cleared" in (body.get("state"), body.get("stage"))


def birth_of(recorded: Recorded, at: datetime) -> dict[str, Any]:
    """A birth that names the agent's key, before all it said."""
    first = recorded.events[0]
    body = {
        "session_id": str(uuid4()),
        "predecessor": None,
        "because": "replay",
        "carried": 0,
        "agent_version": "0.2.0",
        "contract_version": "2.1",
        "configuration_sha256": first["body"]["configuration_sha256"],
        "signing_key": recorded.key,
        "open_cases": [],
    }
    told = {"event_id": str(uuid4()), "type": "device.birth", "body": body}
    number = {"sequence": len(recorded.events) + 1, "occurred_at": at.isoformat()}
    return first | told | number
