"""What the page's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.zone_drawing import Drawing
from tests.support.zone_unit import ZoneUnit


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZoneUnit]:
    """A unit for the tests of one file."""
    unit = ZoneUnit(tmp_path_factory.mktemp("unit"))
    yield unit
    unit.end()


@pytest.fixture
def drawing(chromium: Browser, unit: ZoneUnit) -> Iterator[Drawing]:
    """A phone on the zones' page, before anything was drawn."""
    unit.draw_anew()
    with unit.phone(chromium) as drawing:
        yield drawing
