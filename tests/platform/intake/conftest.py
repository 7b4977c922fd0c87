"""What the tests of the workers share: one PostgreSQL for a process, a broker and a database for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.city import City, Corner
from tests.support.postgres import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kerbwatch_platform.transports import Transport

    from tests.support.broker import Broker


@pytest.fixture(scope="session")
def intake_server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    return start_broker(tls=False)


@pytest.fixture
def city(intake_server: Postgres, broker: Broker, tmp_path: Path) -> City:
    return City(intake_server, broker.url, tmp_path)


@pytest.fixture
def transport(city: City) -> Iterator[Transport]:
    opened = city.transport()
    yield opened
    opened.close()


@pytest.fixture
def corner(broker: Broker) -> Iterator[Corner]:
    with Corner(broker.port, "corner-1") as device:
        yield device
