"""Who understands whom: versions of the contract against the reader's schemas, the example platform and the device.

    python -m tests.support.compatibility

prints the table that ``docs/platform/compatibility.md`` shows. Each cell is what became of every document of that
version, which must be the same of all of them.
"""

from __future__ import annotations

import functools
import json
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

from agent.config.schema import UplinkSection
from agent.delivery.received_messages import Delivery
from agent.protocol.examples import examples
from agent.protocol.generator import DOCUMENT_VERSION
from agent.protocol.schemas import schema
from agent.storage.outbox_queries import Lane
from tests.support import next_versions
from tests.support.delivering_device import uplink_of
from tests.support.drafts import case_opened
from tests.support.example_platform import module
from tests.support.housekeeping import housekeeping_of
from tests.support.paths import ROOT
from tests.support.state_folder import StateFolder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

Documents = dict[str, Any]
VERSIONS = ROOT / "contract" / "versions"
FIRST = ROOT / "tests" / "support" / "contract-1.5"
"""The examples of the last version 1."""
NO_SUCH = "–"

COLUMNS = (
    "written by",
    "reader schema",
    "example platform",
    "device: receipts",
    "device: commands",
)


@functools.cache
def messages_of() -> dict[str, Documents]:
    """Messages by the version that wrote them: to be read, not to be changed."""
    present = {name: each for name, each in examples().items() if name.startswith("message-")}
    return {
        "1.5": _read(FIRST),
        **{folder.name: _read(folder / "examples") for folder in kept()},
        f"{DOCUMENT_VERSION.partition('-')[0]} (this)": present,
        "next minor": next_versions.next_minor_messages(),
        "next major": next_versions.next_major_messages(),
    }


def kept() -> list[Path]:
    """The published versions that are kept as files, but for the present one."""
    folders = sorted(each for each in VERSIONS.glob("*") if each.is_dir())
    return [folder for folder in folders if folder.name != DOCUMENT_VERSION]


def _read(folder: Path, names: str = "message-*") -> Documents:
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob(f"{names}.json"))
    }


@functools.cache
def table() -> list[tuple[str, ...]]:
    """The rows below :data:`COLUMNS`."""
    heard = _heard_by_the_device()
    return [
        (version, by_schema(told), by_platform(told), *heard.get(version, (NO_SUCH, NO_SUCH)))
        for version, told in messages_of().items()
    ]


def one(outcomes: Mapping[str, str]) -> str:
    """What became of all of them.

    Raises:
        AssertionError: Not the same of each.
    """
    if len(set(outcomes.values())) != 1:
        raise AssertionError(f"not of all the same became: {outcomes}")
    return next(iter(outcomes.values()))


def by_schema(documents: Documents) -> str:
    """Whether the reader's schema takes messages."""
    check = jsonschema.Draft202012Validator(schema("message", "reader"))
    return one(
        {name: _said(check.is_valid(document), "accepted") for name, document in documents.items()}
    )


def by_platform(documents: Documents) -> str:
    """What the example platform does with messages."""
    storing = module("storing")
    return one({name: _stored(storing, document) for name, document in documents.items()})


def _stored(storing: Any, document: dict[str, Any]) -> str:
    events = document["events"]
    topic = f"kerbwatch/v2/{events[0]['tenant']}/{events[0]['device_id']}/events"
    with closing(storing.opened(":memory:")) as db:
        storing.take(db, topic, json.dumps(document).encode())
        stored = {row[0] for row in db.execute("SELECT event_id FROM event")}
        told = {
            number
            for tenant, device, epoch in {
                (each["tenant"], each["device_id"], each["epoch"]) for each in events
            }
            for receipt in storing.receipts(db, tenant, device, epoch)
            for first, last in [(1, receipt["contiguous_through"]), *receipt.get("ranges", ())]
            for number in range(first, last + 1)
        }
    whole = stored == {each["event_id"] for each in events}
    return _said(whole and told >= {each["sequence"] for each in events}, "stored, receipted")


def _said(well: bool, word: str) -> str:
    return word if well else "refused"


