"""One device's rubbish fills no disk, costs no other's messages, and is still told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message, place_of
from kerbwatch_platform.store import aside

from tests.support.device_lives import lives
from tests.support.device_words import topic

if TYPE_CHECKING:
    import psycopg

OWN, OTHER = topic("corner-1"), topic("corner-2")


def take(connection: psycopg.Connection, *messages: tuple[str, bytes]) -> store.Taken:
    return store.take(connection, [Message(*each) for each in messages])


def kept(connection: psycopg.Connection, device: str) -> list[bytes]:
    query = "SELECT payload FROM set_aside WHERE device = %s ORDER BY at DESC"
    return [payload for (payload,) in connection.execute(query, (device,)).fetchall()]


def test_of_a_devices_rubbish_the_newest_is_kept_and_the_rest_is_counted(
    connection: psycopg.Connection,
) -> None:
    take(connection, (OTHER, b"the other's"))
    most = aside.MOST_OF_DEVICE
    for each in range(most + 7):
        taken = take(connection, (OWN, b"%04d" % each))
        assert taken.set_aside == {("city", "corner-1"): 4}
    assert kept(connection, "corner-1") == [b"%04d" % each for each in range(most + 6, 6, -1)]
    assert kept(connection, "corner-2") == [b"the other's"]
    assert connection.execute("SELECT * FROM dropped").fetchall() == [("city", "corner-1", 7, 28)]


def test_of_large_rubbish_the_beginning_is_kept_up_to_so_much_of_a_device(
    connection: psycopg.Connection,
) -> None:
    for each in range(20):
        take(connection, (OWN, b"%02d" % each + b"x" * 1_000_000))
    assert {len(payload) for payload in kept(connection, "corner-1")} == {aside.MOST_BYTES}
    assert sum(map(len, kept(connection, "corner-1"))) <= aside.MOST_BYTES_OF_DEVICE
    query = "SELECT sum(messages), sum(bytes) FROM dropped"
    [(messages, size)] = connection.execute(query).fetchall()
    assert (messages + len(kept(connection, "corner-1")), size) == (20, messages * 1_000_002)


def test_what_comes_again_is_kept_once(connection: psycopg.Connection) -> None:
    take(connection, (OWN, b"7"), (OWN, b"7"))
    assert take(connection, (OWN, b"7")).set_aside == {}
    assert kept(connection, "corner-1") == [b"7"]


@pytest.mark.parametrize(
    "place",
    [
        "",
        "events",
        "x" * 70_000,
        "kerbwatch/v2/city/corner-1",
        "kerbwatch/v2/city/corner-1/events/more",
        "kerbwatch/v2/ci ty/corner-1/events",
        f"kerbwatch/v2/city/{'c' * 65}/events",
        "kerbwatch/v2/city/corner-1/pictures/other-city/other-corner/events",
        "kerbwatch/v1/city/corner-1/events",
        "kerbwatch/v2/city/\udc80\0/events",
    ],
)
def test_what_comes_on_no_devices_topic_is_nobodys(
    connection: psycopg.Connection, place: str
) -> None:
    with pytest.raises(ValueError, match="no topic of a device"):
        place_of(place)
    [(_, text), *_] = lives(1, 0, 20)
    assert take(connection, (place, text.encode())).epochs == set()
    assert kept(connection, "") == [text.encode()]


def test_answers_state_and_pieces_of_pictures_are_left_to_others(
    connection: psycopg.Connection,
) -> None:
    base = "kerbwatch/v2/city/corner-1"
    for channel in ("answers", "state", f"pictures/{'0' * 64}/7/0"):
        assert place_of(f"{base}/{channel}").channel == channel
        assert take(connection, (f"{base}/{channel}", b"7")) == store.Taken()
    assert kept(connection, "corner-1") == []


def test_what_the_database_does_not_take_costs_its_own_message_alone(
    connection: psycopg.Connection,
) -> None:
    """Nothing is known that comes so far: here the database divides by nothing, for one device's loss reports."""
    connection.execute(
        "ALTER TABLE event ADD CONSTRAINT x CHECK (device <> 'corner-1' OR 1 / (length(type) - 11) < 9)"
    )
    bad, good = (
        [(to, text.encode()) for to, text in lives(2, 0, 20) if to == each]
        for each in (OWN, topic("corner-0"))
    )
    taken = take(connection, *bad, *good)
    devices = {device for _, device, _ in taken.epochs}
    assert "corner-0" in devices
    query = "SELECT DISTINCT why FROM set_aside WHERE device = 'corner-1'"
    assert connection.execute(query).fetchall() == [("the database: 22012",)]
    query = "SELECT first, last FROM missing WHERE device = 'corner-0'"
    assert connection.execute(query).fetchall() == []
