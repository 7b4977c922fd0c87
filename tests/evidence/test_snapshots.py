"""A snapshot: what a camera sees now, redacted before it is on the disk, queued once, and told either way."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent.domain.ids import RandomIds
from agent.evidence.redactor import Redactor
from agent.evidence.snapshots import KEPT, MOST_WAITING, WITHIN_S, Snapshots
from agent.perception.surroundings import Surroundings
from agent.runtime.evidence_worker import open_redactor
from agent.storage.picture_table import QueuedPicture, queue_picture, queued, take_out
from drivers.testing import FakeClock
from tests.support.assembled_site import camera_of, parts_of
from tests.support.crossing import camera as camera_section
from tests.support.crossing import crossing
from tests.support.packing import AROUND, STREET
from tests.support.scenes import frame_of
from tests.support.state_folder import NOON, StateFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Corner:
    """A device of which snapshots are asked."""

    def __init__(self, folder: Path) -> None:
        self.device = StateFolder(folder)
        self.evidence = folder / "evidence"
        self.snapshots = Snapshots(
            *(self.device.database, self.device.outbox, self.evidence),
            clock=self.device.clock,
            ids=RandomIds(),
        )

    def see(self, around: Surroundings = AROUND) -> None:
        """The analysis looks at a frame of the camera ``street``."""
        self.snapshots.take(frame_of(STREET, 110), lambda: around)

    def work(self) -> bool:
        return self.snapshots.do_next(open_redactor)

    def waiting(self) -> list[QueuedPicture]:
        with closing(self.device.database.read()) as reader:
            return queued(reader)

    def told(self) -> list[dict[str, Any]]:
        with closing(self.device.database.read()) as reader:
            query = "SELECT event FROM outbox WHERE type = 'evidence.snapshot' ORDER BY sequence"
            return [json.loads(event)["body"] for (event,) in reader.execute(query)]

    def files(self) -> list[str]:
        return [each.name for each in self.evidence.rglob("*.jpg")]


@pytest.fixture
def corner(tmp_path: Path) -> Iterator[Corner]:
    made = Corner(tmp_path)
    yield made
    made.device.database.close()


def camera(corner: Corner) -> str:
    return frame_of(STREET, 110).camera_id


@pytest.mark.slow
def test_a_snapshot_is_redacted_queued_and_told_by_its_hash(corner: Corner) -> None:
    assert corner.snapshots.ask(camera(corner), "s-1")
    assert not corner.work(), "the camera has given no frame yet"
    corner.see()
    assert corner.files() == [], "nothing is on the disk before it is redacted"
    assert corner.work()
    [picture], [told] = corner.waiting(), corner.told()
    assert (picture.case_id, picture.command_id) == (None, "s-1")
    assert (told["sha256"], told["size_bytes"]) == (picture.sha256, picture.size_bytes)
    assert (told["command_id"], told["because"]) == ("s-1", None)
    assert len((corner.evidence / picture.file).read_bytes()) == picture.size_bytes
    assert not corner.work(), "it was asked for once"


@pytest.mark.slow
def test_a_snapshot_is_deleted_when_it_has_arrived(corner: Corner) -> None:
    corner.snapshots.ask(camera(corner), "s-1")
    corner.see()
    corner.work()
    corner.work()
    [picture] = corner.waiting()
    assert len(corner.files()) == 1, "it has not arrived"
    corner.device.passes(days=400)
    assert len(corner.files()) == 1, "it is no case, and none of retention's"
    corner.device.database.write(lambda db: take_out(db, picture.sha256)).result()
    corner.work()
    assert corner.files() == []


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"view": "moved"}, "view_moved"),
        ({"difference": None}, "no_background"),
        ({"masks_applied": False}, "masks_not_applied"),
    ],
)
def test_what_cannot_be_redacted_does_not_leave_and_is_told(
    corner: Corner, changed: dict[str, Any], because: str
) -> None:
    corner.snapshots.ask(camera(corner), "s-1")
    corner.see(replace(AROUND, **changed))
    assert corner.work()
    [told] = corner.told()
    assert (told["sha256"], told["because"]) == (None, because)
    assert (corner.files(), corner.waiting()) == ([], [])


def test_a_camera_that_gives_no_frame_is_told_after_a_while(corner: Corner) -> None:
    corner.snapshots.ask("another", "s-1")
    corner.see()
    corner.device.clock.advance(WITHIN_S)
    assert not corner.work()
    corner.device.clock.advance(1)
    assert corner.work()
    [told] = corner.told()
    assert (told["camera_id"], told["because"], told["captured_at"]) == (
        "another",
        "no_frame",
        None,
    )


def test_only_so_many_are_waited_for(corner: Corner) -> None:
    asked = [corner.snapshots.ask("street", f"s-{each}") for each in range(MOST_WAITING + 1)]
    assert asked == [True] * MOST_WAITING + [False]


def test_while_none_is_asked_for_nothing_is_found_out(corner: Corner) -> None:
    def never() -> Surroundings:
        raise AssertionError

    corner.snapshots.take(frame_of(STREET, 110), never)
    assert corner.told() == []


@pytest.mark.usefixtures("red_model")
def test_the_analysis_gives_the_next_frame_of_the_camera_and_no_other(tmp_path: Path) -> None:
    site = crossing(camera_section("east", (2, 60), seconds=10), places=("gate",))
    source = camera_of(site)
    with closing(parts_of(site, tmp_path / "state")) as parts:
        snapshots = Snapshots(
            *(parts.database, parts.outbox, tmp_path / "state" / "evidence"),
            clock=FakeClock(NOON),
            ids=RandomIds(),
        )
        parts.analysis.on_frame = snapshots.take
        for _ in range(2):
            frame = source.read()
            assert frame is not None
            parts.analysis.take(frame)
            asked_at = frame.captured_at
        snapshots.ask("west", "s-1")
        snapshots.ask("east", "s-2")
        while (frame := source.read()) is not None:
            parts.analysis.take(frame)
        assert snapshots.do_next(lambda: Redactor(None))
        assert not snapshots.do_next(lambda: Redactor(None)), "no frame of the other camera came"
        with closing(parts.database.read()) as reader:
            query = "SELECT event FROM outbox WHERE type = 'evidence.snapshot'"
            [(event,)] = reader.execute(query).fetchall()
    told = json.loads(event)["body"]
    assert (told["command_id"], told["because"]) == ("s-2", "no_background"), "so soon"
    captured_at = datetime.fromisoformat(told["captured_at"])
    assert 0 < (captured_at - asked_at).total_seconds() < 2


def refuses() -> Redactor:
    raise ValueError("a fault of ours")


def is_in_the_way(corner: Corner) -> None:
    corner.evidence.mkdir()
    (corner.evidence / "snapshots").write_text("no folder")


@pytest.mark.parametrize(
    ("redactor", "harm", "because"),
    [
        (refuses, lambda _: None, "model_refused"),
        pytest.param(open_redactor, is_in_the_way, "not_kept", marks=pytest.mark.slow),
    ],
)
def test_a_snapshot_that_fails_is_told_once_and_keeps_nothing_waiting(
    corner: Corner,
    redactor: Callable[[], Redactor],
    harm: Callable[[Corner], None],
    because: str,
) -> None:
    harm(corner)
    corner.snapshots.ask(camera(corner), "s-1")
    corner.see()
    assert corner.snapshots.do_next(redactor)
    [told] = corner.told()
    assert (told["command_id"], told["sha256"], told["because"]) == ("s-1", None, because)
    assert not corner.snapshots.do_next(redactor)


def test_a_snapshot_that_never_arrives_is_not_kept_without_an_end(corner: Corner) -> None:
    sha256 = "7" * 64
    path = corner.evidence / "snapshots" / f"{sha256}.redacted.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"redacted")
    picture = QueuedPicture(sha256, None, f"snapshots/{path.name}", 8, command_id="s-1")
    now = corner.device.clock.now()
    corner.device.database.write(lambda db: queue_picture(db, picture, now)).result()
    corner.device.clock.advance(KEPT.total_seconds())
    assert not corner.work()
    assert path.exists()
    corner.device.clock.advance(1)
    corner.work()
    assert (path.exists(), corner.waiting()) == (False, [])
    with closing(corner.device.database.read()) as reader:
        query = "SELECT event FROM outbox WHERE type = 'evidence.not_sent'"
        [(event,)] = reader.execute(query).fetchall()
    told = json.loads(event)["body"]
    assert (told["sha256"], told["because"], told["command_id"]) == (sha256, "deleted", "s-1")
