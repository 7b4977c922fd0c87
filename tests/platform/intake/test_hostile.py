"""What a device may send to harm: it costs that device, is put aside where a person sees it, and blocks no other."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform import store
from kerbwatch_platform.intake import attempts, quarantine
from kerbwatch_platform.intake import worker as workers

from tests.support.city import TENANT, City, Corner, WorkerProcess, turn_until
from tests.support.hostile_messages import HOSTILE, bomb
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kerbwatch_platform.intake.worker import Worker
    from kerbwatch_platform.transports import Transport

    from tests.support.broker import Broker
    from tests.support.postgres import Postgres

pytestmark = pytest.mark.slow
ODD = (
    "pictures",
    "pictures/x/1/0",
    "pictures/another/device/events",
    "pictures/../../events",
    f"pictures/{'0' * 64}/99999999/0",
    "pictures/\u202e示例/1/0",
    "pictures/%2e%2e/'; DROP TABLE event; --/0",
    f"pictures/{'x' * 5000}",
)
"""Below a device's own ``pictures/`` a broker lets it publish anything."""
UNSTORABLE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.raw->>'source' = 'unstorable' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refusing BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION refuse();
"""
"""A fault of the platform's that one message strikes: here the database's."""
DEADLY = """
import os
from kerbwatch_platform import store
from kerbwatch_platform.intake import taking
def deadly(connection, messages, **more):
    if any(b"deadly" in message.payload for message in messages):
        os._exit(9)
    return taken(connection, messages, **more)
