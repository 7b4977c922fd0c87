"""Every stage of a case has one signed manifest, and all of a device form one chain."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.evidence.manifest import thresholds_sha256
from agent.identity import jws
from agent.identity.signing_key import Signer
from agent.protocol.events import DeletedEvent, PackedEvent
from agent.protocol.evidence import digest_of, link_of
from agent.protocol.signed import decoded, manifest_of, read_record, tombstone_of
from agent.storage.errors import StorageError
from agent.storage.evidence_chain import Deletion, note_deletions
from tests.support.drafts import case_opened
from tests.support.packed_cases import PackingDevice, packet_of


@pytest.fixture
def device(tmp_path: Path) -> PackingDevice:
    return PackingDevice(tmp_path)


def bury(device: PackingDevice, case_id: str) -> None:
    deletion = Deletion(case_id, "age", device.clock.now().timestamp(), 5, 1234)
    device.database.write(lambda connection: note_deletions(connection, [deletion])).result()
    assert device.writer.bury() == 1


def test_a_manifest_says_what_was_on_the_disk_and_by_what_it_was_judged(
    device: PackingDevice,
) -> None:
    case_id = device.packed()
    opened, cleared = device.events()
    assert isinstance(opened, PackedEvent)
    assert isinstance(cleared, PackedEvent)
    jws.verified(opened.body.jws, device.signer.public)
    told = manifest_of(opened)
    for each in told.pictures:
        content = (device.folder / "evidence" / each.file).read_bytes()
        assert each.original.sha256 == hashlib.sha256(content).hexdigest()
        assert each.redacted is not None
        copy = (device.folder / "evidence" / each.redacted.file).read_bytes()
        assert (each.redacted.sha256, each.redacted.size_bytes) == (
            hashlib.sha256(copy).hexdigest(),
            len(copy),
        )
    assert [each.role for each in told.pictures] == ["begin", "threshold", "close_up"]
    assert told.legal.legal_review_no == "L-1"
    assert told.legal.tech_review_no is None
    assert told.thresholds_sha256 == thresholds_sha256(device.configuration)
    assert (told.stage, manifest_of(cleared).stage) == ("opened", "cleared")
    assert told.case_id == case_id


def test_the_times_of_a_manifest_are_to_the_letter_those_of_the_cases_event(
    device: PackingDevice,
) -> None:
    device.packed(cleared=False)
    [packed] = device.events()
    with closing(device.database.read()) as connection:
        query = "SELECT event FROM outbox WHERE type = 'case.opened' UNION SELECT event FROM kept"
        events = [json.loads(text) for (text,) in connection.execute(query)]
    [event] = [each for each in events if each["type"] == "case.opened"]
    signed = json.loads(decoded(packed.body.jws.split(".")[1]))
    assert signed["occurred_at"] == event["occurred_at"]
    for name in ("began_at", "opened_at", "last_present_at"):
        assert signed[name] == event["body"][name]
        assert signed[name].endswith("+08:00")
    since = [each["since"] for each in event["body"]["members"]]
    assert [each["since"] for each in signed["members"]] == since


def test_each_record_follows_the_link_of_the_one_before(device: PackingDevice) -> None:
    first = device.packed()
    device.packed()
    bury(device, first)
    link = None
    events = device.events()
    assert [each.body.number for each in events] == [1, 2, 3, 4, 5]
    for each in events:
        told = read_record(each.body.jws)
        assert told.previous == link
        link = link_of(link, digest_of(each.body.jws))


def test_a_stage_is_packed_once_however_often_it_is_asked_for(device: PackingDevice) -> None:
    draft = case_opened(device.clock)
    for _ in range(2):
        device.database.write(lambda c: device.writer.pack(c, packet_of(draft))).result()
    [event] = device.events()
    assert event.body.number == 1


def test_what_is_rolled_back_leaves_no_number_and_no_event(device: PackingDevice) -> None:
    lost, kept = case_opened(device.clock), case_opened(device.clock)

    def torn(connection: sqlite3.Connection) -> None:
        device.writer.pack(connection, packet_of(lost))
        raise ValueError("power cut")

    with pytest.raises(ValueError, match="power cut"):
        device.database.write(torn).result()
    device.database.write(lambda c: device.writer.pack(c, packet_of(kept))).result()
    [event] = device.events()
    told = read_record(event.body.jws)
    assert (told.number, told.previous, told.case_id) == (1, None, packet_of(kept).case_id)


def test_the_manifests_lie_beside_the_pictures_and_come_back_if_they_are_lost(
    device: PackingDevice,
) -> None:
    case_id = device.packed()
    folder = device.folder / "evidence" / case_id
    told = {f"manifest-{each.body.number}.jws": each.body.jws for each in device.events()}
    assert {path.name: path.read_text() for path in folder.glob("manifest-*")} == told
    for path in folder.glob("manifest-*"):
        path.unlink()
    device.writer.keep(case_id, folder)
    assert {path.name: path.read_text() for path in folder.glob("manifest-*")} == told


def test_a_new_database_begins_a_chain_above_the_numbers_that_lie_on_the_disk(
    tmp_path: Path,
) -> None:
    before = PackingDevice(tmp_path)
    before.packed()
    before.database.close()
    for path in before.folder.glob("kerbwatch.sqlite3*"):
        path.unlink()
    after = PackingDevice(tmp_path)
    after.packed(cleared=False)
    [event] = after.events()
    told = read_record(event.body.jws)
    assert (told.number, told.previous) == (3, None)
    assert told.epoch != before.outbox.epoch


def test_a_tombstone_names_the_manifests_and_leaves_their_digests(device: PackingDevice) -> None:
    case_id = device.packed()
    manifests = [each.body.jws for each in device.events()]
    bury(device, case_id)
    *_, event = device.events()
    assert isinstance(event, DeletedEvent)
    told = tombstone_of(event)
    jws.verified(event.body.jws, device.signer.public)
    assert [each.sha256 for each in told.manifests] == [digest_of(each) for each in manifests]
    assert (told.why, told.files, told.size_bytes) == ("age", 5, 1234)
    assert device.writer.bury() == 0
    assert device.count("evidence_chain WHERE jws IS NULL") == 2


def test_the_key_that_is_put_in_anothers_place_goes_on_with_the_chain(
    device: PackingDevice, tmp_path: Path
) -> None:
    device.packed(cleared=False)
    device.writer = device.manifests(Signer(tmp_path / "other"))
    device.packed(cleared=False)
    first, second = device.events()
    jws.verified(first.body.jws, device.signer.public)
    with pytest.raises(jws.NotVerifiedError):
        jws.verified(second.body.jws, device.signer.public)
    told = read_record(second.body.jws)
    assert told.previous == link_of(None, digest_of(first.body.jws))


def test_without_a_key_nothing_is_queued(device: PackingDevice, tmp_path: Path) -> None:
    signer = Signer(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    writer = device.manifests(signer)
    with pytest.raises((OSError, StorageError), match="not a private key"):
        device.database.write(
            lambda c: writer.pack(c, packet_of(case_opened(device.clock)))
        ).result()
    assert device.events() == []


def test_thresholds_that_nobody_gave_are_hashed_too(device: PackingDevice) -> None:
    given = {"misparked_bikes": {"allowed_s": 180.0}}
    same = device.configuration.model_copy(update={"scenarios": given})
    other = device.configuration.model_copy(
        update={"scenarios": {"misparked_bikes": {"allowed_s": 60}}}
    )
    assert thresholds_sha256(same) == thresholds_sha256(device.configuration)
    assert thresholds_sha256(other) != thresholds_sha256(device.configuration)
