"""A disk that fails or takes nothing costs its durability, and never the seeing."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain.ids import RandomIds
from agent.identity.signing_key import open_signer
from agent.protocol.case import CaseBody
from agent.protocol.events import Predecessor
from agent.protocol.heartbeat import HeartbeatBody, StorageHealth
from agent.storage import memory_fallback
from agent.storage.case_notes import note_ticket, notes_in
from agent.storage.case_table import save_case
from agent.storage.command_table import Origin, answered, remember
from agent.storage.corruption import open_database
from agent.storage.errors import StorageError
from agent.storage.outbox import STAND_IN_BYTES
from agent.storage.outbox_queries import Lane
from agent.storage.paths import DATABASE
from agent.storage.state_table import load_state, save_state
from tests.support.broker import Broker
from tests.support.cases import OPEN_CASE
from tests.support.directed_street import DirectedStreet, directed_street
from tests.support.drafts import case_opened
from tests.support.paths import ROOT
from tests.support.sites import write_site
from tests.support.small_disks import fill, in_memory, mounted
from tests.support.storage_at_start import CLOCK, NAME, Storage
from tests.support.waiting import wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk takes root")
DURABLE = StorageHealth(state="durable", reason=None, events_without_pictures=0, changes_waiting=0)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small ext4 of its own."""
    image = tmp_path / "disk.img"
    with image.open("wb") as opened:
        opened.truncate(48_000_000)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with mounted(image, tmp_path / "disk", "-o", "loop") as folder:
        yield folder


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def test_work_goes_on_in_memory_when_the_disk_takes_nothing_more(tmp_path: Path) -> None:
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        first, told = corner.outbox.epoch, [corner.open_case() for _ in range(3)]
        corner.database.write(lambda c: save_case(c, OPEN_CASE)).result()
        corner.database.write(lambda c: save_state(c, "analysis.snapshot.street", "{}")).result()
        corner.fail()
        told.append(corner.open_case())
        stood_in = corner.database.stood_in
        assert stood_in is not None
        assert (stood_in.previous_epoch, stood_in.events, stood_in.cases) == (first, 3, 1)
        assert "readonly" in stood_in.reason
        assert corner.outbox.epoch != first
        assert corner.outbox.predecessor == Predecessor(epoch=first, last_sequence=4)
        assert corner.waiting() == told
        assert [event["sequence"] for event in corner.events()] == [2, 3, 4, 5]
        assert {event["epoch"] for event in corner.events()} == {corner.outbox.epoch}
        with closing(corner.database.read()) as connection:
            assert load_state(connection, "analysis.snapshot.street") == "{}"
    assert (tmp_path / "memory" / DATABASE).exists()


def test_numbers_of_the_epoch_that_is_over_confirm_nothing_in_the_next(tmp_path: Path) -> None:
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        first = corner.outbox.epoch
        told = [corner.open_case() for _ in range(3)]
        corner.confirm(told[0])
        corner.fail()
        told.append(corner.open_case())
        corner.outbox.confirm([2, 3, 4], first).result()
        corner.outbox.set_aside([2, 3, 4], "late", epoch=first).result()
        assert corner.waiting() == told[1:]


def test_what_came_meanwhile_is_taken_back_once_the_disk_takes_it(tmp_path: Path) -> None:
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        told = [corner.open_case() for _ in range(3)]
        corner.fail()
        told.append(corner.open_case())
        corner.confirm(told[1])
        corner.database.write(lambda c: save_case(c, OPEN_CASE)).result()
        volatile = corner.outbox.epoch
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        assert corner.database.stood_in is None
        assert corner.taken_back == memory_fallback.TakenBack(volatile, events=1, cases=1)
        assert corner.outbox.predecessor == Predecessor(epoch=volatile, last_sequence=5)
        assert corner.waiting() == [told[0], told[2], told[3]]
    assert not (tmp_path / "memory" / DATABASE).exists()
    again = Storage(tmp_path, tmp_path / "memory")
    with again.database:
        assert again.taken_back is None
        assert again.outbox.epoch == corner.outbox.epoch, "nothing new begins without a reason"


def test_a_case_that_was_cleared_in_memory_is_not_open_on_the_disk(tmp_path: Path) -> None:
    cleared = dataclasses.replace(OPEN_CASE, state="cleared")
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        corner.database.write(lambda c: save_case(c, OPEN_CASE)).result()
        corner.fail()
        corner.database.write(lambda c: save_case(c, cleared)).result()
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database, closing(corner.database.read()) as connection:
        assert connection.execute("SELECT state FROM cases").fetchall() == [("cleared",)]


