"""Pictures at the platform: put together once, verified, confirmed; whoever is killed between two pieces."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent.protocol.downlink import Receipt
from agent.protocol.picture_transfer import MAX_PICTURE_BYTES, PIECE_BYTES
from agent.protocol.topics import Topics
from agent.storage.picture_table import queue_picture, queued
from tests.support.corner_with_past import PlatformProcess
from tests.support.delivering_device import Device
from tests.support.example_platform import PLATFORM, module
from tests.support.redacted_pictures import picture_in
from tests.support.topics import DEVICE, PREFIX, TENANT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.broker import Broker

pictures, storing = module("pictures"), module("storing")
TOPICS = Topics(PREFIX, TENANT, DEVICE)
CONTENT = random.Random(7).randbytes(2 * PIECE_BYTES + 100)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def db() -> sqlite3.Connection:
    opened: sqlite3.Connection = storing.opened(":memory:")
    return opened


def pieces(content: bytes = CONTENT, size: int = PIECE_BYTES) -> list[tuple[str, bytes]]:
    sha256 = hashlib.sha256(content).hexdigest()
    return [
        (TOPICS.piece(sha256, len(content), begin), content[begin : begin + size])
        for begin in range(0, len(content), size)
    ]


def take(db: sqlite3.Connection, topic: str, payload: bytes) -> list[int]:
    return list(pictures.take(db, topic, payload).values())


def kept(db: sqlite3.Connection) -> list[bytes]:
    return [content for (content,) in db.execute("SELECT content FROM picture")]


@pytest.mark.parametrize("seed", range(10))
def test_pieces_may_come_in_any_order_and_more_than_once(db: sqlite3.Connection, seed: int) -> None:
    die = random.Random(seed)
    coming = [*pieces(), *pieces(), *pieces(size=5000)]
    die.shuffle(coming)
    for topic, payload in coming:
        take(db, topic, payload)
    assert kept(db) == [CONTENT]
    assert db.execute("SELECT count(*) FROM picture_piece").fetchone() == (0,)


def test_what_is_there_is_counted_without_a_gap(db: sqlite3.Connection) -> None:
    first, second, third = pieces()
    assert take(db, *second) == [0]
    assert take(db, *first) == [2 * PIECE_BYTES]
    assert take(db, *third) == take(db, *first) == [len(CONTENT)]


def test_bytes_that_are_not_what_their_hash_says_are_no_picture(db: sqlite3.Connection) -> None:
    (topic, payload), second, third = pieces()
    take(db, topic, b"x" + payload[1:])
    assert take(db, *second) == [2 * PIECE_BYTES]
    assert take(db, *third) == [0], "it comes again from its beginning"
    assert kept(db) == []
    assert [take(db, *each)[0] for each in pieces()][-1] == len(CONTENT)
    assert kept(db) == [CONTENT]


@pytest.mark.parametrize(
    "levels",
    [
        f"{SHA256}/10/0/more", f"{SHA256}/10", "x", f"{SHA256.upper()}/10/0", f"{SHA256}/ten/0",
        f"{SHA256}/-1/0", f"{SHA256}/10/10", f"{SHA256}/1/0", f"{SHA256}/{MAX_PICTURE_BYTES + 1}/0",
        f"{SHA256}/10/99999999", "../../etc/10/0", f"{SHA256}/١٠/0",
    ],
)  # fmt: skip
def test_what_is_no_piece_is_not_kept(db: sqlite3.Connection, levels: str) -> None:
    topic = f"{TOPICS.of('pictures')}/{levels}"
    assert pictures.is_piece(topic)
    assert take(db, topic, b"0123") == []
    assert storing.settled_by(db, [(topic, b"0123")]) == []
    assert db.execute("SELECT count(*) FROM picture_piece").fetchone() == (0,)


def test_a_device_hears_of_its_own_pictures_in_a_receipt_that_repeats_what_was_said(
    db: sqlite3.Connection,
) -> None:
    topic, payload = pieces()[0]
    assert storing.settled_by(db, [(topic, payload)]) == [], "no event of it has come yet"
    storing.insert(db, "receipted", TENANT, DEVICE, "e1", 7)
    storing.insert(db, "receipted", TENANT, "corner-2", "e2", 9)
    [(to, told)] = storing.settled_by(db, [(topic, payload)])
    assert to == TOPICS.of("receipts")
    receipt = Receipt.model_validate(told)
    assert (receipt.epoch, receipt.contiguous_through) == ("e1", 7)
    assert receipt.pictures == ((SHA256, PIECE_BYTES),)


@pytest.mark.slow
def test_a_picture_arrives_though_consumer_and_broker_are_killed_between_its_pieces(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    broker = start_broker(tls=False)
    settings = broker.settings(topic_prefix="kerbwatch/v2", confirm="platform", receipt_timeout_s=1)
    sent = [picture_in(tmp_path / "evidence", 40 * PIECE_BYTES + each) for each in (1, 2)]
    with (
        PlatformProcess(tmp_path / "platform.db", f"mqtt://127.0.0.1:{broker.port}") as platform,
        Device(tmp_path, settings, pictures=tmp_path / "evidence") as device,
    ):

        def pieces_there() -> int:
            return len(platform.ask("SELECT 1 FROM picture_piece")) + 1000 * len(whole())

        def whole() -> list[tuple[Any, ...]]:
            return platform.ask("SELECT sha256, content FROM picture")

        device.connect().open_cases()
        wait_until(lambda: platform.ask("SELECT 1 FROM receipted"))
        put(device, sent)
        wait_until(lambda: pieces_there() > 2)
        platform.kill()
        platform.start(dies_at_acknowledging=True)
        platform.wait_until_dead()
        platform.start()
        before = pieces_there()
        wait_until(lambda: pieces_there() > before or len(whole()) == 2)
        broker.kill()
        broker.start()
        wait_until(lambda: len(whole()) == 2)
        wait_until(lambda: waiting(device) == [])
        for picture in sent:
            content = (tmp_path / "evidence" / picture.file).read_bytes()
            assert dict(whole())[picture.sha256] == content
        wait_until(
            lambda: (
                len(platform.ask("SELECT 1 FROM event WHERE type = 'evidence.stored'")) == len(sent)
            )
        )
    folder = tmp_path / "written"
    told = [sys.executable, str(PLATFORM / "pictures.py"), str(platform.file), str(folder)]
    subprocess.run(told, check=True, capture_output=True)
    assert {each.stem for each in folder.iterdir()} == {each.sha256 for each in sent}


def put(device: Device, sent: list[Any]) -> None:
    def write(connection: sqlite3.Connection) -> None:
        for each in sent:
            queue_picture(connection, each, datetime.now(UTC))

    device.database.write(write).result()


def waiting(device: Device) -> list[Any]:
    with closing(device.database.read()) as reader:
        return list(queued(reader))
