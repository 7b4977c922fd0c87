"""A disk without a free block: refused with an error, and a way out that loses nothing accepted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from agent.runtime.composition import Parts
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.outbox_queries import Lane, waiting
from agent.storage.reserve_file import SIZE_BYTES
from drivers.disk import free_bytes
from drivers.testing import FakeClock
from tests.support.assembled_site import camera_of, events_of, parts_of
from tests.support.crossing import camera, crossing
from tests.support.drafts import case_opened
from tests.support.outboxes import NOON, open_outbox
from tests.support.red_bike_model import write_model
from tests.support.small_disks import fill, in_memory_or_skip

MB = 1_000_000
ROOM_MB = 17

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with in_memory_or_skip(tmp_path / "disk", ROOM_MB) as folder:
        yield folder


def fill_whole(disk: Path) -> Path:
    path = fill(disk)
    assert free_bytes(disk) == 0
    return path


def test_a_full_disk_refuses_with_an_error_and_can_be_left_again(disk: Path) -> None:
    clock = FakeClock(NOON)
    with Database(disk / "kerbwatch.db") as database:
        outbox = open_outbox(database, keep_arrived=1000)

        def add() -> int:
            draft = case_opened(clock, padding=2000)
            return database.write(lambda c: outbox.add(c, draft, Lane.CASE)).result()

        accepted = [add() for _ in range(300)]
        outbox.confirm(accepted[:200]).result()
        fill_whole(disk)
        refused: list[StorageError] = []
        while len(refused) < 3:
            try:
                accepted.append(add())
            except StorageError as error:
                refused.append(error)
        assert all(error.full for error in refused)
        with closing(database.read()) as reader:
            rows = waiting(reader, Lane.CASE, limit=10_000, limit_bytes=10**9)
        assert [row.key for row in rows] == accepted[200:], "nothing accepted is lost"
        # What the platform confirms can still go, and its place serves new events.
        outbox.confirm(accepted[200:260]).result()
        accepted.append(add())
        with closing(database.read()) as reader:
            rows = waiting(reader, Lane.CASE, limit=10_000, limit_bytes=10**9)
        assert [row.key for row in rows] == accepted[260:]


def test_the_room_is_taken_again_once_there_is_enough(disk: Path) -> None:
    ballast = disk / "kerbwatch.db.ballast"
    clock = FakeClock(NOON)
    with Database(disk / "kerbwatch.db") as database:
        outbox = open_outbox(database)
        assert ballast.stat().st_size == SIZE_BYTES
        full = fill_whole(disk)

        def add_on_and_on() -> None:
            while True:
                draft = case_opened(clock, padding=2000)
                database.write(lambda c: outbox.add(c, draft, Lane.CASE)).result()  # noqa: B023

        with pytest.raises(StorageError):
            add_on_and_on()
        assert not ballast.exists()
        full.unlink()
        database.write(lambda c: outbox.add(c, case_opened(clock), Lane.CASE)).result()
        assert ballast.stat().st_size == SIZE_BYTES


def test_a_case_that_opens_on_a_full_disk_is_told_once_there_is_room(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    site = crossing(camera("east", (2, 60), seconds=30), places=("gate",))
    source, full = camera_of(site), disk / "none"
    with closing(parts_of(site, disk / "state")) as parts:
        while (frame := source.read()) is not None:
            if frame.monotonic_s == 4:
                full = fill_whole(disk)
                with suppress(StorageError):  # until nothing is free in the file either
                    while True:
                        add_padding(parts)
            if frame.monotonic_s == 12:
                assert [case.state for case in parts.analysis.cases.open] == ["open"]
                assert parts.book.changes_waiting == 1
                assert events_of(parts) == []
                full.unlink()
            parts.analysis.take(frame)
        assert parts.book.changes_waiting == 0
        assert [event["type"] for event in events_of(parts)] == ["case.opened"]


def add_padding(parts: Parts) -> None:
    draft = case_opened(FakeClock(NOON), padding=2000)
    parts.database.write(lambda c: parts.outbox.add(c, draft, Lane.REST)).result()