def test_a_disk_that_has_lost_the_end_of_a_case_does_not_hide_the_one_that_came_after(
    tmp_path: Path,
) -> None:
    newer = dataclasses.replace(OPEN_CASE, case_id=RandomIds().new(CLOCK.now()))
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:  # the case was over, and the disk said that it had this
        corner.fail()
        corner.database.write(lambda c: save_case(c, newer)).result()
    with closing(sqlite3.connect(tmp_path / NAME)) as connection, connection:
        save_case(connection, OPEN_CASE)
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database, closing(corner.database.read()) as connection:
        states = dict(connection.execute("SELECT case_id, state FROM cases").fetchall())
        assert states == {OPEN_CASE.case_id: "cleared", newer.case_id: "open"}


def test_a_loss_goes_along_and_comes_back_once(tmp_path: Path) -> None:
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        corner.open_case()
        corner.outbox.set_aside([2], "too large", damaged=True).result()
        corner.fail()
        corner.open_case()
    query = "SELECT first, last, reason FROM losses"
    for _ in range(2):
        with corner.database, closing(corner.database.read()) as connection:
            assert connection.execute(query).fetchall() == [(2, 2, "damaged: too large")]
        corner = Storage(tmp_path, tmp_path / "memory")
    corner.database.close()


def test_what_the_platform_told_goes_along_and_comes_back(tmp_path: Path) -> None:
    """Else a command that is repeated is obeyed again, also a signed one."""
    corner = Storage(tmp_path, tmp_path / "memory")
    ids: list[tuple[Origin, str]] = [("signed", "c-1"), ("plain", "c-1"), ("signed", "c-2")]

    def told() -> list[tuple[str, str] | None]:
        with closing(corner.database.read()) as connection:
            return [answered(connection, *each) for each in ids]

    def tell(origin: Origin, command_id: str) -> None:
        corner.database.write(lambda c: remember(c, origin, command_id, "d", "{}", 2)).result()

    tell(*ids[0])
    tell(*ids[1])
    corner.database.write(lambda c: note_ticket(c, OPEN_CASE.case_id, "2026-7")).result()
    corner.fail()
    corner.open_case()
    assert corner.database.stood_in is not None
    assert told() == [("d", "{}")] * 2 + [None]
    tell(*ids[2])
    corner.database.write(lambda c: note_ticket(c, OPEN_CASE.case_id, "2026-8")).result()
    corner.database.close()
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        assert corner.database.stood_in is None
        assert told() == [("d", "{}")] * 3
        assert notes_in(corner.database, OPEN_CASE.case_id).ticket == "2026-8"
        tell("signed", "c-3")
        assert told() == [None, ("d", "{}"), ("d", "{}")], "the oldest goes first, as before"


MOVES = st.lists(st.sampled_from(["add", "add", "confirm", "fail", "restart", "lie"]), max_size=30)


