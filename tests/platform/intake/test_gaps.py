"""What is missing is asked for by itself: not while it is on its way, and not over and over."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message
from kerbwatch_platform.intake import gaps, hourly, sending
from kerbwatch_platform.intake import worker as workers

from tests.support.city import EPOCH, PREFIX, TENANT, City, Corner, turn_until

if TYPE_CHECKING:
    from kerbwatch_platform.transports import Transport

pytestmark = pytest.mark.slow
NEXT_EPOCH = "1f1e2d3c4b5a6978"
CORNER = Corner(0, "corner-1")
DEVICE = (TENANT, "corner-1")


def stored(city: City, *events: dict[str, object]) -> None:
    told = {"contract": 2, "historical": False, "events": events}
    topic = f"{PREFIX}/{TENANT}/corner-1/events"
    with store.connect(city.database) as connection:
        store.take(connection, [Message(topic, json.dumps(told).encode())])


def cases(*numbers: int) -> list[dict[str, object]]:
    return [CORNER.case(number) for number in numbers]


def look(city: City) -> list[tuple[str, str]]:
    with store.connect(city.database) as connection:
        return gaps.look(connection, [DEVICE])


def asked(city: City) -> list[tuple[str, list[list[int]]]]:
    query = (
        "SELECT command->>'epoch', command->'ranges' FROM outgoing"
        " WHERE command->>'command' = 'resend' ORDER BY created_at, 1"
    )
    return city.ask(query)


def pass_minutes(city: City, minutes: int) -> None:
    city.run(
        "UPDATE gap_seen SET seen_at = seen_at - make_interval(mins => %s),"
        " asked_at = asked_at - make_interval(mins => %s)",
        minutes,
        minutes,
    )


def test_a_gap_is_asked_for_when_it_has_stood_for_some_minutes(city: City) -> None:
    stored(city, *cases(1, 2, 5, 8))
    assert look(city) == [DEVICE]
    assert asked(city) == [], "it may be on its way"
    pass_minutes(city, 4)
    look(city)
    assert asked(city) == []
    pass_minutes(city, 2)
    look(city)
    assert asked(city) == [(EPOCH, [[3, 4], [6, 7]])]


def test_a_gap_is_asked_for_once_an_hour_however_often_it_is_looked_at(city: City) -> None:
    stored(city, *cases(1, 4))
    look(city)
    pass_minutes(city, 6)
    for _ in range(3):
        look(city)
    assert len(asked(city)) == 1
    pass_minutes(city, 59)
    look(city)
    assert len(asked(city)) == 1
    pass_minutes(city, 2)
    look(city)
    assert len(asked(city)) == 2


def test_what_fills_a_gap_makes_it_smaller_and_no_new_one(city: City) -> None:
    stored(city, *cases(1, 10))
    look(city)
    pass_minutes(city, 6)
    look(city)
    assert asked(city) == [(EPOCH, [[2, 9]])]
    stored(city, *cases(2, 5))
    look(city)
    pass_minutes(city, 30)
    look(city)
    assert len(asked(city)) == 1
    pass_minutes(city, 31)
    look(city)
    assert asked(city)[1:] == [(EPOCH, [[3, 4], [6, 9]])]
    stored(city, *cases(3, 4, 6, 7, 8, 9))
    assert look(city) == []
    assert city.ask("SELECT * FROM gap_seen") == []


def test_an_epoch_that_is_over_is_asked_for_where_more_went_than_came(city: City) -> None:
    """A database that was set back: what the device believes to have arrived stands in a former epoch."""
    predecessor = {"epoch": EPOCH, "last_sequence": 6}
    birth = CORNER.birth(1, NEXT_EPOCH, predecessor=predecessor, carried=0)
    stored(city, *cases(1, 2, 3), birth)
    look(city)
    pass_minutes(city, 6)
    look(city)
    assert asked(city) == [(EPOCH, [[4, 6]])]


def test_what_came_under_other_numbers_is_not_asked_for(city: City) -> None:
    predecessor = {"epoch": EPOCH, "last_sequence": 5}
    birth = CORNER.birth(1, NEXT_EPOCH, predecessor=predecessor, carried=2)
    carried = [CORNER.case(number, NEXT_EPOCH) for number in (2, 3)]
    stored(city, *cases(1, 2, 3), birth, *carried)
    look(city)
    pass_minutes(city, 6)
    look(city)
    assert asked(city) == []


def test_two_workers_do_not_ask_twice(city: City) -> None:
    stored(city, *cases(1, 4))
    look(city)
    pass_minutes(city, 6)
    with store.connect(city.database) as one, one.transaction():
        assert gaps.look(one, [DEVICE]) == [DEVICE]
        assert look(city) == [DEVICE], "left to the first"
    assert len(asked(city)) == 1


def test_every_device_is_looked_at_once_an_hour(city: City) -> None:
    stored(city, *cases(1, 4))
    told = hourly.JOBS["gaps"](city.settings)
    assert told == "1 of 1 devices with gaps"
    pass_minutes(city, 6)
    hourly.JOBS["gaps"](city.settings)
    assert len(asked(city)) == 1


def test_a_worker_finds_the_gap_asks_and_is_sent_what_was_missing(
    city: City, corner: Corner, transport: Transport
) -> None:
    with closing(city.worker(transport)) as worker:
        corner.see(1, 4)
        turn_until(worker, lambda: city.numbers("corner-1") == [1, 4])
        city.clock.now_s += sending.EVERY_S
        turn_until(worker, lambda: corner.heard("receipts"))
        city.clock.now_s += workers.LOOK_S
        turn_until(worker, lambda: city.ask("SELECT 1 FROM gap_seen"))
        pass_minutes(city, 6)
        city.clock.now_s += workers.LOOK_S
        turn_until(worker, lambda: asked(city))
        city.clock.now_s += workers.ORDERS_S
        turn_until(worker, lambda: corner.heard("commands"))
        (told,) = corner.heard("commands")
        assert (told["command"], told["ranges"]) == ("resend", [[2, 3]])
        corner.see(2, 3)
        turn_until(worker, lambda: city.numbers("corner-1") == [1, 2, 3, 4])
        city.clock.now_s += workers.LOOK_S
        turn_until(worker, lambda: not city.ask("SELECT 1 FROM gap_seen"))
