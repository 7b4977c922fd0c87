"""An event that the disk has not kept as it was given: lost by name, and nobody else with it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.domain.ids import RandomIds
from agent.identity.signing_key import Signer
from agent.protocol.events import LossEvent
from agent.protocol.signed import report_of
from agent.storage.checksum import crc_of, is_whole
from agent.storage.database import Database
from agent.storage.outbox import Outbox
from agent.storage.outbox_queries import Lane, waiting
from agent.telemetry.loss_reports import LossReports
from drivers.clock import SystemClock
from tests.support.broker import Broker
from tests.support.delivering_device import Device
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox
from tests.support.topics import DEVICE, TENANT
from tests.support.waiting import wait_until


@given(text=st.text(min_size=1), place=st.integers(0), bit=st.integers(0, 7))
def test_one_flipped_bit_is_always_found(text: str, place: int, bit: int) -> None:
    written = bytearray(text.encode())
    written[place % len(written)] ^= 1 << bit
    assert is_whole(text, crc_of(text))
    assert not is_whole(written.decode(errors="replace"), crc_of(text))


@given(st.one_of(st.none(), st.binary(), st.text(), st.integers()), st.one_of(st.none(), st.text()))
def test_whatever_a_damaged_page_holds_is_no_crash(text: Any, crc: Any) -> None:
    assert is_whole(text, crc) in {True, False}


def damage(database: Database, sequence: int) -> None:
    """Another digit and a broken character, both of which JSON and SQLite let pass."""
    database.write(
        lambda connection: connection.execute(
            "UPDATE outbox SET event = CAST(replace(replace(event, '\"allowed_s\":60', '\"allowed_s\":61'),"
            " '人', x'e4ba') AS TEXT) WHERE sequence = ?",
            (sequence,),
        )
    ).result()


def reported(database: Database) -> list[dict[str, Any]]:
    with closing(database.read()) as connection:
        rows = connection.execute("SELECT event FROM outbox WHERE type = 'device.loss'").fetchall()
    return [
        loss.model_dump(mode="json")
        for (text,) in rows
        for loss in report_of(LossEvent.model_validate_json(text)).losses
    ]


def losses_of(database: Database, outbox: Outbox, folder: Path) -> LossReports:
    return LossReports(
        database,
        outbox,
        Signer(folder / "keys"),
        SystemClock(),
        RandomIds(),
        tenant=TENANT,
        device_id=DEVICE,
    )


def test_a_damaged_event_holds_up_nobody_and_is_named_as_lost(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        given = device.open_cases(5)
        damage(device.database, given[1])
        damage(device.database, given[4])
        device.connect()
        wait_until(lambda: not device.waiting())
        device.wait_until_drained()
        assert platform.sequences() == [given[0], given[2], given[3]]
        losses_of(device.database, device.outbox, tmp_path).report()
        wait_until(lambda: any(event.type == "device.loss" for event in platform.events))
        [told] = [event for event in platform.events if event.type == "device.loss"]
        [loss] = report_of(told).losses
        assert loss.ranges == ((given[1], given[1]), (given[4], given[4]))
        assert loss.reason.startswith("damaged")


def test_a_damaged_event_is_named_under_its_own_number_when_a_new_epoch_begins(
    tmp_path: Path,
) -> None:
    with Database(tmp_path / "device.db") as database:
        outbox = open_outbox(database)
        given = [
            database.write(lambda c: outbox.add(c, case_opened(SystemClock()), Lane.CASE)).result()
            for _ in range(3)
        ]
        damage(database, given[1])
        epoch = outbox.epoch
        outbox.begin_epoch("rolled_back").result()
        with closing(database.read()) as connection:
            rows = waiting(connection, Lane.CASE, limit=10, limit_bytes=10**6)
        assert [row.key for row in rows] == [2, 3]
        losses_of(database, outbox, tmp_path).report()
        [loss] = reported(database)
    assert (loss["epoch"], loss["ranges"]) == (epoch, [[given[1], given[1]]])