@settings(max_examples=20, deadline=None)
@given(MOVES)
def test_however_often_the_disk_comes_and_goes_each_event_waits_once_until_it_is_confirmed(
    tmp_path_factory: pytest.TempPathFactory, moves: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("corner")
    corner = Storage(folder, folder / "memory")
    expected: list[str] = []
    epochs = [corner.outbox.epoch]
    for move in moves:
        if move == "add":
            expected.append(corner.open_case())
        elif move == "confirm" and expected:
            corner.confirm(expected.pop(len(expected) // 2))
        elif move == "fail" and corner.database.stood_in is None:
            corner.fail()
            corner.database.write(lambda c: save_state(c, "any", "thing")).result()
        elif move == "restart":
            corner.database.close()
            corner = Storage(folder, folder / "memory")
        elif move == "lie":  # a late word of an epoch that may be over
            corner.outbox.confirm([1], epochs[0] if corner.outbox.epoch != epochs[0] else "none")
        epochs.append(corner.outbox.epoch)
        assert corner.waiting() == expected
    with corner.database:
        numbers = [event["sequence"] for event in corner.events()]
        assert numbers == sorted(numbers)
        assert {event["epoch"] for event in corner.events()} <= {corner.outbox.epoch}


def test_memory_holds_a_bounded_part_of_what_waits_cases_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_fallback, "CARRIED_BYTES", 20_000)
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        drafts = [case_opened(CLOCK) for _ in range(40)]

        def add(connection: sqlite3.Connection) -> None:
            for number, draft in enumerate(drafts):
                corner.outbox.add(connection, draft, Lane.REST if number < 20 else Lane.CASE)

        corner.database.write(add).result()
        corner.fail()
        corner.database.write(lambda c: save_state(c, "any", "thing")).result()
        stood_in = corner.database.stood_in
        assert stood_in is not None
        assert stood_in.events + stood_in.left == 40
        assert 0 < stood_in.events < 40
        kept = corner.waiting()
    cases = [draft.event_id for draft in drafts[20:]]
    assert kept[: len(cases)] == cases[: len(kept)]
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        assert set(corner.waiting()) == {draft.event_id for draft in drafts}, "none is lost"


@pytest.mark.slow
def test_a_database_in_memory_has_a_budget_of_its_own(tmp_path: Path) -> None:
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database:
        corner.fail()
        padding = 20_000
        for _ in range(int(1.5 * STAND_IN_BYTES / padding)):
            draft = case_opened(CLOCK, padding=padding)
            corner.database.write(lambda c, d=draft: corner.outbox.add(c, d, Lane.REST))  # type: ignore[misc]
        corner.open_case()
        file = tmp_path / "memory" / DATABASE
        assert file.stat().st_size < 1.2 * STAND_IN_BYTES
        with closing(corner.database.read()) as connection:
            [lost] = connection.execute("SELECT sum(last - first + 1) FROM losses").fetchone()
        assert lost + len(corner.waiting()) == int(1.5 * STAND_IN_BYTES / padding) + 1


# --- real disks


@needs_root
def test_a_disk_that_gives_errors_in_the_middle_of_a_run_loses_nothing_that_waits(
    disk: Path, tmp_path: Path
) -> None:
    corner = Storage(disk, tmp_path / "memory")
    with corner.database:
        told = [corner.open_case() for _ in range(50)]
        remount(disk, "abort")
        told += [corner.open_case() for _ in range(50)]
        assert corner.database.stood_in is not None
        assert corner.waiting() == told


@needs_root
@pytest.mark.parametrize("ended", ["closed", "killed"])
def test_a_start_on_a_read_only_disk_goes_on_with_what_can_be_read_of_it(
    disk: Path, tmp_path: Path, ended: str
) -> None:
    told = in_a_process_of_its_own(disk, kill=ended == "killed")
    remount(disk, "ro")
    corner = Storage(disk, tmp_path / "memory")
    with corner.database:
        assert corner.database.stood_in is not None
        assert corner.waiting() == told
        told.append(corner.open_case())
        volatile = corner.outbox.epoch
    corner = Storage(disk, tmp_path / "memory")
    with corner.database:
        assert corner.outbox.epoch == volatile, "within one boot it is gone on with"
        assert corner.waiting() == told
    remount(disk, "rw")
    corner = Storage(disk, tmp_path / "memory")
    with corner.database:
        assert corner.database.stood_in is None
        assert corner.waiting() == told


def in_a_process_of_its_own(disk: Path, *, kill: bool) -> list[str]:
    """Fill a database and end in order or not at all; the ids of what waits."""
    script = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.support.storage_at_start import Storage
corner = Storage(Path(sys.argv[1]), Path(sys.argv[1]) / "memory")
print(*[corner.open_case() for _ in range(20)], flush=True)
if sys.argv[2] == "True":
    os._exit(9)
corner.database.close()
"""
    program = [sys.executable, "-c", script, str(disk), str(kill)]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    assert done.returncode in {0, 9}, done.stderr
    return done.stdout.split()


@needs_root
def test_a_folder_that_cannot_even_be_made_is_no_reason_to_stop(disk: Path, tmp_path: Path) -> None:
    remount(disk, "ro")
    corner = Storage(disk / "state", tmp_path / "memory")
    with corner.database:
        told = corner.open_case()
        assert corner.waiting() == [told]
    assert open_signer(disk / "keys", tmp_path / "keys").public.kid


@needs_root
def test_a_start_on_a_disk_without_a_free_block_is_made_in_memory(tmp_path: Path) -> None:
    with in_memory(tmp_path / "full", 4) as folder:
        fill(folder)
        corner = Storage(folder / "state", tmp_path / "memory")
        with corner.database:
            assert corner.database.stood_in is not None
            told = corner.open_case()
            assert corner.waiting() == [told]


def test_without_a_place_in_memory_the_error_is_the_disks(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(StorageError):
        open_database(tmp_path / NAME, check=False)


def kept_on(disk: Path, site: Path, *, street: DirectedStreet | None = None) -> None:
    """Let a site keep its state on a disk, and perhaps see a street that the test directs."""
    tables = tomllib.loads(site.read_text(encoding="utf-8"))
    tables["storage"]["state_dir"] = f"{disk}/state"
    if street is not None:
        tables |= tomllib.loads(street.section)
        tables["scenarios"] = {"misparked_bikes": {"allowed_s": 2, "clear_after_s": 1}}
    write_site(site.parent, tables)


@needs_root
@pytest.mark.slow
def test_an_agent_whose_disk_fails_goes_on_seeing_says_so_and_comes_back(
    broker: Broker,
    start_agent: Callable[[], subprocess.Popen[str]],
    disk: Path,
    tmp_path: Path,
) -> None:
    with directed_street() as street, broker.platform(lasting=True) as platform:
        kept_on(disk, tmp_path / "site.toml", street=street)

        def beats() -> list[HeartbeatBody]:
            return [e.body for e in platform.events if e.type == "device.heartbeat"]

        def storage() -> list[str]:
            return [each.storage.state for each in beats() if each.storage is not None]

        def news() -> list[str]:
            return [e.body.state for e in platform.events if e.type == "device.storage"]

        def cases(event_type: str) -> set[str]:
            told = [e for e in platform.events if e.type == event_type]
            return {e.body.case_id for e in told if isinstance(e.body, CaseBody)}

        def has_seen_it_stand() -> bool:
            """Whether the run on the repaired disk has seen more than a case would take to open anew."""
            last = beats()[-1]
            again = last.recovery is not None and last.recovery.began_after == "killed"
            return again and last.frames >= 50  # ten a second, and two seconds are allowed

        agent = start_agent()
        wait_until(lambda: "durable" in storage())
        remount(disk, "abort")
        wait_until(lambda: storage()[-1] == "volatile")
        street.shows_thing(there=True)
        wait_until(lambda: cases("case.opened"))
        [opened] = {e.event_id: e for e in platform.events if e.type == "case.opened"}.values()
        assert opened.body.evidence_fault, "the pictures are missing, and it is said why"
        assert agent.poll() is None
        agent.send_signal(signal.SIGKILL)
        agent.communicate(timeout=60)
        # A fresh mount, as after a repair: another image, for the kernel knows the old one as broken.
        subprocess.run(["umount", disk], check=True)
        shutil.copy(tmp_path / "disk.img", tmp_path / "repaired.img")
        subprocess.run(["mount", "-o", "loop", tmp_path / "repaired.img", disk], check=True)
        agent = start_agent()
        wait_until(lambda: "durable" in news())
        wait_until(lambda: storage()[-1] == "durable")
        wait_until(has_seen_it_stand)
        street.shows_thing(there=False)
        wait_until(lambda: cases("case.cleared"))
        agent.send_signal(signal.SIGTERM)
        _, log = agent.communicate(timeout=60)
        assert agent.returncode == 0, log
        assert news()[0] == "volatile"
        assert cases("case.opened") == cases("case.cleared") == {opened.body.case_id}


@needs_root
@pytest.mark.slow
def test_an_agent_goes_back_to_a_disk_that_takes_writes_again(
    broker: Broker,
    start_agent: Callable[[], subprocess.Popen[str]],
    disk: Path,
    tmp_path: Path,
) -> None:
    kept_on(disk, tmp_path / "site.toml")
    remount(disk, "ro")
    with broker.platform(lasting=True) as platform:

        def beats() -> list[HeartbeatBody]:
            return [e.body for e in platform.events if e.type == "device.heartbeat"]

        agent = start_agent()
        wait_until(lambda: platform.sequences("case.opened"))
        wait_until(lambda: any(each.storage for each in beats()))
        assert {each.storage.state for each in beats() if each.storage} == {"volatile"}
        remount(disk, "rw")
        _, log = agent.communicate(timeout=120)
        assert agent.returncode == 1
        assert "the disk can be written again" in log
        agent = start_agent()  # as systemd does
        wait_until(lambda: beats()[-1].storage == DURABLE)
        recovery = beats()[-1].recovery
        assert recovery is not None
        assert recovery.began_after == "disk_back"
        agent.send_signal(signal.SIGTERM)
        agent.communicate(timeout=60)
        assert agent.returncode == 0
        assert len({e.body.case_id for e in platform.events if e.type == "case.opened"}) == 1
