"""A store and a folder of evidence of the tests' own, and a device that packs cases for them."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from kerbwatch_platform import evidence, store
from kerbwatch_platform.evidence.keeping import Own
from kerbwatch_platform.settings import Settings
from psycopg import sql

from tests.support.packed_cases import PackingDevice, jpeg
from tests.support.paths import ROOT
from tests.support.postgres import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLATFORM = ROOT / "examples/platform"
TEMPLATE = "platform_template"


@pytest.fixture(scope="session")
def with_tables() -> Iterator[Postgres]:
    """A server that has an empty database with the platform's tables."""
    with postgres() as server:
        server.script(f"CREATE DATABASE {TEMPLATE};")
        with store.connect(server.address(TEMPLATE)) as connection:
            store.migrate(connection)
            connection.execute(b"""CREATE TABLE IF NOT EXISTS verdict (tenant TEXT, device TEXT, case_id TEXT,
              verdict TEXT, of_case TEXT, reference TEXT, account TEXT, at TIMESTAMPTZ, undone_at TIMESTAMPTZ, jws TEXT);
              CREATE TABLE IF NOT EXISTS case_ticket (decision_id UUID, tenant TEXT, device TEXT, case_id TEXT,
              ticket TEXT, account TEXT, at TIMESTAMPTZ, undone_at TIMESTAMPTZ);""")
        yield server


_names = (f"desk_{number}" for number in itertools.count())


@pytest.fixture
def settings(with_tables: Postgres, tmp_path: Path) -> Settings:
    """Of a platform with a database of its own."""
    name = next(_names)
    with psycopg.connect(with_tables.address(), autocommit=True) as connection:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(made.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
    return Settings(
        database=with_tables.address(name),
        broker="mqtt://localhost:1",
        evidence_folder=tmp_path / "kept",
        signing_key_file=tmp_path / "keys" / "platform.pem",
    )


@pytest.fixture
def connection(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database, autocommit=True) as opened:
        yield opened


@dataclass
class Piece:
    """A message on a device's ``pictures``."""

    topic: str
    payload: bytes


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

    def pieces(self, content: bytes, size: int = 8192, sha256: str | None = None) -> list[Piece]:
        name = sha256 or hashlib.sha256(content).hexdigest()
        tenant, device = self.place
        place = f"{self.settings.prefix}/{tenant}/{device}/pictures/{name}/{len(content)}"
        return [
            Piece(f"{place}/{begin}", content[begin : begin + size])
            for begin in range(0, len(content), size)
        ]

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(text.encode()).fetchall()

    def states(self, case_id: str) -> dict[str, tuple[str, str | None]]:
        """Of each picture of a case, by role: its state, and why."""
        found = evidence.picture_of(self.connection, *self.place, case_id)
        return {each.role: (each.state, each.why) for each in found}


@pytest.fixture
def city(connection: psycopg.Connection, settings: Settings, tmp_path: Path) -> Iterator[City]:
    folder = tmp_path / "device"
    folder.mkdir()
    device = PackingDevice(folder)
    yield City(connection, settings, device)
    device.database.close()


@pytest.fixture(scope="session")
def large() -> bytes:
    """A picture of several pieces."""
    return jpeg("large", 1280, 720, quality=95)
