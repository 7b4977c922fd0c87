"""Folder and database are held against each other: nothing that a manifest names is thrown away."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from kerbwatch_platform import evidence
from kerbwatch_platform.evidence import files, folder, hourly, notices
from kerbwatch_platform.evidence.commands import check_evidence
from kerbwatch_platform.evidence.sweep import Swept, sweep

from tests.support.evidence_desk import City
from tests.support.packed_cases import jpeg


def with_pictures(city: City) -> tuple[str, dict[str, bytes]]:
    """A case whose pictures are here."""
    city.knows_the_key()
    case_id = city.device.packed(cleared=False)
    city.hears()
    copies = city.copies(case_id)
    for content in copies.values():
        city.sends(content)
    assert city.states(case_id)["begin"] == ("verified", None)
    return case_id, copies


def unmounted(city: City) -> Path:
    """The disk of the evidence folder is away, and an empty folder stands in its place; where it is."""
    place = city.settings.evidence_folder
    away = place.with_name("elsewhere")
    place.rename(away)
    place.mkdir()
    return away


def told(city: City, *words: str) -> tuple[int, str]:
    """Exit code of ``check-evidence`` and what it says."""
    settings = city.settings
    path = settings.evidence_folder.with_name("settings.toml")
    path.write_text(
        f'database = "{settings.database}"\nbroker = "mqtt://localhost"\n'
        f'evidence_folder = "{settings.evidence_folder}"\n'
        f'signing_key_file = "{settings.signing_key_file}"\n'
    )
    done = CliRunner().invoke(check_evidence, list(words), obj=path)
    return done.exit_code, done.output


def test_after_a_backup_was_restored_a_file_without_a_row_is_found_by_its_manifest(
    city: City,
) -> None:
    """The device was told that it arrived, and does not send it again."""
    city.knows_the_key()
    case_id = city.device.packed(cleared=False)
    copy = city.copies(case_id)["begin"]
    city.sends(copy)
    city.connection.execute("DELETE FROM evidence_file")  # what an old backup does not have
    sha256 = hashlib.sha256(copy).hexdigest()
    assert sweep(city.connection, city.settings) == Swept(found=0, deleted=0, lost=0, unnamed=1)
    city.hears()  # the manifest has come again
    assert city.states(case_id)["begin"] == ("awaited", None)
    assert sweep(city.connection, city.settings) == Swept(found=1, deleted=0, lost=0, unnamed=0)
    assert city.states(case_id)["begin"] == ("verified", None)
    assert evidence.shown(city.connection, city.settings, sha256) == copy


def test_what_nobody_names_for_a_month_and_what_was_never_finished_is_deleted(city: City) -> None:
    folder.need(city.connection, city.settings)
    sha256 = files.put(city.settings.evidence_folder, jpeg("nobody's", 160, 90))
    half = city.settings.evidence_folder / files.INCOMING / "half"
    half.write_bytes(b"x")
    os.utime(half, (0, 0))
    # Its own date, and so a clock that was set, makes it no older.
    os.utime(city.settings.evidence_folder / files.path_of(sha256), (0, 0))
    assert sweep(city.connection, city.settings).deleted == 1, "the unfinished one alone"
    city.lives(days=29)
    assert sweep(city.connection, city.settings).unnamed == 1
    city.lives(days=1)
    assert sweep(city.connection, city.settings) == Swept(found=0, deleted=1, lost=0, unnamed=0)
    assert list(files.lying(city.settings.evidence_folder)) == []


def test_a_file_that_is_gone_or_another_is_said_and_may_come_again(city: City) -> None:
    city.knows_the_key()
    case_id = city.device.packed(cleared=False)
    city.hears()
    copies = city.copies(case_id)
    for content in copies.values():
        city.sends(content)
    gone, changed = (hashlib.sha256(copies[role]).hexdigest() for role in ("begin", "threshold"))
    (city.settings.evidence_folder / files.path_of(gone)).unlink()
    place = city.settings.evidence_folder / files.path_of(changed)
    place.write_bytes(place.read_bytes()[:-1] + b"x")
    assert sweep(city.connection, city.settings).lost == 1, "by name and size, as every hour"
    assert sweep(city.connection, city.settings, whole=True).lost == 1, "by its hash"
    states = city.states(case_id)
    assert states["begin"] == states["threshold"] == ("awaited", "content_lost")
    assert states["close_up"] == ("verified", None)
    assert city.sends(copies["begin"]) == [(gone, len(copies["begin"]))]
    assert city.states(case_id)["begin"] == ("verified", None)


def test_a_disk_that_is_not_mounted_costs_no_picture_and_is_said(city: City) -> None:
    case_id, copies = with_pictures(city)
    before = city.states(case_id)
    away = unmounted(city)
    with pytest.raises(folder.NotOursError, match="may not be mounted"):
        sweep(city.connection, city.settings)
    assert "may not be mounted" in (hourly.hold_against_each_other(city.settings) or "")
    assert told(city)[0] == 5
    assert city.states(case_id) == before
    [notice] = notices.standing(city.connection)
    assert notice.code == "folder_unmarked"
    assert str(city.settings.evidence_folder) in notice.words("zh_CN")
    city.settings.evidence_folder.rmdir()
    with pytest.raises(folder.NotOursError):
        sweep(city.connection, city.settings)
    assert [each.code for each in notices.standing(city.connection)] == ["folder_missing"]
    away.rename(city.settings.evidence_folder)
    assert sweep(city.connection, city.settings) == Swept(found=0, deleted=0, lost=0, unnamed=0)
    assert notices.standing(city.connection) == []
    assert city.states(case_id) == before
    assert evidence.shown(
        city.connection, city.settings, hashlib.sha256(copies["begin"]).hexdigest()
    )


def test_no_picture_is_stored_where_it_would_vanish_when_the_disk_is_back(
    city: City, large: bytes
) -> None:
    """It is not confirmed, and the device sends it again; events beside it are taken."""
    with_pictures(city)
    away = unmounted(city)
    sha256 = hashlib.sha256(large).hexdigest()
    for _ in range(2):
        assert city.sends(large) == [(sha256, 0)]
    assert list(files.lying(city.settings.evidence_folder)) == []
    city.settings.evidence_folder.rmdir()
    away.rename(city.settings.evidence_folder)
    last = city.pieces(large)[-1:]
    assert evidence.take(city.connection, city.settings, last) == {
        city.place: [(sha256, len(large))]
    }
    assert city.rows("SELECT count(*) FROM picture_piece") == [(0,)]


def test_the_folder_of_another_database_is_left_alone_until_a_person_says_otherwise(
    city: City,
) -> None:
    """Settings that name the wrong database, or an empty one, would find that nobody names anything."""
    _, copies = with_pictures(city)
    city.connection.execute("DELETE FROM evidence_folder")
    city.connection.execute("DELETE FROM evidence_file")
    for known in (False, True):
        if known:
            city.connection.execute("INSERT INTO evidence_folder (id) VALUES (%s)", (uuid4(),))
        with pytest.raises(folder.NotOursError, match="another database"):
            sweep(city.connection, city.settings)
    assert told(city)[0] == 5
    assert len(list(files.lying(city.settings.evidence_folder))) == len(copies)
    code, said = told(city, "--this-is-the-folder")
    assert (code, f"{len(copies)} found again" in said) == (0, True), said
    assert notices.standing(city.connection) == []


def test_a_new_disk_is_taken_when_a_person_says_so_and_what_it_lacks_may_come_again(
    city: City,
) -> None:
    case_id, copies = with_pictures(city)
    unmounted(city)
    code, said = told(city, "--this-is-the-folder")
    assert (code, f"{len(copies)} lost" in said) == (1, True), said
    assert city.states(case_id)["begin"] == ("awaited", "content_lost")
    city.sends(copies["begin"])
    assert city.states(case_id)["begin"] == ("verified", None)


def test_a_folder_of_before_the_mark_gets_it_if_a_file_of_a_row_is_there(city: City) -> None:
    with_pictures(city)
    place = city.settings.evidence_folder / folder.MARK

    def as_before() -> None:
        place.unlink(missing_ok=True)
        city.connection.execute("DELETE FROM evidence_folder")

    as_before()
    assert sweep(city.connection, city.settings).lost == 0
    assert place.is_file()
    as_before()
    unmounted(city)
    with pytest.raises(folder.NotOursError):
        sweep(city.connection, city.settings)
    assert not place.exists()


def test_files_that_were_lost_while_their_disk_was_away_are_found_again(city: City) -> None:
    case_id, copies = with_pictures(city)
    city.connection.execute("UPDATE evidence_file SET state = 'lost', why = 'content_lost'")
    assert sweep(city.connection, city.settings).found == len(copies)
    assert city.states(case_id)["begin"] == ("verified", None)
    assert sweep(city.connection, city.settings).found == 0


def test_pieces_that_never_became_a_picture_do_not_stay(city: City, large: bytes) -> None:
    evidence.take(city.connection, city.settings, city.pieces(large)[:2])
    city.connection.execute("UPDATE picture_piece SET arrived_at = now() - interval '8 days'")
    sweep(city.connection, city.settings)
    assert city.rows("SELECT count(*) FROM picture_piece") == [(0,)]
