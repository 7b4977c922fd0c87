"""Promises about the packet of a case: it is made after the case was told, once, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agent.evidence.packets import MOST_TRIES
from agent.perception.surroundings import Surroundings
from agent.protocol.signed import parts_of
from agent.retention.case_pictures import CasePictures
from agent.storage.errors import StorageError
from agent.storage.evidence_chain import Deletion, note_deletions
from tests.support.packing import AROUND, CASE_ID, SOMEBODY, STEPS, PacketDevice
from tests.support.paths import ROOT

ROLES = ["begin", "threshold", "close_up"]


@contextmanager
def opened(tmp_path: Path) -> Iterator[PacketDevice]:
    device = PacketDevice(tmp_path)
    with device.database:
        yield device


@pytest.fixture
def device(tmp_path: Path) -> Iterator[PacketDevice]:
    with opened(tmp_path) as made:
        made.tell()
        yield made


def manifests(device: PacketDevice) -> list[dict[str, Any]]:
    return [json.loads(parts_of(each.body.jws).payload) for each in device.events()]


def folder(device: PacketDevice) -> Path:
    return device.folder / "evidence" / CASE_ID


def test_a_case_gets_redacted_copies_a_manifest_and_its_two_pictures_queued(
    device: PacketDevice,
) -> None:
    assert device.packets().do_next()
    [manifest] = manifests(device)
    assert [each["role"] for each in manifest["pictures"]] == ROLES
    for each in manifest["pictures"]:
        content = (device.folder / "evidence" / each["redacted"]["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == each["redacted"]["sha256"]
        assert len(content) == each["redacted"]["size_bytes"]
        original = (device.folder / "evidence" / each["file"]).read_bytes()
        assert hashlib.sha256(original).hexdigest() == each["original"]["sha256"]
    assert [each["role"] for each in manifest["pictures"] if each["default"]] == ROLES[1:]
    assert device.queued() == [
        f"{CASE_ID}/close_up.redacted.jpg",
        f"{CASE_ID}/threshold.redacted.jpg",
    ]
    assert (folder(device) / "manifest-1.jws").exists()
    assert device.waiting == 0
    assert not device.packets().do_next()


def test_in_a_copy_nothing_can_be_seen_of_what_moved(device: PacketDevice) -> None:
    device.packets().do_next()

    def part(name: str) -> Any:
        shown = cv2.imread(str(folder(device) / name))
        assert shown is not None
        return SOMEBODY.pixels(shown.shape[1], shown.shape[0]).cut(np.asarray(shown, np.float64))

    before, after = part("threshold.jpg"), part("threshold.redacted.jpg")
    assert np.abs(np.diff(after, axis=0)).mean() < 0.3 * np.abs(np.diff(before, axis=0)).mean()


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        (Surroundings(), "masks_not_applied"),
        (Surroundings(masks_applied=True, view="steady"), "no_background"),
        (
            Surroundings(masks_applied=True, view="moved", difference=AROUND.difference),
            "view_moved",
        ),
    ],
)
def test_a_picture_that_cannot_be_redacted_does_not_leave_and_the_packet_says_why(
    tmp_path: Path, around: Surroundings, reason: str
) -> None:
    with opened(tmp_path) as device:
        device.tell(around)
        device.packets().do_next()
        [manifest] = manifests(device)
        assert {each["not_redacted"] for each in manifest["pictures"]} == {reason}
        assert {each["redacted"] for each in manifest["pictures"]} == {None}
        assert device.queued() == []
        assert list(folder(device).glob("*.redacted.jpg")) == []


@pytest.mark.parametrize(
    ("refused", "roles", "unredacted"),
    [
        ("threshold.jpg.part", ["begin", "close_up"], {}),
        ("threshold.context.json.part", ROLES, {"threshold": "context_missing"}),
    ],
)
def test_a_disk_that_did_not_take_a_picture_leaves_a_packet_that_says_so(
    tmp_path: Path, refused: str, roles: list[str], unredacted: dict[str, str]
) -> None:
    with opened(tmp_path) as device:
        (folder(device) / refused).mkdir(parents=True)
        device.tell()
        device.packets().do_next()
        [manifest] = manifests(device)
        assert [each["role"] for each in manifest["pictures"]] == roles
        found = {each["role"]: each["not_redacted"] for each in manifest["pictures"]}
        assert {role: code for role, code in found.items() if code} == unredacted
        assert (manifest["evidence_fault"] is None) is bool(unredacted)


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda where: (where / "threshold.jpg").unlink(), "picture_damaged"),
        (lambda where: altered(where / "threshold.jpg"), "picture_damaged"),
        (lambda where: (where / "threshold.context.json").unlink(), "context_missing"),
        (lambda where: (where / "threshold.context.json").write_text(""), "context_missing"),
    ],
)
def test_a_missing_or_altered_part_costs_that_picture_alone(
    device: PacketDevice, harm: Callable[[Path], object], reason: str
) -> None:
    harm(folder(device))
    device.packets().do_next()
    [manifest] = manifests(device)
    found = {each["role"]: each["not_redacted"] for each in manifest["pictures"]}
    assert found == {"begin": None, "threshold": reason, "close_up": None}
    assert device.queued() == [f"{CASE_ID}/close_up.redacted.jpg"]


@pytest.mark.parametrize("step", STEPS)
def test_a_power_cut_at_any_step_leaves_one_manifest_and_the_same_copies(
    tmp_path: Path, step: str
) -> None:
    with opened(tmp_path) as device:
        device.tell()
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.packing", str(tmp_path), step], check=False, cwd=ROOT
    )
    assert done.returncode == -signal.SIGKILL
    with opened(tmp_path) as device:
        if step == "keep":
            assert device.waiting == 0
            device.writer.keep(CASE_ID, folder(device))
        else:
            assert device.waiting == 1
            assert device.packets().do_next()
        [manifest] = manifests(device)
        assert manifest["number"] == 1
        for each in manifest["pictures"]:
            content = (device.folder / "evidence" / each["redacted"]["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == each["redacted"]["sha256"]
        assert len(device.queued()) == 2
        assert device.waiting == 0
        assert (folder(device) / "manifest-1.jws").exists()
        assert not list(folder(device).glob("*.part"))


def test_a_disk_that_takes_no_copy_lets_the_job_wait_however_often(device: PacketDevice) -> None:
    in_the_way = folder(device) / "threshold.redacted.jpg.part"
    in_the_way.mkdir()
    for _ in range(MOST_TRIES + 2):
        with pytest.raises(OSError, match="threshold"):
            device.packets().do_next()
    assert device.waiting == 1
    assert device.events() == []
    in_the_way.rmdir()
    device.packets().do_next()
    [manifest] = manifests(device)
    assert all(each["redacted"] for each in manifest["pictures"]), "no try was lost by it"


def test_what_ends_the_process_again_and_again_is_told_without_copies(
    tmp_path: Path, device: PacketDevice
) -> None:
    def hang(step: str) -> None:
        if step == "redact 1":
            raise KeyboardInterrupt

    for _ in range(MOST_TRIES):
        with pytest.raises(KeyboardInterrupt):
            device.packets(hang).do_next()
    device.packets(hang).do_next()
    [manifest] = manifests(device)
    assert {each["not_redacted"] for each in manifest["pictures"]} == {"model_refused"}
    assert device.waiting == 0


def test_the_job_of_a_case_that_is_deleted_is_dropped(device: PacketDevice) -> None:
    device.withdraw()
    assert device.packets().do_next()
    assert device.waiting == 0
    assert device.events() == []


def test_the_job_of_a_case_whose_pictures_are_deleted_is_dropped(device: PacketDevice) -> None:
    """Its tombstone says it; a folder that came again would hold a manifest and nothing else."""
    gone = Deletion(CASE_ID, "room", None, 7, 1)
    device.database.write(lambda connection: note_deletions(connection, [gone])).result()
    CasePictures(device.folder / "evidence").delete(CASE_ID)
    assert device.writer.bury() == 1
    assert device.packets().do_next()
    assert device.waiting == 0
    assert [each.type for each in device.events()] == ["evidence.deleted"]
    assert not folder(device).exists()


def test_a_database_that_takes_nothing_lets_the_job_wait(device: PacketDevice) -> None:
    def refuse(step: str) -> None:
        if step == "queued":
            raise StorageError(device.folder, "full", full=True)

    with pytest.raises(StorageError):
        device.packets(refuse).do_next()
    assert (device.waiting, device.events(), device.queued()) == (1, [], [])
    device.packets().do_next()
    assert len(device.events()) == 1


@pytest.mark.parametrize("fault", [ValueError("a fault of ours"), PermissionError("no")])
def test_a_job_that_cannot_be_done_lets_the_others_go_first(
    device: PacketDevice, fault: Exception
) -> None:
    def also_cleared(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO evidence_job (case_id, stage, event)"
            " SELECT case_id, 'cleared', event FROM evidence_job"
        )

    device.database.write(also_cleared).result()

    def refuse(step: str) -> None:
        if step == "pack":
            raise fault

    with pytest.raises(type(fault)):
        device.packets(refuse).do_next()
    assert device.packets().do_next()
    assert [each["stage"] for each in manifests(device)] == ["cleared"]
    assert device.packets().do_next(), "it is not forgotten"
    assert [each["stage"] for each in manifests(device)] == ["cleared", "opened"]
    assert device.waiting == 0
