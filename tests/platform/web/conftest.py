"""What the desk's tests share: one PostgreSQL and one browser for a process, one desk for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.desk import RunningDesk, new_desk
from tests.support.desk_visitor import Visitor
from tests.support.postgres import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def desk_server() -> Iterator[Postgres]:
    """A PostgreSQL."""
    with postgres() as running:
        yield running


@pytest.fixture(scope="module")
def desk(desk_server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    """A desk that answers, with an account of each role; for the tests of one file."""
    desk = new_desk(desk_server, tmp_path_factory.mktemp("desk"))
    desk.start()
    yield desk
    desk.end()


@pytest.fixture
def visitor(desk: RunningDesk) -> Iterator[Visitor]:
    """Somebody who makes requests by hand, signed in as nobody."""
    with Visitor(desk.url) as visitor:
        yield visitor
