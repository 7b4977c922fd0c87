"""What the platform is promised of pictures: byte for byte, after the events, and once it has them."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent.delivery.data_budget import DataBudget
from agent.delivery.picture_sender import (
    LOST_TELLING,
    REFUSED_FIRST_S,
    REFUSED_MOST_S,
    UNCONFIRMED_FIRST_S,
    UNCONFIRMED_MOST_S,
    UNCONFIRMED_TIMES,
    UNHEARD_TRIES,
    PictureSender,
    Piece,
)
from agent.domain.ids import RandomIds
from agent.protocol.downlink import Receipt
from agent.protocol.picture_transfer import MAX_PICTURE_BYTES, PIECE_BYTES
from agent.protocol.topics import Topics
from agent.storage.database import Database
from agent.storage.picture_table import QueuedPicture, queue_picture, queued
from drivers.testing import FakeClock
from tests.support.delivering_device import Device
from tests.support.example_platform import module
from tests.support.outboxes import NOON, open_outbox
from tests.support.redacted_pictures import CASE, picture_in
from tests.support.topics import DEVICE, PREFIX, TENANT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.broker import Broker

ROOM = 32_768
PICTURES = f"{PREFIX}/{TENANT}/{DEVICE}/pictures"
NOT_AUTHORISED, NO_SUBSCRIBERS = 0x87, 0x10


def put(database: Database, *pictures: QueuedPicture) -> None:
    def write(connection: Any) -> None:
        for each in pictures:
            queue_picture(connection, each, datetime.now(UTC))

    database.write(write).result()


def told(database: Database, type_: str) -> list[str]:
    with closing(database.read()) as reader:
        query = "SELECT event FROM outbox WHERE type = ? ORDER BY sequence"
        return [event for (event,) in reader.execute(query, (type_,))]


class Corner:
    """A device's queue of pictures without a broker: its answers are given by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder / "evidence", FakeClock(NOON, monotonic_s=50)
        self.database = Database(folder / "device.db")
        self.outbox = open_outbox(self.database)
        self.reports: list[str] = []
        self.limits: dict[str, int] = {}
        self.start()

    def start(self) -> None:
        """As after a restart: nothing is known but what is on the disk."""
        self.settle()
        budget = DataBudget(
            self.limits,
            self.outbox.timezone,
            self.clock.now,
            steady_s=self.clock.monotonic_s,
        )
        topics = Topics(PREFIX, TENANT, DEVICE)
        self.sender = PictureSender(
            *(self.database, self.outbox, self.folder, topics, self.clock, RandomIds()),
            budget=budget,
            report=self.reports.append,
        )

    def settle(self) -> None:
        """Until all that was written is on the disk."""
        self.database.write(lambda _: None).result()

    def next(self, room_bytes: int = ROOM, largest_bytes: int = ROOM) -> Piece | None:
        with closing(self.database.read()) as reader:
            return self.sender.next(reader, room_bytes, largest_bytes)

    def send(self, code: int = 0) -> Piece | None:
        """The next piece, taken and answered."""
        piece = self.next()
        if piece is not None:
            self.sender.take(piece, len(piece.payload))
            self.sender.answered(piece, code, f"code {code}")
            self.settle()
        return piece

    def send_all(self) -> list[Piece]:
        pieces = []
        while (piece := self.send()) is not None:
            pieces.append(piece)
        return pieces

    def hear(self, sha256: str, has_bytes: int) -> int:
        """The platform says what it has; how much of that is not believed."""
        with closing(self.database.read()) as reader:
            doubted = self.sender.receive([(sha256, has_bytes)], reader)
        self.settle()
        return doubted

    def waiting(self) -> list[QueuedPicture]:
        with closing(self.database.read()) as reader:
            return queued(reader)


@pytest.fixture
def corner(tmp_path: Path) -> Iterator[Corner]:
    made = Corner(tmp_path)
    yield made
    made.database.close()


def begins(piece: Piece | None) -> int:
    """Where in its picture a piece begins, as its topic says."""
    assert piece is not None
    return int(piece.topic.rpartition("/")[2])


