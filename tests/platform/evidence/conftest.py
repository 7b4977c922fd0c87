"""A platform that takes in what a device says of its cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.evidence_desk import City
from tests.support.packed_cases import PackingDevice, jpeg
from tests.support.platform_database import connection, settings, with_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg
    from kerbwatch_platform.settings import Settings

__all__ = ["connection", "settings", "with_tables"]


@pytest.fixture
def city(connection: psycopg.Connection, settings: Settings, tmp_path: Path) -> Iterator[City]:
    folder = tmp_path / "device"
    folder.mkdir()
    device = PackingDevice(folder)
    yield City(connection, settings, device)
    device.database.close()


@pytest.fixture(scope="session")
def large() -> bytes:
    """A picture of several pieces."""
    return jpeg("large", 1280, 720, quality=95)
