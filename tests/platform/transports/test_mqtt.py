"""Workers on a real Mosquitto: shared subscriptions, lasting sessions, acknowledged by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform.transports import EXPECTED, open_replay, open_transport
from kerbwatch_platform.transports.interface import LARGEST_BYTES, WINDOW

from tests.support.lasting_client import LastingClient
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kerbwatch_platform.transports import Delivery, Transport

    from tests.support.broker import Broker

PREFIX = "kerbwatch/v2"
EVENTS = f"{PREFIX}/example-city/corner-1/events"
RECEIPTS = f"{PREFIX}/example-city/corner-1/receipts"


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    return start_broker(tls=False)


@pytest.fixture
def device(broker: Broker) -> Iterator[LastingClient]:
    client = LastingClient(broker.port, "corner-1", ("corner-1", None))
    client.connect()
    yield client
    client.leave()


@pytest.fixture
def worker(broker: Broker) -> Iterator[Callable[[str], Transport]]:
    opened: list[Transport] = []

    def start(name: str) -> Transport:
        transport = open_transport(broker.url, "platform", PREFIX, name)
        opened.append(transport)
        log = f" as {name} "
        wait_until(lambda: log in broker.log())
        wait_until(lambda: transport.publish(RECEIPTS, b"{}"))
        return transport

    yield start
    for each in opened:
        each.close()


def texts(deliveries: list[Delivery]) -> list[str]:
    return [each.message.payload.decode() for each in deliveries]


def take(transport: Transport, count: int) -> list[Delivery]:
    """So many messages, however they come."""
    found: list[Delivery] = []

    def come() -> bool:
        found.extend(transport.receive(count - len(found), 0.1))
        return len(found) >= count

    wait_until(come)
    return found


def test_workers_of_a_group_share_what_comes_and_none_gets_what_another_has(
    device: LastingClient, worker: Callable[[str], Transport]
) -> None:
    workers = [worker("platform-1"), worker("platform-2")]
    told = [f"{n}" for n in range(100)]
    for text in told:
        device.tell(EVENTS, text)
    found: list[list[Delivery]] = [[], []]

    def all_came() -> bool:
        for mine, each in zip(found, workers, strict=True):
            mine.extend(each.receive(1000, 0.01))
        return sum(map(len, found)) >= len(told)

    wait_until(all_came)
    assert all(found), "each has some"
    assert sorted(texts(found[0]) + texts(found[1]), key=int) == told
    assert {each.message.topic for mine in found for each in mine} == {EVENTS}


def test_what_a_worker_did_not_settle_comes_to_it_again_and_the_broker_says_so(
    device: LastingClient, worker: Callable[[str], Transport]
) -> None:
    first = worker("platform-1")
    for text in ("a", "b"):
        device.tell(EVENTS, text)
    a, b = take(first, 2)
    assert [a.again, b.again] == [False, False]
    first.settle([a])
    first.close()
    (again,) = take(worker("platform-1"), 1)
    assert (texts([again]), again.again) == (["b"], True)


def test_what_comes_while_a_worker_is_away_is_kept_for_it(
    device: LastingClient, worker: Callable[[str], Transport]
) -> None:
    worker("platform-1").close()
    device.tell(EVENTS, "while away")
    assert texts(take(worker("platform-1"), 1)) == ["while away"]


def test_an_acknowledgement_of_an_earlier_connection_hits_no_message(
    broker: Broker, device: LastingClient, worker: Callable[[str], Transport]
) -> None:
    """The broker counts from 1 on each connection, so what is left over would mean another message."""
    transport = worker("platform-1")
    device.tell(EVENTS, "before")
    (old,) = take(transport, 1)
    device.leave()
    broker.stop()
    broker.start()
    device.connect()
    (again,) = take(transport, 1)
    assert texts([again]) == ["before"]
    transport.settle([old])
    transport.close()
    second = worker("platform-1")
    (still,) = take(second, 1)
    assert texts([still]) == ["before"]
    second.settle([still])
    second.close()
    third = worker("platform-1")
    device.tell(EVENTS, "after")
    assert texts(take(third, 1)) == ["after"]


def test_after_a_restart_of_the_broker_workers_share_again(
    broker: Broker, device: LastingClient, worker: Callable[[str], Transport]
) -> None:
    """Mosquitto has forgotten the shared subscription; each connection subscribes again."""
    transport = worker("platform-1")
    device.leave()
    broker.stop()
    assert not transport.publish(RECEIPTS, b"{}"), "it says that nobody has it"
    broker.start()
    device.connect()
    wait_until(lambda: transport.publish(RECEIPTS, b"{}"))
    device.tell(EVENTS, "after")
    assert texts(take(transport, 1)) == ["after"]


def test_no_more_is_under_way_to_a_worker_than_its_window(
    device: LastingClient, worker: Callable[[str], Transport]
) -> None:
    transport = worker("platform-1")
    for n in range(WINDOW + 50):
        device.tell(EVENTS, str(n))
    found = take(transport, WINDOW)
    transport.settle(found[:1])
    found += take(transport, 1)
    assert transport.receive(1000, 0) == [], "one was settled, one came"
    transport.settle(found[1:])
    assert len(take(transport, 49)) == 49


def test_what_is_too_large_reaches_no_worker_and_holds_up_nothing(
    device: LastingClient, worker: Callable[[str], Transport]
) -> None:
    transport = worker("platform-1")
    device.tell(EVENTS, "x" * (LARGEST_BYTES + 1000))
    device.tell(EVENTS, "after")
    assert texts(take(transport, 1)) == ["after"]


def test_answers_states_and_pictures_come_as_well(
    device: LastingClient, worker: Callable[[str], Transport]
) -> None:
    transport = worker("platform-1")
    base = EVENTS.removesuffix("events")
    topics = [f"{base}answers", f"{base}state", f"{base}pictures/{'0' * 64}/3/0"]
    for topic in topics:
        device.tell(topic, "x")
    assert [each.message.topic for each in take(transport, 3)] == topics


def test_a_device_gets_what_is_published_to_it(
    device: LastingClient, worker: Callable[[str], Transport]
) -> None:
    device.listen(RECEIPTS)
    assert worker("platform-1").publish(RECEIPTS, b"stored", expiry_s=60)
    wait_until(lambda: device.got[-1:] == ["stored"])


@pytest.mark.parametrize("url", ["http://localhost", "mqtt://", "mqtts://localhost?ca=nowhere"])
def test_an_url_that_is_no_brokers_is_refused_with_what_is_expected(url: str) -> None:
    with pytest.raises(ValueError, match=r"mqtt\[s\]|mqtts"):
        open_transport(url, "platform", PREFIX, "platform-1")
    assert "amqp" in EXPECTED


def test_a_broker_without_a_stream_is_not_asked_for_a_replay() -> None:
    with pytest.raises(ValueError, match="resend"):
        open_replay("mqtt://localhost", "platform", PREFIX, "first")


@pytest.mark.parametrize("offset", ["yesterday", "12", "2026-01-01T02:00:00", "0h", "3x"])
def test_a_replay_from_nowhere_is_refused(offset: str) -> None:
    with pytest.raises(ValueError, match="12h"):
        open_replay("amqp://guest:guest@localhost/%2F", "platform", PREFIX, offset)
