"""Whatever comes to the demo's consumer costs one message: it is refused, counted and said."""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from provisioning.commands import demo
from provisioning.demo.consumer import Consumer, Received, read
from tests.support.hostile_messages import HOSTILE, LIVE, TOPIC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_what_the_hostile_ones_are_made_of_is_read() -> None:
    for right in (LIVE.encode(), gzip.compress(LIVE.encode())):
        message, lines = read(TOPIC, right)
        assert [event.event_id for event in message.events] == [lines[0]["event_id"]]
    assert [name for name, payload in HOSTILE.items() if payload == LIVE] == []


@pytest.mark.parametrize("name", HOSTILE)
def test_what_the_contract_does_not_allow_is_refused(name: str) -> None:
    payload = HOSTILE[name]
    with pytest.raises(ValueError):  # noqa: PT011  that nothing else is raised is the promise
        read(TOPIC, payload.encode() if isinstance(payload, str) else payload)


@pytest.mark.parametrize(
    "topic", ["events", "", "kerbwatch/v2/example-corner/events", TOPIC.replace("-city", "-City")]
)
def test_an_event_is_believed_only_from_its_own_devices_topic(topic: str) -> None:
    with pytest.raises(ValueError, match="came there"):
        read(topic, LIVE.encode())


@given(payload=st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode()))
@settings(deadline=None)
def test_any_bytes_are_refused_in_no_other_way(payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read(TOPIC, payload)


def test_what_is_refused_is_counted_and_what_is_said_of_it_has_an_end() -> None:
    received = Received()
    for _ in range(1000):
        received.refuse("\x1b[2J" * 10_000)
    assert received.refused == 1000
    assert len("".join(received.invalid)) < 20_000
    assert all(each.isprintable() for each in received.invalid)


@contextmanager
def publishing(url: str) -> Iterator[mqtt.Client]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    host, port = url.removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def test_a_number_counts_as_come_also_where_its_event_was_there_already(tmp_path: Path) -> None:
    again = LIVE.replace('"sequence": 2', '"sequence": 3')
    with (
        demo.own_broker() as url,
        Consumer(url, "kerbwatch/v2/+/+/events", tmp_path / "out", lambda _: None) as consumer,
        publishing(url) as publisher,
    ):
        for payload in (LIVE, again):
            publisher.publish(TOPIC, payload, qos=1).wait_for_publish(30)
        epoch = json.loads(LIVE)["events"][0]["epoch"]
        assert consumer.wait_for(epoch, through=3, unsent={1}, timeout_s=60) == set()
        assert (len(consumer.received.events), consumer.received.duplicates) == (1, 1)


def test_a_consumer_that_was_sent_all_of_it_still_takes_what_is_right(tmp_path: Path) -> None:
    sent = [text for name, text in HOSTILE.items() if len(text) < 500_000]
    with (
        demo.own_broker() as url,
        Consumer(url, "kerbwatch/v2/+/+/events", tmp_path / "out", lambda _: None) as consumer,
        publishing(url) as publisher,
    ):
        for payload in (*sent, LIVE):
            publisher.publish(TOPIC, payload, qos=1).wait_for_publish(30)
        epoch = json.loads(LIVE)["events"][0]["epoch"]
        assert consumer.wait_for(epoch, through=2, unsent={1}, timeout_s=60) == set()
        assert consumer.received.refused == len(sent)
        assert len(consumer.received.events) == 1
    assert len((tmp_path / "out").read_text(encoding="utf-8").splitlines()) == 1
