"""The desk asks its own device for how each case began and for the place after it, once each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform.local.demo_pictures import BY, REASON, ask_for_what_lacks

from tests.support.evidence_desk import City, hashed
from tests.support.packed_cases import PackingDevice
from tests.support.platform_database import connection, settings, with_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg
    from kerbwatch_platform.settings import Settings

__all__ = ["connection", "settings", "with_tables"]
pytestmark = pytest.mark.slow


@pytest.fixture
def city(connection: psycopg.Connection, settings: Settings, tmp_path: Path) -> Iterator[City]:
    folder = tmp_path / "device"
    folder.mkdir()
    device = PackingDevice(folder)
    yield City(connection, settings, device)
    device.database.close()


def asked_for(city: City) -> set[str]:
    orders = "SELECT command->>'sha256', command->>'reason', by_account, role FROM outgoing"
    found = city.connection.execute(orders).fetchall()
    assert {row[1:] for row in found} <= {(REASON, BY, "evidence")}
    assert len({row[0] for row in found}) == len(found)
    return {row[0] for row in found}


def test_what_lacks_is_asked_for_once_and_what_comes_by_itself_never(city: City) -> None:
    case_id = city.device.packed()
    city.knows_the_key()
    city.hears()
    copies = city.copies(case_id)
    assert ask_for_what_lacks(city.connection, city.settings, *city.place) == 2
    assert asked_for(city) == {hashed(copies["begin"]), hashed(copies["after"])}
    assert ask_for_what_lacks(city.connection, city.settings, *city.place) == 0


def test_what_is_here_is_not_asked_for_and_no_other_device_is(city: City) -> None:
    case_id = city.device.packed()
    city.knows_the_key()
    city.hears()
    assert ask_for_what_lacks(city.connection, city.settings, city.place[0], "another") == 0
    for role in ("begin", "after"):
        city.sends(city.copies(case_id)[role])
    assert ask_for_what_lacks(city.connection, city.settings, *city.place) == 0
    assert asked_for(city) == set()


def test_nothing_is_asked_for_by_a_record_that_does_not_hold(city: City) -> None:
    city.device.packed()
    city.hears()
    assert ask_for_what_lacks(city.connection, city.settings, *city.place) == 0, "no key is known"
