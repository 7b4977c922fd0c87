"""Workers on a real RabbitMQ 4: the queue, its dead letters, and the stream of what came lately."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform.transports import open_replay, open_transport, topology
from kerbwatch_platform.transports.interface import WINDOW

from tests.faults.rabbitmq import LOGIN, QUEUE, amqp, rabbitmq
from tests.support.lasting_client import LastingClient
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kerbwatch_platform.transports import Delivery, Transport
    from kerbwatch_platform.transports.replay import ReplayTransport

    from tests.faults.cluster import Cluster

pytestmark = pytest.mark.booted
PREFIX, SHARE = "kerbwatch/v2", "platform"
EVENTS = f"{PREFIX}/example-city/corner-1/events"
RECEIPTS = f"{PREFIX}/example-city/corner-1/receipts"
LISTED = ("list_queues", "--no-table-headers", "name", "messages")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as running:
        yield running


@pytest.fixture
def device(cluster: Cluster) -> Iterator[LastingClient]:
    client = LastingClient(cluster.port(1), "example-city:corner-1", ("corner-1", LOGIN))
    client.connect()
    yield client
    client.leave()


@pytest.fixture
def worker(cluster: Cluster) -> Iterator[Transport]:
    """With an empty queue."""
    transport = opened(cluster)
    cluster.control("purge_queue", topology.events(SHARE))
    yield transport
    transport.close()


def opened(cluster: Cluster, name: str = "platform-1") -> Transport:
    transport = open_transport(amqp(cluster), SHARE, PREFIX, name)
    wait_until(lambda: transport.publish(RECEIPTS, b"{}"))
    return transport


def waiting(cluster: Cluster, queue: str, count: int) -> bool:
    return f"{queue}\t{count}\n" in cluster.control(*LISTED) + "\n"


def texts(deliveries: list[Delivery]) -> list[str]:
    return [each.message.payload.decode() for each in deliveries]


def take(transport: Transport, count: int) -> list[Delivery]:
    found: list[Delivery] = []

    def come() -> bool:
        found.extend(transport.receive(count - len(found), 0.1))
        return len(found) >= count

    wait_until(come)
    return found


def test_what_a_worker_declares_is_what_an_administrator_is_given(cluster: Cluster) -> None:
    """A worker that may not declare finds what the file declared, and the other way round: not one argument differs."""
    told = json.loads(QUEUE.read_text(encoding="utf-8"))
    queues = {each["name"]: each["arguments"] for each in told["queues"]}
    assert queues == topology.arguments(SHARE)
    bound = [
        (each["source"], each["destination"], each["routing_key"]) for each in told["bindings"]
    ]
    assert sorted(bound) == sorted(topology.bindings(SHARE, PREFIX))
    opened(cluster).close()


def dead_letters(transport: Transport) -> list[Delivery]:
    found: list[Delivery] = []

    def come() -> bool:
        found.extend(transport.dead_letters(10))
        return bool(found)

    wait_until(come)
    return found


def test_what_was_settled_is_out_of_the_queue_and_what_was_not_comes_again(
    cluster: Cluster, device: LastingClient, worker: Transport
) -> None:
    for text in ("a", "b"):
        device.tell(EVENTS, text)
    a, b = take(worker, 2)
    assert (a.message.topic, a.again, b.again) == (EVENTS, False, False)
    worker.settle([a])
    worker.close()
    second = opened(cluster)
    (again,) = take(second, 1)
    assert (texts([again]), again.again) == (["b"], True)
    second.settle([again])
    second.close()
    wait_until(lambda: waiting(cluster, "platform-events", 0))


def test_workers_share_the_queue_and_the_window_bounds_each(
    cluster: Cluster, device: LastingClient, worker: Transport
) -> None:
    for n in range(WINDOW + 10):
        device.tell(EVENTS, str(n))
    first = take(worker, WINDOW)
    other = opened(cluster, "platform-2")
    second = take(other, 10)
    assert sorted(map(int, texts(first + second))) == list(range(WINDOW + 10))
    worker.settle(first)
    other.settle(second)
    other.close()
    wait_until(lambda: waiting(cluster, "platform-events", 0))


def test_an_acknowledgement_of_an_earlier_connection_hits_no_message(
    cluster: Cluster, device: LastingClient, worker: Transport
) -> None:
    device.tell(EVENTS, "before")
    (old,) = take(worker, 1)
    cluster.control("close_all_connections", "a restart")
    (again,) = take(worker, 1)
    assert (texts([again]), again.again) == (["before"], True)
    worker.settle([old])
    worker.close()
    second = opened(cluster)
    (still,) = take(second, 1)
    second.settle([still])
    second.close()
    wait_until(lambda: waiting(cluster, "platform-events", 0))


def test_what_more_workers_died_with_than_the_limit_allows_is_a_dead_letter_and_blocks_nobody(
    cluster: Cluster, device: LastingClient, worker: Transport
) -> None:
    device.tell(EVENTS, "deadly")
    for _ in range(topology.DELIVERIES):
        take(worker, 1)
        cluster.control("close_all_connections", "a worker died")
    wait_until(lambda: waiting(cluster, "platform-dead", 0))
    take(worker, 1)
    cluster.control("close_all_connections", "a worker died")
    wait_until(lambda: waiting(cluster, "platform-dead", 1))
    device.tell(EVENTS, "after")
    (after,) = take(worker, 1)
    worker.settle([after])
    found = dead_letters(worker)
    assert [(each.message.topic, texts([each])) for each in found] == [(EVENTS, ["deadly"])]
    worker.settle(found)
    wait_until(lambda: waiting(cluster, "platform-dead", 0))


def test_what_a_worker_rejects_is_a_dead_letter_at_once(
    cluster: Cluster, device: LastingClient, worker: Transport
) -> None:
    device.tell(EVENTS, "rejected")
    worker.reject(take(worker, 1)[0])
    found = dead_letters(worker)
    assert [(each.message.topic, texts([each])) for each in found] == [(EVENTS, ["rejected"])]
    worker.settle(found)
    wait_until(lambda: waiting(cluster, "platform-dead", 0))


def test_a_device_gets_what_is_published_to_it(device: LastingClient, worker: Transport) -> None:
    device.listen(RECEIPTS)
    assert worker.publish(RECEIPTS, b"stored", expiry_s=60)
    wait_until(lambda: device.got[-1:] == ["stored"])


def test_what_the_broker_does_not_allow_costs_a_connection_and_no_message(
    device: LastingClient, worker: Transport
) -> None:
    """It closes the channel: whoever went on listening to that would hear nothing any more."""
    device.tell(EVENTS, "before")
    (before,) = take(worker, 1)
    worker.publish(RECEIPTS.replace("example-city", "other-city"), b"{}")
    (again,) = take(worker, 1)
    assert (texts([before]), texts([again])) == (["before"], ["before"])
    worker.settle([again])
    device.tell(EVENTS, "after")
    after = take(worker, 1)
    worker.settle(after)
    assert texts(after) == ["after"]


def all_of(transport: ReplayTransport) -> list[Delivery]:
    found: list[Delivery] = []

    def is_done() -> bool:
        came = transport.receive(1000, 0.1)
        found.extend(came)
        transport.settle(came)
        return transport.is_finished

    wait_until(is_done)
    transport.close()
    return found


def test_what_was_settled_can_be_replayed_until_where_it_ended(
    cluster: Cluster, device: LastingClient, worker: Transport
) -> None:
    told = [f"replayed {n}" for n in range(WINDOW + 100)]
    for text in told:
        device.tell(EVENTS, text)
    settled: list[str] = []
    while told[-1] not in settled:  # what an earlier worker left comes as well
        came = take(worker, 1)
        worker.settle(came)
        settled += texts(came)
    wait_until(lambda: waiting(cluster, "platform-events", 0))
    for _ in range(2):  # nothing is taken out of it
        found = all_of(open_replay(amqp(cluster), SHARE, PREFIX, "first"))
        assert [text for text in texts(found) if text.startswith("replayed")] == told
        assert found[-1].message.topic == EVENTS
    assert texts(all_of(open_replay(amqp(cluster), SHARE, PREFIX, "1h")))[-1] == told[-1]
    assert all_of(open_replay(amqp(cluster), SHARE, PREFIX, "2126-01-01T00:00:00+00:00")) == []


def test_a_replay_goes_on_after_a_lost_connection(
    cluster: Cluster, device: LastingClient, worker: Transport
) -> None:
    told = [f"again {n}" for n in range(WINDOW * 2)]
    for text in told:
        device.tell(EVENTS, text)
    worker.settle(take(worker, WINDOW))
    worker.settle(take(worker, WINDOW))
    replay = open_replay(amqp(cluster), SHARE, PREFIX, "first")
    half = take(replay, 50)
    replay.settle(half)
    cluster.control("close_all_connections", "a restart")
    found = texts(half) + texts(all_of(replay))
    assert [text for text in dict.fromkeys(found) if text.startswith("again")] == told