def test_a_picture_arrives_byte_for_byte_and_leaves_the_queue_when_the_platform_has_it(
    broker: Broker, tmp_path: Path
) -> None:
    sent = picture_in(tmp_path / "evidence", 3 * PIECE_BYTES + 17)
    store = module("storing" if _has("storing") else "consumer").opened(tmp_path / "platform.db")
    with (
        broker.platform() as platform,
        Device(tmp_path, broker.settings(), pictures=tmp_path / "evidence") as device,
    ):
        put(device.database, sent)
        device.connect().open_cases()
        wait_until(lambda: len(_pieces(platform)) == 4)
        assert max(len(payload) for _, payload in _pieces(platform)) == PIECE_BYTES
        has: dict[Any, int] = {}
        for topic, payload in reversed(_pieces(platform)):
            has |= module("pictures").take(store, topic, payload)
        assert list(has.values()) == [sent.size_bytes]
        receipt = Receipt(
            epoch=device.outbox.epoch,
            contiguous_through=0,
            pictures=tuple((of[3], size) for of, size in has.items()),
        )
        platform.say("receipts", receipt)
        wait_until(lambda: any(e.type == "evidence.stored" for e in platform.events))
        [stored] = [e.body for e in platform.events if e.type == "evidence.stored"]
        with closing(device.database.read()) as reader:
            assert queued(reader) == []
    assert (stored.case_id, stored.sha256, stored.over) == (CASE, sent.sha256, "mqtt")
    [(content,)] = store.execute("SELECT content FROM picture").fetchall()
    assert content == (tmp_path / "evidence" / sent.file).read_bytes()
    assert {one.content_type for one in platform.received if "/pictures/" in one.topic} == {
        "application/octet-stream"
    }


def _has(name: str) -> bool:
    from tests.support.example_platform import PLATFORM  # noqa: PLC0415

    return (PLATFORM / f"{name}.py").exists()


def _pieces(platform: Any) -> list[tuple[str, bytes]]:
    pieces = [
        (one.topic, one.payload) for one in list(platform.received) if "/pictures/" in one.topic
    ]
    return list(dict(pieces).items())


