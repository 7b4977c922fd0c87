"""Folder and database are held against each other: nothing that a manifest names is thrown away."""

from __future__ import annotations

import hashlib
import os
import time

from kerbwatch_platform import evidence
from kerbwatch_platform.evidence import files
from kerbwatch_platform.evidence.sweep import Swept, sweep

from tests.support.evidence_desk import City
from tests.support.packed_cases import jpeg

LONG_AGO_S = 40 * 86_400


def aged(city: City, sha256: str, seconds: float = LONG_AGO_S) -> None:
    then = time.time() - seconds
    os.utime(city.settings.evidence_folder / files.path_of(sha256), (then, then))


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
    aged(city, sha256, 10 * 86_400)
    assert sweep(city.connection, city.settings) == Swept(found=0, deleted=0, lost=0, unnamed=1)
    city.hears()  # the manifest has come again
    assert city.states(case_id)["begin"] == ("awaited", None)
    assert sweep(city.connection, city.settings) == Swept(found=1, deleted=0, lost=0, unnamed=0)
    assert city.states(case_id)["begin"] == ("verified", None)
    assert evidence.shown(city.connection, city.settings, sha256) == copy


def test_what_nobody_names_for_a_month_and_what_was_never_finished_is_deleted(city: City) -> None:
    sha256 = files.put(city.settings.evidence_folder, jpeg("nobody's", 160, 90))
    half = city.settings.evidence_folder / files.INCOMING / "half"
    half.write_bytes(b"x")
    os.utime(half, (0, 0))
    assert sweep(city.connection, city.settings).deleted == 1, "the unfinished one alone"
    aged(city, sha256)
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


def test_a_folder_that_was_not_mounted_for_an_hour_costs_no_picture(city: City) -> None:
    city.knows_the_key()
    case_id = city.device.packed(cleared=False)
    city.hears()
    copies = city.copies(case_id)
    for content in copies.values():
        city.sends(content)
    before = city.states(case_id)
    assert before["begin"] == ("verified", None)
    folder = city.settings.evidence_folder
    folder.rename(folder.with_name("elsewhere"))
    folder.mkdir()
    assert sweep(city.connection, city.settings).lost == len(copies)
    assert city.states(case_id)["begin"] == ("awaited", "content_lost")
    folder.rmdir()
    folder.with_name("elsewhere").rename(folder)
    told = sweep(city.connection, city.settings)
    assert told == Swept(found=len(copies), deleted=0, lost=0, unnamed=0)
    assert city.states(case_id) == before
    assert sweep(city.connection, city.settings).found == 0


def test_pieces_that_never_became_a_picture_do_not_stay(city: City, large: bytes) -> None:
    evidence.take(city.connection, city.settings, city.pieces(large)[:2])
    city.connection.execute("UPDATE picture_piece SET arrived_at = now() - interval '8 days'")
    sweep(city.connection, city.settings)
    assert city.rows("SELECT count(*) FROM picture_piece") == [(0,)]
