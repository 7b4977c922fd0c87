"""What a broker may not send costs the connection before it costs memory; what it has not is done without."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.schema import UplinkSection
from agent.delivery.packet_limits import LARGEST_PACKET_BYTES, BrokenRuleError, PacketLimits
from tests.support.broker import Broker
from tests.support.delivering_device import Device
from tests.support.stub_broker import StubBroker, published, variable_length
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


_CONNACK = b"\x20\x03\0\0\0"


def packet(first: int, length: int) -> bytes:
    """The head of a packet with a body of so many bytes, and nothing of the body."""
    return bytes([first]) + variable_length(length)


@pytest.mark.parametrize(
    ("told", "code", "words"),
    [
        pytest.param(packet(0x30, 200_000_000), 0x95, "200000005 bytes", id="huge"),
        pytest.param(
            packet(0x32, LARGEST_PACKET_BYTES), 0x95, "65540 bytes", id="a-little-too-large"
        ),
        pytest.param(packet(0x90, 2**28 - 1), 0x95, "268435460 bytes", id="huge-suback"),
        pytest.param(published("commands", b"{}", qos=2), 0x82, "QoS 2", id="qos-2"),
        pytest.param(b"\x36\x00", 0x82, "QoS 3", id="qos-3"),
        pytest.param(b"\xf0\x00", 0x82, "may not send", id="auth"),
        pytest.param(b"\x62\x02\0\x01", 0x82, "may not send", id="pubrel"),
        pytest.param(_CONNACK, 0x82, "may not send", id="a-second-connack"),
        pytest.param(b"\x30\xff\xff\xff\xff\x01", 0x81, "not MQTT", id="endless-length"),
    ],
)
def test_what_a_broker_may_not_send_ends_the_connection_before_it_is_read(
    tmp_path: Path, told: bytes, code: int, words: str
) -> None:
    with StubBroker(tells=told) as broker, Device(tmp_path, broker.settings()) as device:
        given = device.open_cases(2)
        device.connect()
        wait_until(lambda: code in broker.ended_with)
        wait_until(lambda: words in device.last_error)
        assert device.waiting() == given


def test_more_at_once_than_was_asked_for_ends_the_connection(tmp_path: Path) -> None:
    """A broker that does not wait for acknowledgements: none of these is ever heeded in one turn."""
    told = b"".join(published("commands", b"{}") for _ in range(5000))
    with (
        StubBroker(lambda _: None, tells=told, receive_maximum=1) as broker,
        Device(tmp_path, broker.settings()) as device,
    ):
        device.open_cases(1)
        device.connect()
        wait_until(lambda: 0x93 in broker.ended_with)
        wait_until(lambda: "more at once" in device.last_error)


def test_a_hundred_commands_at_once_are_all_answered(broker: Broker, tmp_path: Path) -> None:
    """Mosquitto sends more at once than was asked for to who publishes meanwhile: that ends nothing."""
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.connect().wait_until_online()
        since = device.uplink.figures.connected_since
        pace = '{{"contract": 2, "command": "pace", "command_id": "p-{}", "backlog_events_per_s": null}}'
        platform.say_at_once("commands", [pace.format(number) for number in range(100)])
        wait_until(lambda: len(platform.answers()) >= 100)
        assert {answer.command_id for answer in platform.answers()} == {
            f"p-{number}" for number in range(100)
        }
        assert device.uplink.figures.connected_since == since


@pytest.mark.slow
def test_what_the_broker_sends_without_waiting_may_get_lost(tmp_path: Path) -> None:
    told = b"".join(published("commands", b"{}", qos=0) for _ in range(3000))
    with StubBroker(lambda _: None, tells=told, receive_maximum=1) as broker:
        with Device(tmp_path, broker.settings(acknowledge_timeout_s=2)) as device:
            device.open_cases(1)
            device.connect()
            wait_until(lambda: "does not acknowledge" in device.last_error)
        assert 0x93 not in broker.ended_with


@given(
    st.lists(
        st.tuples(st.sampled_from([0x30, 0x32, 0x40, 0x90, 0xD0, 0xE0]), st.integers(0, 400)),
        max_size=12,
    ),
    st.lists(st.integers(1, 300)),
)
def test_packets_are_told_apart_however_the_stream_is_cut(
    packets: list[tuple[int, int]], cuts: list[int]
) -> None:
    stream = b"".join(packet(first, length) + b"\xf0" * length for first, length in packets)
    framing = PacketLimits()
    for cut in cuts:
        framing.take(stream[:cut])
        stream = stream[cut:]
    framing.take(stream)
    with pytest.raises(BrokenRuleError):
        framing.take(b"\xf0")


@pytest.mark.parametrize(
    ("limits", "receive_maximum", "words"),
    [
        pytest.param(b"", 0, "connection lost", id="receive-maximum-0"),
        pytest.param(b"\x24\0", 10, "Maximum QoS is 0", id="maximum-qos-0"),
        pytest.param(b"\x27\0\0\x01\0", 10, "256 bytes at most", id="packets-of-256-bytes"),
    ],
)
def test_what_we_need_and_a_broker_has_not_is_named_and_no_event_is_put_aside(
    tmp_path: Path, limits: bytes, receive_maximum: int, words: str
) -> None:
    with (
        StubBroker(limits=limits, receive_maximum=receive_maximum) as broker,
        Device(tmp_path, broker.settings()) as device,
    ):
        given = device.open_cases(3)
        device.connect()
        wait_until(lambda: words in device.last_error)
        assert device.waiting() == given
        assert not device.dead_letters()
        assert device.uplink.figures.connected_since is None
        assert not broker.cases


def test_a_broker_that_lets_us_hear_only_without_acknowledgement_is_named(tmp_path: Path) -> None:
    with StubBroker(tells=b"\x90\x05\0\x01\0\0\0") as broker:
        with Device(tmp_path, broker.settings()) as device:
            device.open_cases(1)
            device.connect()
            wait_until(lambda: "only with QoS 0" in device.last_error)
            wait_until(lambda: device.waiting() == [])
        assert len(broker.connections) == 1


@pytest.mark.slow
def test_a_broker_without_retained_messages_gets_everything_but_those(
    start_broker: Callable[..., Broker], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = start_broker("retain_available false")
    with broker.platform() as platform:
        with Device(tmp_path, broker.settings()) as device:
            given = device.open_cases(3)
            assert device.uplink.figures.health.state_retained
            device.connect()
            wait_until(lambda: platform.sequences() == given)
            wait_until(lambda: [state.online for state in platform.states()] == [True])
            assert not device.uplink.figures.health.state_retained
            broker.stop()
            broker.start()
            device.wait_until_online()
        assert caplog.text.count("has no retained messages") == 1


def test_a_broker_that_only_says_that_it_retains_nothing_is_sent_nothing_to_retain(
    tmp_path: Path,
) -> None:
    with StubBroker(limits=b"\x25\0") as broker:
        with Device(tmp_path, broker.settings()) as device:
            device.open_cases(1)
            device.connect()
            wait_until(lambda: device.waiting() == [])
            assert not device.uplink.figures.health.state_retained
        assert broker.retained == [False, False]
        assert len(broker.connections) == 1


def test_the_agent_itself_gives_no_password_in_clear_to_another_machine(tmp_path: Path) -> None:
    """Whatever the broker's name stands for; here for an address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # sends nothing; it tells which address would be ours
        except OSError:
            pytest.skip("this machine has no other address than loopback")
        address = asking.getsockname()[0]
    (tmp_path / "password").write_text("never-to-be-told")
    with socket.create_server((address, 0)) as server:
        settings = UplinkSection(username="d", reconnect_max_s=0.2).model_copy(
            update={
                "broker": f"mqtt://{address}:{server.getsockname()[1]}",
                "password_file": tmp_path / "password",
            }
        )
        server.settimeout(0)
        with Device(tmp_path, settings) as device:
            device.connect()
            wait_until(lambda: "unencrypted" in device.last_error)
        with pytest.raises(BlockingIOError):
            server.accept()