@pytest.mark.slow
def test_a_broker_that_does_not_allow_pictures_is_told_once_and_events_go_on(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    rights = tmp_path / "rights"
    allowed = "".join(f"topic write {PREFIX}/{TENANT}/{DEVICE}/{c}\n" for c in ("events", "state"))
    rights.write_text(f"user platform\ntopic read #\nuser {DEVICE}\n{allowed}")
    rights.chmod(0o600)
    broker = start_broker(f"acl_file {rights}")
    with (
        broker.platform() as platform,
        Device(tmp_path, broker.settings(), pictures=tmp_path / "evidence") as device,
    ):
        put(device.database, picture_in(tmp_path / "evidence", PIECE_BYTES))
        device.connect().open_cases()
        wait_until(lambda: device.uplink.figures.codes.get("pictures") == NOT_AUTHORISED)
        assert "does not take pictures" in device.last_error
        [sequence] = device.open_cases()
        wait_until(lambda: sequence in platform.sequences())
        device.wait_until_drained()
        assert broker.log().count("Denied PUBLISH") <= 1
        assert _pieces(platform) == []


def test_one_piece_is_under_way_at_a_time_and_only_where_the_window_has_room(
    corner: Corner,
) -> None:
    put(corner.database, picture_in(corner.folder, 2 * PIECE_BYTES))
    assert corner.next(PIECE_BYTES - 1) is None
    assert corner.next(ROOM, 1024) == corner.next(1024, 1024)
    piece = corner.next(PIECE_BYTES)
    assert piece is not None
    corner.sender.take(piece, PIECE_BYTES)
    assert corner.next() is None
    corner.sender.answered(piece, 0, "")
    assert begins(corner.next()) == PIECE_BYTES


def test_after_a_lost_connection_and_a_restart_a_picture_goes_on_where_the_broker_had_it(
    corner: Corner,
) -> None:
    put(corner.database, picture_in(corner.folder, 4 * PIECE_BYTES))
    for _ in range(2):
        corner.send()
    lost = corner.next()
    assert lost is not None
    corner.sender.take(lost, PIECE_BYTES)
    corner.sender.put_back()
    assert corner.next() is None, "first the events, after a connection that ended over a piece"
    corner.clock.advance(REFUSED_MOST_S)
    assert begins(corner.next()) == 2 * PIECE_BYTES
    corner.start()
    assert [begins(each) for each in corner.send_all()] == [2 * PIECE_BYTES, 3 * PIECE_BYTES]


def test_what_the_platform_does_not_confirm_is_sent_again_after_growing_waits(
    corner: Corner,
) -> None:
    sent = picture_in(corner.folder, 2 * PIECE_BYTES)
    put(corner.database, sent)
    wait_s = UNCONFIRMED_FIRST_S
    for _ in range(3):
        assert len(corner.send_all()) == 2
        corner.clock.advance(wait_s - 1)
        assert corner.next() is None
        corner.clock.advance(2)
        wait_s *= UNCONFIRMED_TIMES
    corner.send_all()
    corner.start()
    assert corner.next() is None, "a restart begins no new round"
    corner.clock.advance(wait_s * UNCONFIRMED_TIMES)
    assert begins(corner.next()) == 0
    assert corner.waiting()[0].tries == 4


def test_to_a_platform_that_confirms_no_picture_one_alone_goes_on_being_sent(
    corner: Corner,
) -> None:
    first, second, third = (picture_in(corner.folder, 100, name) for name in ("a", "b", "c"))
    put(corner.database, first, second, third)
    for _ in range(UNHEARD_TRIES):
        assert [each.sha256 for each in corner.send_all()] == [
            first.sha256,
            second.sha256,
            third.sha256,
        ]
        corner.clock.advance(UNCONFIRMED_MOST_S)
    for _ in range(3):
        assert [each.sha256 for each in corner.send_all()] == [first.sha256]
        corner.clock.advance(UNCONFIRMED_MOST_S)
    (corner.folder / first.file).unlink()
    assert corner.send_all() == []
    corner.settle()
    corner.clock.advance(UNCONFIRMED_MOST_S)
    assert [each.sha256 for each in corner.send_all()] == [second.sha256], "the next one asks"
    assert corner.hear(second.sha256, second.size_bytes) == 0
    corner.send_all()
    corner.clock.advance(UNCONFIRMED_MOST_S)
    assert [each.sha256 for each in corner.send_all()] == [third.sha256]


def test_a_picture_goes_on_where_the_platform_says_that_its_copy_ends(corner: Corner) -> None:
    sent = picture_in(corner.folder, 4 * PIECE_BYTES)
    put(corner.database, sent)
    corner.send()
    assert corner.hear(sent.sha256, 3 * PIECE_BYTES) == 0
    assert [begins(each) for each in corner.send_all()] == [3 * PIECE_BYTES]
    assert corner.hear(sent.sha256, 1000) == 0
    assert corner.next() is None, "a late word of an earlier piece begins nothing"
    corner.clock.advance(UNCONFIRMED_FIRST_S)
    assert begins(corner.next()) == 1000
    assert corner.hear(sent.sha256, 5) == 0
    assert begins(corner.next()) == 1000


@pytest.mark.parametrize("largest_bytes", [0, -100])
def test_a_broker_whose_packets_hold_no_byte_of_a_picture_gets_none(
    corner: Corner, largest_bytes: int
) -> None:
    put(corner.database, picture_in(corner.folder, 100))
    assert corner.next(largest_bytes=largest_bytes) is None
    assert corner.next(largest_bytes=1) is not None


def test_a_word_that_is_said_a_thousand_times_costs_one_write(corner: Corner) -> None:
    sent = picture_in(corner.folder, 100)
    put(corner.database, sent)
    corner.send()
    commits: list[int] = []
    corner.database.on_commit(lambda: commits.append(1))
    with closing(corner.database.read()) as reader:
        corner.sender.receive([(sent.sha256, 100)] * 1000, reader)
    corner.settle()
    assert corner.waiting() == []
    assert len(commits) <= 2, "what was said, and the test's own"


def test_what_was_not_sent_is_not_confirmed(corner: Corner) -> None:
    sent, other = (picture_in(corner.folder, 100, name) for name in ("close_up", "threshold"))
    put(corner.database, sent, other)
    assert corner.hear(sent.sha256, 100) == 1
    corner.send()
    assert corner.hear(sent.sha256, 101) == 1
    assert corner.hear(other.sha256, 100) == 1
    assert corner.hear("f" * 64, 100) == 0
    assert len(corner.waiting()) == 2
    assert told(corner.database, "evidence.stored") == []
    assert corner.hear(sent.sha256, 100) == corner.hear(sent.sha256, 100) == 0
    assert [each.sha256 for each in corner.waiting()] == [other.sha256]
    assert len(told(corner.database, "evidence.stored")) == 1, "said twice, told once"


@pytest.mark.parametrize(
    "item", [None, 7, [], ["f" * 64], ["F" * 64, 1], ["f" * 63, 1], ["f" * 64, -1], ["f" * 64, True],
             ["f" * 64, 1.0], ["f" * 64, MAX_PICTURE_BYTES + 1], [["f" * 64], 1], ["../" * 20, 1]],
)  # fmt: skip
def test_what_cannot_be_read_of_a_receipts_pictures_is_left_out_and_the_rest_holds(
    item: Any,
) -> None:
    good = ["0" * 64, 5]
    receipt = Receipt.model_validate(
        {"epoch": "e", "contiguous_through": 3, "pictures": [item, good]}
    )
    assert receipt.pictures == (tuple(good),)
    assert receipt.contiguous_through == 3


def test_what_a_later_version_says_more_of_a_picture_is_left_aside() -> None:
    told = {"epoch": "e", "contiguous_through": 3, "pictures": [["0" * 64, 5, "later"]]}
    assert Receipt.model_validate(told).pictures == (("0" * 64, 5),)


def test_pictures_wait_for_the_next_day_when_their_budget_is_spent(corner: Corner) -> None:
    corner.limits = {"evidence": PIECE_BYTES}
    corner.start()
    put(corner.database, picture_in(corner.folder, 3 * PIECE_BYTES))
    assert corner.send() is not None
    assert corner.next() is None
    corner.clock.advance(86_400)
    assert begins(corner.next()) == PIECE_BYTES


@pytest.mark.parametrize("code", [NOT_AUTHORISED, NO_SUBSCRIBERS, 0x99])
def test_a_broker_that_refuses_pictures_is_asked_again_after_growing_waits(
    corner: Corner, code: int
) -> None:
    put(corner.database, picture_in(corner.folder, PIECE_BYTES))
    asked = 0
    for _ in range(24 * 60):
        asked += corner.send(code) is not None
        corner.clock.advance(60)
    assert 24 <= asked <= 60
    assert len(corner.reports) == 1
    corner.clock.advance(REFUSED_MOST_S)
    assert begins(corner.send()) == 0


def test_a_broker_that_ends_the_connection_over_a_picture_is_named(corner: Corner) -> None:
    put(corner.database, picture_in(corner.folder, PIECE_BYTES))
    for _ in range(2 * LOST_TELLING):
        piece = corner.next()
        assert piece is not None
        corner.sender.take(piece, PIECE_BYTES)
        corner.sender.put_back()
        corner.clock.advance(REFUSED_MOST_S)
    [report] = corner.reports
    assert f"{PICTURES}/#" in report


def test_what_was_asked_for_goes_first(corner: Corner) -> None:
    by_itself, asked = (picture_in(corner.folder, 10, name) for name in ("close_up", "begin"))
    put(corner.database, by_itself, asked._replace(command_id="p-1"))
    pieces = corner.send_all()
    assert [each.sha256 for each in pieces] == [asked.sha256, by_itself.sha256]
    put(corner.database, by_itself._replace(command_id="p-2"))
    assert begins(corner.send()) == 0, "asked for anew, it waits no longer"


def test_a_picture_that_is_gone_or_is_another_one_now_is_told_and_holds_nothing_up(
    corner: Corner,
) -> None:
    gone, changed, good = (picture_in(corner.folder, 100, name) for name in ("begin", "after", "x"))
    put(corner.database, gone, changed, good)
    (corner.folder / gone.file).unlink()
    (corner.folder / changed.file).write_bytes(b"another")
    assert [each.sha256 for each in corner.send_all()] == [good.sha256]
    events = told(corner.database, "evidence.not_sent")
    assert [("deleted" in event, "damaged" in event) for event in events] == [
        (True, False),
        (False, True),
    ]
    assert [each.sha256 for each in corner.waiting()] == [good.sha256]


def test_a_picture_that_cannot_be_read_now_waits_and_holds_nothing_up(corner: Corner) -> None:
    waits, good = (picture_in(corner.folder, 100, name) for name in ("a", "b"))
    put(corner.database, waits, good)
    path = corner.folder / waits.file
    content = path.read_bytes()
    path.unlink()
    path.mkdir()  # reading it fails, whoever reads
    assert [each.sha256 for each in corner.send_all()] == [good.sha256]
    assert told(corner.database, "evidence.not_sent") == []
    path.rmdir()
    path.write_bytes(content)
    corner.clock.advance(REFUSED_FIRST_S)
    assert waits.sha256 in [each.sha256 for each in corner.send_all()]