def _heard_by_the_device() -> dict[str, tuple[str, str]]:
    """What the device does with receipts and commands of each version."""
    this = f"{DOCUMENT_VERSION.partition('-')[0]} (this)"
    receipt, pace = examples()["receipt"], examples()["command-pace"]
    major = {"contract": 3, "later": {"of": [True]}}
    published = {folder.name: folder / "examples" for folder in kept()}
    receipts = {
        "1.5": {"receipt": receipt | {"contract": 1}},
        **{name: _read(folder, "receipt") for name, folder in published.items()},
        this: {"receipt": receipt},
        "next minor": {"receipt": next_versions.next_minor_of("receipt")},
        "next major": {"receipt": receipt | major},
    }
    commands: dict[str, Documents] = {
        "1.5": {"pace": pace | {"contract": 1}},
        **{name: _read(folder, "command-pace") for name, folder in published.items()},
        this: {"pace": pace},
        "next minor": next_versions.next_minor_commands(),
        "next major": {"pace": pace | major},
    }
    with tempfile.TemporaryDirectory() as folder:
        heard = {}
        for index, version in enumerate(receipts):
            device = Hearing(Path(folder) / str(index))
            taken = one({name: device.receipt(each) for name, each in receipts[version].items()})
            obeyed = one({name: device.command(each) for name, each in commands[version].items()})
            device.end()
            heard[version] = (taken, obeyed)
    return heard


class Hearing:
    """A device that hears the platform, as over a broker."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._device = StateFolder(folder)
        housekeeping = housekeeping_of(self._device, folder)
        self._uplink = uplink_of(
            UplinkSection(broker="mqtts://broker.example"),
            self._device.database,
            self._device.outbox,
            self._device.clock,
            handlers=housekeeping.handlers,
            record=housekeeping.record_order,
        )
        self._downlink = self._uplink._downlink

    def end(self) -> None:
        """Of the uplink, which has not begun."""
        stop = threading.Event()
        stop.set()
        self._uplink.run(stop)
        self._device.database.close()

    def _heed(self, topic: str, document: dict[str, Any]) -> Any:
        with closing(self._device.database.read()) as reader:
            delivery = Delivery(topic, json.dumps(document).encode(), retained=False)
            return self._downlink.heed(delivery, reader)

    def receipt(self, document: dict[str, Any]) -> str:
        """What becomes of a receipt that names three events of this device, one of them as refused."""
        first, second, third = self._sent()
        told = {
            "epoch": self._device.outbox.epoch,
            "contiguous_through": first,
            "ranges": [[second, second]],
            "refused": [[third, third, "no_room"]],
        }
        self._heed(self._downlink.receipts_topic, document | told)
        self._device.database.write(lambda _: None).result()  # what was confirmed came before
        with closing(self._device.database.read()) as reader:
            query = "SELECT sequence, refused FROM outbox WHERE arrived = 1 AND sequence >= ?"
            arrived = reader.execute(query, (first,)).fetchall()
        whole = arrived == [(first, None), (second, None), (third, "no_room")]
        if arrived and not whole:
            raise AssertionError(f"a part of the receipt was heeded: {arrived}")
        return _said(whole, "heeded")

    def _sent(self) -> list[int]:
        """Send three events; their numbers."""
        outbox, scheduler = self._device.outbox, self._uplink._scheduler
        drafts = [case_opened(self._device.clock) for _ in range(3)]

        def add(connection: sqlite3.Connection) -> None:
            for draft in drafts:
                outbox.add(connection, draft, Lane.CASE)

        self._device.database.write(add).result()
        with closing(self._device.database.read()) as reader:
            while batch := scheduler.next(reader, 60_000):
                scheduler.take(batch, 1000)
        last = outbox.last_sequence()
        return [last - 2, last - 1, last]

    def command(self, document: dict[str, Any]) -> str:
        """What becomes of a command."""
        answer = self._heed(self._downlink.commands_topic, document)
        if answer is None or answer.command_id != document["command_id"]:
            return "silence"
        return "obeyed, answered" if answer.status == "done" else "not obeyed, answered"


def rows_as_page(rows: Iterable[tuple[str, ...]]) -> str:
    """The table in Markdown."""
    head = [COLUMNS, ("---",) * len(COLUMNS)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [*head, *rows])


if __name__ == "__main__":
    print(rows_as_page(table()), end="")
