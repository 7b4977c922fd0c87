"""A picture that is put by HTTPS: to the host that the site names, verified, once, and the URL is told nowhere."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agent.delivery.data_budget import DataBudget
from agent.delivery.picture_upload import LOOK_EVERY_S, PictureUploads
from agent.domain.ids import RandomIds
from agent.storage.database import Database
from agent.storage.picture_table import Put, QueuedPicture, queue_picture, queued
from drivers.testing import FakeClock
from tests.support.certificates import Authority
from tests.support.outboxes import NOON, open_outbox
from tests.support.picture_store import PictureStore
from tests.support.redacted_pictures import picture_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "do-not-tell"


class Corner:
    """A device with pictures to put."""

    def __init__(self, folder: Path, store: PictureStore, *hosts: str) -> None:
        self.folder, self.clock = folder / "evidence", FakeClock(NOON, monotonic_s=50)
        self.database = Database(folder / "device.db")
        self.outbox = open_outbox(self.database)
        self.limits: dict[str, int] = {}
        self.budget = DataBudget(self.limits, self.outbox.timezone, self.clock.now)
        self.uploads = self.uploads_of(store, *hosts)

    def uploads_of(self, store: PictureStore, *hosts: str, **told: float) -> PictureUploads:
        return PictureUploads(
            self.database,
            self.outbox,
            self.folder,
            hosts=hosts or (store.host,),
            ca_file=store.authority.certificate_file,
            clock=self.clock,
            ids=RandomIds(),
            budget=lambda: self.budget,
            **told,
        )

    def put(self, url: str, size_bytes: int = 1000, for_s: float = 3600) -> QueuedPicture:
        """Queue a picture."""
        until_s = self.clock.now().timestamp() + for_s
        picture = picture_in(self.folder, size_bytes)
        asked = picture._replace(command_id="p-1", put=Put(url, until_s))

        def write(connection: sqlite3.Connection) -> None:
            queue_picture(connection, asked, self.clock.now())

        self.database.write(write).result()
        return asked

    def once(self) -> float:
        return self.uploads.once(threading.Event())

    def waiting(self) -> list[QueuedPicture]:
        with closing(self.database.read()) as reader:
            return queued(reader, by_put=True)

    def told(self) -> list[dict[str, Any]]:
        """The bodies of the events about pictures, with their types."""
        with closing(self.database.read()) as reader:
            query = "SELECT type, event FROM outbox WHERE type LIKE 'evidence.%' ORDER BY sequence"
            rows = reader.execute(query).fetchall()
        return [{"type": type_, **json.loads(event)["body"]} for type_, event in rows]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PictureStore]:
    with PictureStore(tmp_path) as made:
        yield made


@pytest.fixture
def corner(tmp_path: Path, store: PictureStore) -> Iterator[Corner]:
    made = Corner(tmp_path, store)
    yield made
    made.database.close()


def test_a_picture_is_put_byte_for_byte_and_told_as_stored(
    corner: Corner, store: PictureStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    asked = corner.put(store.url(), 20_000)
    assert corner.once() == LOOK_EVERY_S
    assert store.got == [
        ("/inbox/7?signature=do-not-tell", (corner.folder / asked.file).read_bytes())
    ]
    assert store.headers["content-type"] == "image/jpeg"
    [told] = corner.told()
    assert (told["type"], told["over"], told["sha256"]) == (
        "evidence.stored",
        "https",
        asked.sha256,
    )
    assert (told["command_id"], told["size_bytes"]) == ("p-1", 20_000)
    assert corner.waiting() == []
    assert corner.budget.spent == {"evidence": 20_000}
    assert SECRET not in caplog.text + json.dumps(told)


def test_nothing_in_the_environment_sends_it_elsewhere(
    corner: Corner, store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    corner.put(store.url())
    corner.once()
    assert len(store.got) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(corner: Corner, store: PictureStore, status: int) -> None:
    store.status, store.location = status, store.url("/elsewhere")
    corner.put(store.url())
    corner.once()
    assert [path for _, path in store.asked] == ["/inbox/7?signature=do-not-tell"]
    [told] = corner.told()
    assert (told["type"], told["because"]) == ("evidence.not_sent", "upload_refused")
    assert corner.waiting() == []


@pytest.mark.parametrize(
    ("status", "again"), [(403, False), (413, False), (429, True), (503, True)]
)
def test_what_may_pass_is_tried_again_and_what_will_not_is_told(
    corner: Corner, store: PictureStore, status: int, again: bool
) -> None:
    store.status = status
    corner.put(store.url())
    corner.once()
    assert bool(corner.waiting()) == again
    assert [each["because"] for each in corner.told()] == ([] if again else ["upload_refused"])
    if again:
        store.status = 200
        corner.once()
        assert len(store.got) == 1


def test_a_host_that_the_site_names_no_more_gets_nothing(
    tmp_path: Path, store: PictureStore
) -> None:
    corner = Corner(tmp_path, store, "pictures.example")
    corner.put(store.url())
    corner.once()
    corner.database.close()
    assert store.asked == []


@pytest.mark.parametrize("flaw", ["authority", "name", "time"])
def test_a_store_that_is_not_trusted_gets_nothing(
    tmp_path: Path, flaw: str, caplog: pytest.LogCaptureFixture
) -> None:
    host, days = ("other.example" if flaw == "name" else "localhost"), (-1 if flaw == "time" else 1)
    with PictureStore(tmp_path, host=host, days=days) as store:
        corner = Corner(tmp_path, store)
        if flaw == "authority":
            corner.uploads._ca_file = Authority(tmp_path / "x", "Another").certificate_file
        corner.put(store.url())
        corner.once()
        assert (store.asked, corner.told()) == ([], [])
        assert len(corner.waiting()) == 1, "until its time is over"
        corner.clock.advance(3601)
        corner.once()
        assert [each["because"] for each in corner.told()] == ["upload_expired"]
        corner.database.close()
    assert store.host in caplog.text
    assert SECRET not in caplog.text


def test_while_nothing_vouches_for_the_clock_nothing_is_put(
    corner: Corner, store: PictureStore
) -> None:
    corner.put(store.url())
    corner.clock.step(corner.clock.now(), synchronised=False)
    corner.once()
    assert store.asked == []
    corner.clock.step(corner.clock.now())
    corner.once()
    assert len(store.got) == 1


def test_the_days_budget_holds_for_it_too(corner: Corner, store: PictureStore) -> None:
    corner.budget = DataBudget({"evidence": 10}, corner.outbox.timezone, corner.clock.now)
    corner.budget.count("evidence", 10)
    corner.put(store.url())
    corner.once()
    assert store.asked == []
    corner.clock.advance(86_400 - 7200)
    assert len(corner.waiting()) == 1


@pytest.mark.parametrize(("what", "because"), [("gone", "deleted"), ("changed", "damaged")])
def test_what_is_not_there_any_more_is_told(
    corner: Corner, store: PictureStore, what: str, because: str
) -> None:
    file = corner.folder / corner.put(store.url()).file
    if what == "gone":
        file.unlink()
    else:
        file.write_bytes(b"another")
    corner.once()
    assert store.asked == []
    assert [each["because"] for each in corner.told()] == [because]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 "])
def test_a_store_whose_answer_has_no_end_is_hung_up_on(
    corner: Corner, store: PictureStore, answer: bytes
) -> None:
    corner.uploads = corner.uploads_of(store, answer_within_s=0.5)
    store.without_end = answer
    corner.put(store.url())
    corner.once()
    assert len(corner.waiting()) == 1
    store.without_end = b""
    corner.uploads = corner.uploads_of(store)
    corner.once()
    assert [each["type"] for each in corner.told()] == ["evidence.stored"]


def test_a_store_that_does_not_answer_holds_up_no_other(tmp_path: Path) -> None:
    with PictureStore(tmp_path) as store:
        corner = Corner(tmp_path, store, "localhost:1", store.host)
        corner.put("https://localhost:1/x")
        corner.put(store.url(), 1001)
        corner.once()
        assert [len(content) for _, content in store.got] == [1001]
        assert len(corner.waiting()) == 1
        corner.database.close()