taken, store.take = store.take, deadly
"""
"""A fault that kills whoever reads the message."""


@pytest.fixture
def worker(city: City, transport: Transport) -> Iterator[Worker]:
    with closing(city.worker(transport)) as taking_turns:
        yield taking_turns


@pytest.fixture
def good(broker: Broker) -> Iterator[Corner]:
    with Corner(broker.port, "good") as device:
        yield device


def aside(city: City) -> list[tuple[str, str]]:
    return city.ask("SELECT kind, device FROM quarantine WHERE done_at IS NULL ORDER BY 1, 2")


def test_whatever_a_device_publishes_the_next_is_taken_and_nothing_of_it_is_another_devices(
    city: City, corner: Corner, good: Corner, worker: Worker
) -> None:
    for payload in HOSTILE.values():
        if len(payload) < 900_000:
            corner.client.publish(f"{corner.base}/events", payload, qos=1).wait_for_publish(60)
    for channel in ("answers", "state"):
        for payload in (b"", b"\xff", b"[]", b"[" * 60_000, b'{"online": 1}', b'"x"'):
            corner.client.publish(f"{corner.base}/{channel}", payload, qos=1).wait_for_publish(60)
    good.see(1)
    turn_until(worker, lambda: city.numbers("good") == [1])
    assert city.ask("SELECT count(*) FROM event WHERE device NOT IN ('good', 'corner-1')") == [(0,)]
    assert city.ask("SELECT count(*) > 10 FROM set_aside") == [(True,)]
    assert {(kind, device) for kind, device in aside(city)} == {("unclear", "corner-1")}


def test_a_topic_that_is_none_is_put_aside_readably_under_the_device_that_the_broker_vouches_for(
    city: City, corner: Corner, good: Corner, worker: Worker
) -> None:
    for odd in ODD:
        corner.client.publish(f"{corner.base}/{odd}", b"x", qos=1).wait_for_publish(60)
    good.see(1)
    turn_until(worker, lambda: city.numbers("good") == [1])
    assert aside(city) == [("odd_topic", "corner-1")] * len(ODD)
    topics = [topic for (topic,) in city.ask("SELECT topic FROM quarantine")]
    assert all(topic.isprintable() and len(topic) <= 600 for topic in topics)
    assert any(r"\u202e示例" in topic for topic in topics)


def test_rubbish_without_end_fills_no_table(city: City, corner: Corner, worker: Worker) -> None:
    most = quarantine.MOST_OF_DEVICE
    for n in range(most + 50):
        corner.tell(f"{corner.base}/pictures/odd/{n}/0", "x" * 1000)
    corner.see(1)
    turn_until(worker, lambda: city.numbers("corner-1") == [1])
    rows = city.ask("SELECT count(*), sum(times) FROM quarantine WHERE device = 'corner-1'")
    assert rows == [(most + 1, most + 50)]


def test_a_message_that_cannot_be_taken_is_put_aside_and_costs_no_other_of_its_batch(
    city: City, corner: Corner, good: Corner, transport: Transport, worker: Worker
) -> None:
    city.run(UNSTORABLE)
    good.see(1, 2)
    corner.send(corner.case(1, source="unstorable"))
    corner.see(2)
    good.see(3)
    turn_until(
        worker, lambda: city.numbers("good") == [1, 2, 3] and city.numbers("corner-1") == [2]
    )
    assert aside(city) == [("raised", "corner-1")]
    corner.send(corner.case(1, source="unstorable"))
    good.see(4)
    turn_until(worker, lambda: city.numbers("good") == [1, 2, 3, 4])
    assert city.ask("SELECT times FROM quarantine") == [(1,)], "it is known, and not tried again"


def test_what_was_put_aside_is_taken_once_the_fault_is_mended(
    city: City, corner: Corner, worker: Worker
) -> None:
    city.run(UNSTORABLE)
    corner.send(corner.case(1, source="unstorable"))
    turn_until(worker, lambda: aside(city))
    city.run("DROP TRIGGER refusing ON event")
    ((number,),) = city.ask("SELECT quarantine_id FROM quarantine")
    with store.connect(city.database) as connection:
        assert quarantine.take_again(connection, city.settings, number, "administrator")
        with pytest.raises(ValueError, match="not there"):
            quarantine.take_again(connection, city.settings, number, "administrator")
    assert city.numbers("corner-1") == [1]
    assert city.ask("SELECT done_by FROM quarantine") == [("administrator",)]


def test_a_message_that_kills_whoever_reads_it_is_put_aside_after_some_and_the_rest_is_taken(
    city: City, corner: Corner, good: Corner
) -> None:
    """The first dies with the whole batch, each further one with that message alone."""
    city.subscribe()  # so that all comes as one batch
    good.see(1, 2)
    corner.send(corner.case(1, purpose="deadly"))
    good.see(3)
    process = WorkerProcess(city, "--name", "platform-1", begin=DEADLY)
    for _ in range(1 + attempts.MOST_TRIES):
        process.start()
        assert process.wait_until_dead() == 9
    with process:
        good.see(4)
        wait_until(lambda: city.numbers("good") == [1, 2, 3, 4])
        wait_until(lambda: aside(city) == [("killed", "corner-1")])
    assert city.ask("SELECT count(*) FROM attempt") == [(0,)]


def test_a_flood_is_left_to_its_device_and_a_good_device_beside_it_loses_nothing(
    intake_server: Postgres, broker: Broker, good: Corner, tmp_path: Path
) -> None:
    city = City(intake_server, broker.url, tmp_path, burst_messages=30, messages_per_s=1e-9)
    transport = city.transport()
    with closing(city.worker(transport)) as worker, Corner(broker.port, "flooding") as flooding:
        for n in range(1, 301):
            flooding.see(n)
            if n % 10 == 0:
                good.see(n // 10)
        turn_until(worker, lambda: city.numbers("good") == list(range(1, 31)))
        assert city.numbers("flooding") == list(range(1, 31))
        city.clock.now_s += workers.UPKEEP_S
        turn_until(worker, lambda: city.ask("SELECT 1 FROM over_limit"))
        told = city.ask("SELECT tenant, device, messages FROM over_limit")
        assert told == [(TENANT, "flooding", 270)]
        turn_until(worker, lambda: flooding.heard("commands"))
        assert flooding.heard("commands")[0]["command"] == "pace"
        assert good.heard("commands") == []
    transport.close()


def test_bombs_cost_their_device_what_they_unpack_to(
    intake_server: Postgres, broker: Broker, good: Corner, tmp_path: Path
) -> None:
    city = City(intake_server, broker.url, tmp_path, burst_bytes=40_000_000, bytes_per_s=1e-9)
    transport = city.transport()
    with closing(city.worker(transport)) as worker, Corner(broker.port, "flooding") as flooding:
        for n in range(10):
            flooding.client.publish(f"{flooding.base}/events", bomb(), qos=1).wait_for_publish(60)
            good.see(n + 1)
        turn_until(worker, lambda: city.numbers("good") == list(range(1, 11)))
        city.clock.now_s += workers.UPKEEP_S
        turn_until(worker, lambda: city.ask("SELECT 1 FROM over_limit"))
        assert city.ask("SELECT device, messages FROM over_limit") == [("flooding", 8)]
    transport.close()


def test_a_disk_that_takes_no_picture_holds_up_until_it_does(
    city: City, corner: Corner, worker: Worker
) -> None:
    """It is no fault of the message: nothing is put aside, and nothing acknowledged."""
    city.settings.evidence_folder.write_text("no folder")
    sha256 = hashlib.sha256(b"xyz").hexdigest()
    corner.tell(f"{corner.base}/pictures/{sha256}/3/0", "xyz")
    with pytest.raises(OSError, match=r"."):
        turn_until(worker, lambda: False)
    city.settings.evidence_folder.unlink()
    turn_until(worker, lambda: city.ask("SELECT 1 FROM evidence_file"))
    assert aside(city) == []


def test_a_worker_that_waits_for_a_disk_has_not_died_with_what_it_holds(
    city: City, corner: Corner
) -> None:
    city.settings.evidence_folder.write_text("no folder")
    first = city.transport()
    sha256 = hashlib.sha256(b"xyz").hexdigest()
    corner.tell(f"{corner.base}/pictures/{sha256}/3/0", "xyz")
    wait_until(lambda: first.receive(1, 0.1))
    first.close()
    second = city.transport()
    with closing(city.worker(second)) as worker:
        for _ in range(attempts.MOST_TRIES + 2):
            with pytest.raises(OSError, match=r"."):
                turn_until(worker, lambda: False)
        assert city.ask("SELECT tries FROM attempt") == [(1,)]
        city.settings.evidence_folder.unlink()
        turn_until(worker, lambda: city.ask("SELECT 1 FROM evidence_file"))
    second.close()
    assert aside(city) == []
