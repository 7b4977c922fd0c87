"""What is deleted leaves a signed tombstone, whoever deletes it and whatever comes between."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.identity import jws
from agent.protocol.events import DeletedEvent
from agent.protocol.evidence import Tombstone, digest_of, link_of
from agent.protocol.signed import read_record, tombstone_of
from agent.retention.case_pictures import CasePictures
from agent.storage.case_table import save_case
from agent.storage.evidence_chain import Deletion, note_deletions, with_manifests
from tests.support.cases import OPEN_CASE
from tests.support.drafts import case_opened
from tests.support.packed_cases import PackingDevice, packet_of
from tests.support.state_folder import hold_on


@pytest.fixture
def device(tmp_path: Path) -> PackingDevice:
    return PackingDevice(tmp_path, pictures_days=30, cases_days=180)


def tombstones(device: PackingDevice) -> list[Tombstone]:
    while device.writer.bury():
        pass
    found = [each for each in device.events() if isinstance(each, DeletedEvent)]
    for each in found:
        jws.verified(each.body.jws, device.signer.public)
    return [tombstone_of(each) for each in found]


def test_age_deletes_everything_of_a_case_and_leaves_its_tombstone(device: PackingDevice) -> None:
    case_id = device.packed()
    folder = device.folder / "evidence" / case_id
    files = list(folder.iterdir())
    device.passes()
    assert device.passes(days=31).deleted == {"age": 1}
    assert not folder.exists()
    [told] = tombstones(device)
    assert (told.case_id, told.why, told.files) == (case_id, "age", len(files))
    assert [each.stage for each in told.manifests] == ["opened", "cleared"]
    assert told.deleted_at == device.clock.now()


def test_a_full_disk_deletes_the_oldest_and_leaves_its_tombstone(device: PackingDevice) -> None:
    first = device.packed()
    device.packed()
    device.free_bytes = 0
    device.retention = device.begin()
    device.passes()
    assert {each.why for each in tombstones(device)} == {"room"}
    assert tombstones(device)[0].case_id == first


def test_the_chain_goes_on_unbroken_over_what_is_deleted(device: PackingDevice) -> None:
    first, held = device.packed(), device.packed()
    device.holds.set(hold_on(held))
    device.passes()
    device.passes(days=31)
    tombstones(device)
    device.packed()
    link = None
    for each in device.events():
        told = read_record(each.body.jws)
        assert told.previous == link
        link = link_of(link, digest_of(each.body.jws))
    assert [each.case_id for each in tombstones(device)] == [first]


def test_the_platform_hears_of_the_manifests_before_pictures_begin_to_age(
    device: PackingDevice,
) -> None:
    case_id = device.packed(cleared=False)
    draft = case_opened(device.clock)
    body = draft.body.model_copy(update={"case_id": case_id, "state": "cleared"})
    cleared = draft.model_copy(update={"type": "case.cleared", "body": body})
    device.database.write(lambda c: device.writer.pack(c, packet_of(cleared))).result()
    other = device.packed()
    device.database.write(
        lambda c: c.execute("UPDATE cases SET state = 'cleared' WHERE case_id = ?", (case_id,))
    ).result()
    # One event of the evidence waits: its case does not age.
    device.database.write(
        lambda c: c.execute(
            "UPDATE outbox SET arrived = 0 WHERE type = 'evidence.packed'"
            " AND json_extract(event, '$.body.case_id') = ?",
            (case_id,),
        )
    ).result()
    device.passes()
    device.passes(days=31)
    assert {each.case_id for each in tombstones(device)} == {other}


def test_a_cut_between_note_and_deletion_leaves_one_tombstone(
    device: PackingDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.packed()
    device.passes()
    with monkeypatch.context() as cut:

        def torn(*_: object) -> None:
            raise OSError("power cut")

        cut.setattr(CasePictures, "delete", torn)
        with pytest.raises(OSError, match="power cut"):
            device.passes(days=31)
    assert len(tombstones(device)) == 1
    device.begin()
    device.passes()
    assert device.kept() == set()
    assert len(tombstones(device)) == 1


def test_a_deletion_for_room_that_was_cut_short_is_finished_though_there_is_room_again(
    device: PackingDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = device.packed()
    with monkeypatch.context() as cut:

        def torn(*_: object) -> None:
            raise OSError("power cut")

        cut.setattr(CasePictures, "delete", torn)
        device.free_bytes = 0
        device.retention = device.begin()
        with pytest.raises(OSError, match="power cut"):
            device.passes()
    device.free_bytes = 10**12
    device.retention = device.begin()
    device.passes()
    assert [each.case_id for each in tombstones(device)] == [case_id]
    assert device.kept() == set(), "what is told to be deleted is"


def test_pictures_that_somebody_removed_are_missed(device: PackingDevice) -> None:
    case_id = device.packed()
    shutil.rmtree(device.folder / "evidence" / case_id)
    device.passes()
    [told] = tombstones(device)
    assert (told.case_id, told.why, told.deleted_at, told.files) == (case_id, "missing", None, 0)
    device.passes()
    assert len(tombstones(device)) == 1


def test_a_case_without_any_picture_is_not_missed_and_ends_with_its_row(
    device: PackingDevice,
) -> None:
    draft = case_opened(device.clock)
    packet = packet_of(draft)
    case = dataclasses.replace(
        OPEN_CASE, case_id=packet.case_id, place_id=packet.case_id, state="withdrawn"
    )

    def record(connection: sqlite3.Connection) -> None:
        save_case(connection, case)
        device.writer.pack(connection, packet)

    device.database.write(record).result()
    device.hear_evidence()
    device.passes()
    device.passes(days=31)
    assert tombstones(device) == []
    device.passes(days=150)
    assert device.count("cases") == 0
    [told] = tombstones(device)
    assert (told.case_id, told.files, told.deleted_at) == (packet.case_id, 0, None)


def test_what_no_export_can_need_is_forgotten_and_the_chain_still_goes_on(
    device: PackingDevice,
) -> None:
    for _ in range(3):
        device.packed()
    device.passes()
    device.passes(days=31)
    tombstones(device)
    device.hear_evidence()
    device.passes(days=181)
    device.passes()
    assert device.count("evidence_chain") == 1
    device.packed()
    *_, before, opened, _cleared = device.events()
    assert read_record(opened.body.jws).number == before.body.number + 1


def test_a_case_of_an_older_agent_has_a_tombstone_without_manifests(device: PackingDevice) -> None:
    case_id = device.case()
    device.passes()
    device.passes(days=31)
    [told] = tombstones(device)
    assert (told.case_id, told.manifests, told.files) == (case_id, (), 3)


def test_a_folder_that_is_no_cases_goes_without_a_tombstone_and_stops_none(
    device: PackingDevice,
) -> None:
    device.pictures("no case; x")
    case_id = device.case()
    device.passes()
    device.passes()
    device.passes(days=31)
    assert device.kept() == set()
    assert [each.case_id for each in tombstones(device)] == [case_id]


def test_what_was_packed_after_a_tombstone_keeps_no_other_from_its_own(
    device: PackingDevice,
) -> None:
    late, other = device.packed(), device.packed()

    def note(case_id: str) -> None:
        gone = Deletion(case_id, "missing", None, 0, 0)
        device.database.write(lambda c: note_deletions(c, [gone])).result()

    note(late)
    [first] = tombstones(device)
    draft = case_opened(device.clock)
    body = draft.body.model_copy(update={"case_id": late})
    withdrawn = draft.model_copy(update={"type": "case.withdrawn", "body": body})
    device.database.write(lambda c: device.writer.pack(c, packet_of(withdrawn))).result()
    device.database.write(lambda c: c.execute("DELETE FROM evidence_deletions").rowcount).result()
    note(late)
    note(other)
    assert [each.case_id for each in tombstones(device)] == [first.case_id, other]
    with closing(device.database.read()) as reader:
        assert not with_manifests(reader), "nothing of it is left to be deleted"
