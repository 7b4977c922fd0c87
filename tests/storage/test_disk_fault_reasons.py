"""A disk that takes nothing is told for what is wrong with it: by pictures, cases, log, check and heartbeat."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from agent.analysis import reference_image
from agent.analysis.sample_collection import SampleCollection
from agent.audit import AuditLog
from agent.audit.log import AuditError
from agent.config.schema import CollectionSection
from agent.domain.case_lifecycle import Change
from agent.domain.scene import Box, Doubt
from agent.evidence.picture_files import EvidenceError
from agent.evidence.pictures import Evidence
from agent.retention.selection import Kept, choose
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.telemetry.machine_gauges import MachineGauges
from drivers.cameras import Frame
from drivers.inodes import Inodes
from drivers.testing import FakeClock
from provisioning.check import machine
from provisioning.rendering import drawing
from tests.support.cases import OPEN_CASE, OPENED
from tests.support.small_disks import in_memory_or_skip
from tests.support.state_folder import StateFolder
from wording.known_errors import words_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
PICTURE = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)
FRAME = Frame("street", 0, PICTURE[..., 0], lambda: PICTURE, 10.0, AT)
CLEARED = Change("case.cleared", OPEN_CASE, None)
NO_INODES, READ_ONLY, FULL = "no inodes are left", "Read-only file system", "No space left"

rooted = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with in_memory_or_skip(tmp_path / "disk", 8.4, inodes=64) as folder:
        yield folder


def without_inodes(disk: Path) -> None:
    for number in range(1000):
        try:
            (disk / f"small-{number}").touch()
        except OSError:
            return
    raise AssertionError


def read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def full(disk: Path) -> None:
    with (disk / "large").open("wb", buffering=0) as opened:
        try:
            while True:
                opened.write(bytes(4096))
        except OSError:
            return


SPOILT = [(without_inodes, NO_INODES), (read_only, READ_ONLY), (full, FULL)]
Spoil = Callable[[Path], None]


@rooted
@pytest.mark.parametrize(("spoil", "word"), SPOILT)
@pytest.mark.parametrize("begun", [True, False])
def test_an_event_says_why_it_has_no_picture(
    spoil: Spoil, word: str, begun: bool, disk: Path
) -> None:
    evidence = Evidence(disk / "evidence", 90, 0.5) if begun else None
    spoil(disk)
    evidence = evidence or Evidence(disk / "evidence", 90, 0.5)
    with pytest.raises(EvidenceError) as refused:
        evidence.pictures_of(CLEARED, FRAME)
    assert word in refused.value.reason
    assert "No such file" not in refused.value.reason


@rooted
@pytest.mark.parametrize(("spoil", "word"), SPOILT)
def test_a_first_picture_that_is_not_kept_is_logged_with_the_reason(
    spoil: Spoil, word: str, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(disk)
    Evidence(disk / "evidence", 90, 0.5).await_cases("vending", {"kerb": 1.0}, FRAME)
    assert "no picture of a stay's beginning" in caplog.text
    assert word in caplog.text
    assert "No such file" not in caplog.text


def test_a_folder_that_was_deleted_is_made_again_and_first_pictures_are_kept(
    tmp_path: Path,
) -> None:
    evidence = Evidence(tmp_path / "evidence", 90, 0.5)
    (tmp_path / "evidence" / "pending").rmdir()
    evidence.await_cases("vending", {"kerb": 1.0}, FRAME)
    assert len(list((tmp_path / "evidence" / "pending").glob("*.jpg"))) == 1


def test_a_first_picture_that_is_gone_is_told_so(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "evidence", 90, 0.5)
    evidence.await_cases(OPENED.case.kind, {OPENED.case.zone_id: 1.0}, FRAME)
    for path in (tmp_path / "evidence" / "pending").iterdir():
        path.unlink()
    with pytest.raises(EvidenceError) as refused:
        evidence.pictures_of(OPENED, FRAME)
    assert refused.value.reason == "the picture of the stay's beginning is missing"
    assert [each.role for each in refused.value.kept] == ["threshold", "close_up"]


@rooted
@pytest.mark.parametrize(("spoil", "word"), SPOILT)
def test_crops_commissioning_strips_and_the_audit_log_say_why(
    spoil: Spoil, word: str, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(disk)
    consent = CollectionSection.model_validate({"consent": "a test's"})
    doubt = Doubt("kerb", "bin", 0.5, Box(0, 0, 1, 1))
    SampleCollection(disk / "collection", consent, lambda _: [], ()).consider("bin", [doubt], FRAME)
    assert word in caplog.text
    for attempt in (
        lambda: reference_image.keep(disk, FRAME, []),
        lambda: drawing.save(disk / "strip.jpg", PICTURE),
    ):
        with pytest.raises(OSError, match=r".") as failed:
            attempt()
        assert word in words_of(failed.value)
    with pytest.raises(AuditError) as refused:
        AuditLog(disk / "audit", FakeClock(AT)).append("something")
    assert word in refused.value.reason


@rooted
@pytest.mark.parametrize(("spoil", "word"), SPOILT)
def test_a_database_that_cannot_be_opened_says_why(spoil: Spoil, word: str, disk: Path) -> None:
    with Database(disk / "kerbwatch.sqlite3"):
        pass
    for beside in ("kerbwatch.sqlite3-wal", "kerbwatch.sqlite3-shm"):
        (disk / beside).unlink(missing_ok=True)
    (disk / "kerbwatch.sqlite3.ballast").unlink(missing_ok=True)
    spoil(disk)
    with pytest.raises(StorageError) as refused, Database(disk / "kerbwatch.sqlite3") as database:
        database.write(lambda c: c.execute("CREATE TABLE more (x)")).result()
    assert word in refused.value.reason


@rooted
def test_check_and_heartbeat_count_what_the_disk_can_still_hold(disk: Path) -> None:
    gauges = MachineGauges(disk, Path("/nowhere"))
    before = gauges.disk()
    assert before.total_inodes == 64
    assert before.free_inodes is not None
    without_inodes(disk)
    assert gauges.disk().free_inodes == 0
    [finding] = machine._inodes(disk)
    assert finding.severity == "fault"
    assert "room for 0 more files, of 64" in finding.what


def test_a_disk_with_many_inodes_left_is_in_order(tmp_path: Path) -> None:
    [finding] = machine._inodes(tmp_path)
    assert (finding.severity, finding.code) == ("ok", "disk_inodes")


def kept(number: int, **more: object) -> Kept:
    told = {
        "size_bytes": 10,
        "recorded": number,
        "over": True,
        "heard": True,
        "kept_s": 0.0,
        "held": False,
    }
    return Kept(case_id=f"case-{number}", inodes=5, **(told | more))  # type: ignore[arg-type]


def test_where_inodes_run_out_the_oldest_cases_go_until_there_are_enough() -> None:
    everything = [kept(1, held=True), kept(2), kept(3, over=False), kept(4), kept(5)]
    going = choose(everything, days=30, budget_bytes=1e9, wanted_bytes=0, wanted_inodes=6)
    assert [(each.case_id, each.why) for each in going] == [("case-2", "room"), ("case-4", "room")]


def test_retention_frees_by_count_and_says_what_it_could_not(tmp_path: Path) -> None:
    device = StateFolder(tmp_path)
    cases = [device.case() for _ in range(10)]
    device.inodes = Inodes(total=1000, free=45)
    outcome = device.passes()
    assert device.kept() < set(cases), "a twentieth of 1000 is 50: one case's files make room"
    assert outcome.deleted == {"room": 10 - len(device.kept())}
    device.inodes = Inodes(total=1000, free=0)
    device.passes()
    assert device.passes().short_inodes == 50
    assert device.kept() == set()
    device.database.close()
