"""Reviewers hold cases, administrators delete their pictures before their time, and the desk says what became of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from kerbwatch_platform.evidence import files, keeping, retention
from kerbwatch_platform.evidence.keeping import Own
from kerbwatch_platform.store import lived
from kerbwatch_platform.web.roles import Role

from tests.support.desk import RunningDesk
from tests.support.desk_city import Case, Device
from tests.support.desk_visitor import Visitor, words_of
from tests.support.packed_cases import jpeg

pytestmark = pytest.mark.slow


def pictured(desk: RunningDesk, seed: str) -> tuple[tuple[str, str, str], str]:
    """A case with a picture, seen by a pass: which, and the picture's hash."""
    content = jpeg(seed, 320, 180)
    sha256 = hashlib.sha256(content).hexdigest()
    with desk.connect() as connection:
        case = Case(Device(connection, f"corner-{seed}"), datetime.now(UTC) - timedelta(hours=2))
        case.clears(datetime.now(UTC) - timedelta(hours=1))
        tenant, device, case_id = case.id
        connection.execute(
            "INSERT INTO evidence_record (tenant, device, event_id, case_id, stage, number, digest, jws)"
            " VALUES (%s, %s, 'e', %s, 'opened', 1, '', '')",
            case.id,
        )
        connection.execute(
            "INSERT INTO evidence_named VALUES (%s, %s, 'e', 1, %s, 'opened', 'begin', 'f', now(), '', %s)",
            (*case.id, sha256),
        )
        with connection.transaction():
            keeping.lock(connection, [(tenant, device)])
            keeping.keep(
                connection, desk.settings, Own(tenant, device, sha256), content, over="pieces"
            )
        retention.run(connection, desk.settings)
    return (tenant, device, case_id), sha256


def there(desk: RunningDesk, sha256: str) -> bool:
    return (desk.settings.evidence_folder / files.path_of(sha256)).is_file()


def test_a_hold_and_a_deletion_take_a_reason_and_are_told_with_it(
    desk: RunningDesk, visitor: Visitor
) -> None:
    of, sha256 = pictured(desk, "held")
    place = f"/cases/{'/'.join(of)}"
    visitor.be(Role.REVIEWER)
    assert "about 180 days" in words_of(visitor.get(place))
    assert visitor.post(f"{place}/hold", {"reason": " "}).status_code == 400
    assert visitor.post(f"{place}/hold", {"reason": "objection 17"}).status_code == 303
    assert "objection 17" in words_of(visitor.get(place))
    assert "objection 17" in words_of(visitor.get("/keeping"))
    assert visitor.post(f"{place}/delete", {"reason": "x"}).status_code == 403
    visitor.be(Role.ADMINISTRATOR)
    refused = visitor.post(f"{place}/delete", {"reason": "request 4"})
    assert refused.status_code == 409
    assert "is held" in words_of(refused)
    assert there(desk, sha256)
    assert visitor.post(f"{place}/lift", {"reason": "settled"}).status_code == 303
    assert visitor.post(f"{place}/delete", {"reason": ""}).status_code == 400
    assert there(desk, sha256)
    assert visitor.post(f"{place}/delete", {"reason": "request 4"}).status_code == 303
    assert not there(desk, sha256)
    told = words_of(visitor.get(place))
    assert "request 4" in told
    assert "settled" in told
    assert visitor.get(f"/evidence/{sha256}").status_code == 404
    details = desk.sql("SELECT detail FROM access_log WHERE case_id = %s AND status = 303", of[2])
    assert {row[0] for row in details} == {
        "hold: objection 17",
        "lift: settled",
        "delete: request 4",
    }


def test_in_place_of_a_picture_whose_time_is_over_it_says_when_and_after_how_long(
    desk: RunningDesk, visitor: Visitor
) -> None:
    of, sha256 = pictured(desk, "aged")
    with desk.connect() as connection:
        connection.execute("UPDATE lived_time SET lived_s = lived_s + %s", (180 * lived.DAY_S,))
        retention.run(connection, desk.settings, confirmed=True)
    assert not there(desk, sha256)
    visitor.be(Role.VIEWER)
    told = words_of(visitor.get(f"/cases/{'/'.join(of)}"))
    assert f"deleted on {datetime.now(UTC) + timedelta(hours=8):%Y-%m-%d} after 180 days" in told
    visitor.be(Role.REVIEWER)
    assert "not decided, 180 days" in words_of(visitor.get("/keeping"))


def test_a_disk_that_is_not_mounted_is_said_at_the_case_and_in_no_other_words_lost(
    desk: RunningDesk, visitor: Visitor
) -> None:
    of, sha256 = pictured(desk, "away")
    folder = desk.settings.evidence_folder
    away = folder.rename(folder.with_name("elsewhere"))
    try:
        folder.mkdir()
        status, said = desk.tried("check-evidence")
        assert status == 5
        assert "not be mounted" in said or "没有挂载" in said
        visitor.be(Role.ADMINISTRATOR)
        for page in (f"/cases/{'/'.join(of)}", "/keeping"):
            assert "may not be mounted" in words_of(visitor.get(page))
        deleting = visitor.post(f"/cases/{'/'.join(of)}/delete", {"reason": "x"})
        assert deleting.status_code == 503
    finally:
        folder.rmdir()
        away.rename(folder)
    desk.command("check-evidence")
    assert "may not be mounted" not in words_of(visitor.get("/keeping"))
    assert there(desk, sha256)
