"""A platform that takes in what a device says of its cases, without a broker between."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kerbwatch_platform import evidence
from kerbwatch_platform.contract.message import Message
from kerbwatch_platform.evidence.handover import handover
from kerbwatch_platform.evidence.keeping import Own
from kerbwatch_platform.store import lived

from tests.support.command_line import kerbwatch

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg
    from kerbwatch_platform.settings import Settings

    from tests.support.packed_cases import PackingDevice


def hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def opened(content: bytes) -> dict[str, bytes]:
    """The files of a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        return {name: found.read(name) for name in found.namelist()}


def exported(city: City, case_id: str, out: Path, *options: str) -> Path:
    """What a technician exports on the device."""
    folder = city.device.site
    done = kerbwatch("evidence", "export", folder, case_id, "--out", out, *options)
    assert done.exit_code == 0, done.output
    return out


@dataclass
class City:
    """A platform that takes in what a device says of its cases, without a broker between.

    Attributes:
        device: The one that packs.
        taken: The ids of the events that the store has of it.
    """

    connection: psycopg.Connection
    settings: Settings
    device: PackingDevice
    taken: set[str] = field(default_factory=set)

    @property
    def place(self) -> tuple[str, str]:
        site = self.device.configuration.site
        return site.tenant, site.device_id

    def own(self, sha256: str) -> Own:
        return Own(*self.place, sha256)

    def knows_the_key(self, key: dict[str, str] | None = None) -> None:
        """The device's birth has come; its key is the one that the store has now."""
        public = self.device.signer.public
        told = key or {"kid": public.kid, "x": public.x}
        self.connection.execute(
            "INSERT INTO device_key VALUES (%s, %s, %s)"
            " ON CONFLICT (tenant, device) DO UPDATE SET key = excluded.key",
            (*self.place, json.dumps(told)),
        )

    def hears(self, *, verify: bool = True) -> list[str]:
        """The store takes in what the device has told of evidence since; the new events' ids."""
        new = []
        for event in self.device.events():
            told = event.model_dump(mode="json")
            if told["event_id"] not in self.taken:
                self.stores(told)
                new.append(told["event_id"])
        if verify:
            asked = [(*self.place, each) for each in new]
            evidence.verify_arrived(self.connection, asked)
        return new

    def stores(self, told: dict[str, Any]) -> None:
        """An event as the store has it."""
        self.connection.execute(
            "INSERT INTO event (tenant, device, event_id, type, test, raw)"
            " VALUES (%s, %s, %s, %s, false, %s)",
            (*self.place, told["event_id"], told["type"], json.dumps(told)),
        )
        self.taken.add(told["event_id"])

    def copies(self, case_id: str) -> dict[str, bytes]:
        """The redacted copies on the device, by role."""
        folder = self.device.folder / "evidence" / case_id
        return {
            each.name.split(".")[0]: each.read_bytes() for each in folder.glob("*.redacted.jpg")
        }

    def sends(self, content: bytes, **told: Any) -> list[tuple[str, int]]:
        """A picture comes in pieces, whole; what its device would be told."""
        has = evidence.take(self.connection, self.settings, self.pieces(content, **told))
        return has.get(self.place, [])

    def pieces(self, content: bytes, size: int = 8192, sha256: str | None = None) -> list[Message]:
        name = sha256 or hashlib.sha256(content).hexdigest()
        tenant, device = self.place
        place = f"{self.settings.prefix}/{tenant}/{device}/pictures/{name}/{len(content)}"
        return [
            Message(f"{place}/{begin}", content[begin : begin + size])
            for begin in range(0, len(content), size)
        ]

    def lives(self, *, days: float) -> None:
        """Time passes, as the platform counts it."""
        lived.advance(self.connection)
        self.connection.execute(
            "UPDATE lived_time SET lived_s = lived_s + %s", (days * lived.DAY_S,)
        )

    def hands_over(self, case_id: str, by: str = "li", reason: str = "r") -> bytes:
        """The zip of a case."""
        out = io.BytesIO()
        handover(self.connection, self.settings, *self.place, case_id, by, reason, out)
        assert out.tell() == 0
        return out.getvalue()

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(text.encode()).fetchall()

    def states(self, case_id: str) -> dict[str, tuple[str, str | None]]:
        """Of each picture of a case, by role: its state, and why."""
        found = evidence.picture_of(self.connection, *self.place, case_id)
        return {each.role: (each.state, each.why) for each in found}
