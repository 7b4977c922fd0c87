"""What the platform is promised, over a real Mosquitto with TLS and client certificates."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.config.schema import UplinkSection
from agent.delivery.outbox_prefetch import READ_AHEAD
from agent.protocol.events import DeviceState
from agent.storage.outbox_queries import Lane
from drivers.clock import SystemClock
from drivers.testing import FakeClock
from tests.support.broker import Broker
from tests.support.certificates import Authority
from tests.support.delivering_device import Device
from tests.support.delivering_process import Process
from tests.support.drafts import case_opened
from tests.support.platform_client import Platform
from tests.support.stub_broker import StubBroker
from tests.support.topics import DEVICE, EVENTS, STATE, TENANT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def assert_nothing_lost(platform: Platform, accepted: dict[int, str]) -> None:
    """Every accepted event arrived, first in order, and a duplicate is the same event."""
    event_ids = defaultdict(set)
    for event in platform.events:
        event_ids[event.sequence].add(event.event_id)
    assert all(len(ids) == 1 for ids in event_ids.values())
    assert {s: event_id for s, event_id in accepted.items() if event_ids[s] != {event_id}} == {}
    for historical in (False, True):
        first = list(
            dict.fromkeys(
                event.sequence
                for message in platform.messages
                for event in message.events
                if message.historical == historical and event.type == "case.opened"
            )
        )
        assert first == sorted(first)


@pytest.mark.slow
def test_a_backlog_longer_than_what_is_read_at_once_arrives_whole_while_more_is_added(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.open_cases(2 * READ_AHEAD + 10)
        device.database.write(
            lambda connection: connection.execute("UPDATE outbox SET boot_id = 'earlier'")
        ).result()
        device.connect()
        wait_until(platform.sequences)
        for _ in range(20):
            device.open_cases()
        device.wait_until_drained()
        count = 2 * READ_AHEAD + 30
        wait_until(lambda: len(platform.sequences()) == count)
        cases = [e.sequence for e in platform.events if e.type == "case.opened"]
        assert len(cases) == count, "none came twice"


def test_an_event_arrives_and_leaves_the_outbox(broker: Broker, tmp_path: Path) -> None:
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.connect()
        [sequence] = device.open_cases()
        device.wait_until_drained()
        wait_until(lambda: sequence in platform.sequences())
    event = next(e for e in platform.events if e.type == "case.opened")
    assert (event.tenant, event.device_id, event.epoch) == (TENANT, DEVICE, device.outbox.epoch)
    told = [one for one in platform.received if one.topic == EVENTS]
    assert {one.content_type for one in told} == {"application/json"}
    assert any("人民路" in one.payload.decode() for one in told), "in UTF-8, and not escaped"
    figures = device.uplink.figures
    assert (figures.sent, figures.confirmed, figures.retried) == (2, 2, 0)  # the birth is one


def test_a_live_event_goes_before_the_backlog_and_the_backlog_says_that_it_is_old(
    broker: Broker, tmp_path: Path
) -> None:
    clock = FakeClock(SystemClock().now())
    with (
        broker.platform() as platform,
        Device(tmp_path, broker.settings(), clock=clock) as device,
    ):
        old = device.open_cases(200)
        clock.advance(3600)
        [live] = device.open_cases()
        device.connect().wait_until_drained()
        wait_until(lambda: len(platform.sequences()) == 201)
    assert platform.sequences() == [live, *old]
    for message in platform.messages:
        cases = [e.sequence for e in message.events if e.type == "case.opened"]
        assert message.historical == bool(set(cases) & set(old))
        assert len(message.events) <= broker.settings().backlog_events_per_message
    assert len(platform.messages) < 30


def test_a_wrong_wall_clock_does_not_make_a_live_event_old(broker: Broker, tmp_path: Path) -> None:
    clock = FakeClock(SystemClock().now())
    with (
        broker.platform() as platform,
        Device(tmp_path, broker.settings(), clock=clock) as device,
    ):
        device.open_cases()
        clock.step(clock.now().replace(year=2037))
        device.connect().wait_until_drained()
        wait_until(platform.sequences)
    assert not any(message.historical for message in platform.messages)


def test_what_an_earlier_boot_left_is_old(broker: Broker, tmp_path: Path) -> None:
    clock = FakeClock(SystemClock().now())
    with (
        broker.platform() as platform,
        Device(tmp_path, broker.settings(), clock=clock) as device,
    ):
        device.open_cases()
        clock.reboot("another")
        device.connect().wait_until_drained()
        wait_until(platform.sequences)
    assert [m.historical for m in platform.messages if m.events[0].type == "case.opened"] == [True]


def test_lanes_go_in_turn_and_each_in_order(broker: Broker, tmp_path: Path) -> None:
    clock = FakeClock(SystemClock().now())
    with (
        broker.platform() as platform,
        Device(tmp_path, broker.settings(), clock=clock) as device,
    ):
        by_lane = {lane: device.open_cases(30, lane=lane) for lane in reversed(Lane)}
        clock.advance(3600)
        device.connect().wait_until_drained()
        wait_until(lambda: len(platform.sequences()) == 120)
    assert platform.sequences() == [s for lane in Lane for s in by_lane[lane]]


@pytest.mark.slow
def test_without_subscribers_nothing_leaves_the_outbox(broker: Broker, tmp_path: Path) -> None:
    with Device(tmp_path, broker.settings()) as device:
        sequences = device.open_cases(3)
        device.connect()
        wait_until(lambda: device.uplink.figures.retried >= 6)
        assert "No matching subscribers" in device.last_error
        assert device.waiting() == sequences
        assert device.uplink.figures.dead_letters == 0
        with broker.platform() as platform:
            device.wait_until_drained()
            wait_until(lambda: platform.sequences() == sequences)


@pytest.mark.slow
def test_what_our_rights_forbid_is_kept_until_they_allow_it(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    rights = tmp_path / "rights"
    rights.write_text(f"user platform\ntopic read #\nuser {DEVICE}\ntopic write {STATE}\n")
    rights.chmod(0o600)
    broker = start_broker(f"acl_file {rights}")
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        sequences = device.open_cases(2)
        device.connect()
        wait_until(lambda: device.uplink.figures.retried >= 4)
        assert "Not authorized" in device.last_error
        assert device.waiting() == sequences
        assert device.uplink.figures.dead_letters == 0
        rights.write_text(f"user platform\ntopic read #\nuser {DEVICE}\ntopic write #\n")
        broker.send_signal(signal.SIGHUP)
        device.wait_until_drained()
        wait_until(lambda: platform.sequences() == sequences)


def test_the_last_words_of_a_broker_that_refuses_and_hangs_up_are_heard(tmp_path: Path) -> None:
    """As Mosquitto 2.0.11 does where max_queued_messages is 0."""
    with StubBroker(lambda payload: 0x95 * (b"xxxx" in payload), hangs_up=True) as broker:
        with Device(tmp_path, broker.settings()) as device:
            device.connect()
            wait_until(lambda: device.uplink.figures.confirmed == 1)  # the birth
            drafts = [case_opened(device.clock, padding=padding) for padding in (4, 0, 0, 0)]
            large, *others = device.add(drafts)
            wait_until(lambda: device.waiting() == [])
            assert [sequence for sequence, _ in device.dead_letters()] == [large]
        assert broker.cases.count(large) == 1
    assert sorted(set(broker.cases)) == [large, *others]


@pytest.mark.slow
def test_a_broker_that_refuses_is_not_hammered(tmp_path: Path) -> None:
    with StubBroker(lambda payload: 0x97 * (b"case.opened" in payload)) as broker:
        with Device(tmp_path, broker.settings(reconnect_max_s=60)) as device:
            sequences = device.open_cases(3)
            device.connect()
            wait_until(lambda: device.uplink.figures.retried)
            time.sleep(1)
            assert device.waiting() == sequences
        assert len(broker.cases) < 10


@pytest.mark.slow
@pytest.mark.parametrize("code", [0x01, 0x10, 0x7F, 0x80, 0x83, 0x87, 0x91, 0x97])
def test_what_is_refused_for_now_is_kept_and_sent_again(tmp_path: Path, code: int) -> None:
    answers = iter([0, 0, code, code])  # to the state and the first event: yes
    with StubBroker(lambda _: next(answers, 0)) as broker:
        with Device(tmp_path, broker.settings()) as device:
            sequences = device.open_cases(3)
            device.connect()
            wait_until(lambda: device.waiting() == [])
        assert device.uplink.figures.dead_letters == 0
        assert device.uplink.figures.retried == 2
        assert len(broker.connections) == 1
    assert sorted(set(broker.cases)) == sequences


@pytest.mark.slow
@pytest.mark.parametrize("code", [0x90, 0x95, 0x99, 0xC8, 0xFF])
def test_what_is_refused_for_itself_is_put_aside_alone(tmp_path: Path, code: int) -> None:
    """One of a batch is refused: the others arrive."""
    clock = FakeClock(SystemClock().now())
    with StubBroker(lambda payload: code if b"xxxx" in payload else 0) as broker:
        with Device(tmp_path, broker.settings(), clock=clock) as device:
            drafts = [case_opened(clock, padding=4 * (i == 7)) for i in range(30)]
            sequences = device.add(drafts)
            clock.advance(3600)
            device.connect()
            wait_until(lambda: device.waiting() == [])
            [(buried, reason)] = device.dead_letters()
        assert buried == sequences[7]
        assert reason
        assert len(broker.connections) == 1
    assert sorted(set(broker.cases)) == sequences


@pytest.mark.slow
@pytest.mark.parametrize("receive_maximum", [1, 3])
def test_no_more_is_under_way_than_the_broker_receives(
    tmp_path: Path, receive_maximum: int
) -> None:
    with StubBroker(receive_maximum=receive_maximum) as broker:
        with Device(tmp_path, broker.settings()) as device:
            device.open_cases(60)
            device.connect()
            wait_until(lambda: device.waiting() == [])
        assert len(broker.connections) == 1
        assert broker.most_under_way == receive_maximum


@pytest.mark.slow
def test_no_more_bytes_are_under_way_than_the_window_holds(tmp_path: Path) -> None:
    with StubBroker() as broker:
        with Device(tmp_path, broker.settings(window_bytes=5000)) as device:
            device.open_cases(60)
            device.connect()
            wait_until(lambda: device.waiting() == [])
        assert 3000 < broker.most_bytes_under_way <= 5000


def test_an_event_larger_than_the_window_goes_alone(tmp_path: Path) -> None:
    with StubBroker() as broker:
        with Device(tmp_path, broker.settings(window_bytes=1024)) as device:
            device.open_cases(5, padding=3000)
            device.connect()
            wait_until(lambda: device.waiting() == [])
        assert broker.most_under_way == 1


@pytest.mark.slow
@pytest.mark.parametrize("option", ["max_packet_size 4000", "message_size_limit 4000"])
def test_an_event_too_large_for_the_broker_holds_up_nobody(
    start_broker: Callable[..., Broker], tmp_path: Path, option: str
) -> None:
    broker = start_broker(option)
    clock = FakeClock(SystemClock().now())
    with (
        broker.platform() as platform,
        Device(tmp_path, broker.settings(pack_backlog=False), clock=clock) as device,
    ):
        before = device.open_cases(5)
        [large] = device.open_cases(padding=5000)
        after = device.open_cases(5)
        clock.advance(3600)
        device.connect().wait_until_drained()
        wait_until(lambda: len(platform.sequences()) == 10)
        assert device.uplink.figures.connected_since is not None
        [(buried, reason)] = device.dead_letters()
    assert sorted(platform.sequences()) == before + after
    assert buried == large
    assert reason
    assert device.uplink.figures.dead_letters == device.outbox.figures().dead_letters == 1


@pytest.mark.slow
def test_a_certificate_of_another_authority_is_reported_and_not_hammered_with(
    broker: Broker, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "strange", "Another CA")
    certificate_file, key_file = stranger.issue(DEVICE)
    settings = broker.settings(
        certificate_file=certificate_file, key_file=key_file, reconnect_max_s=60
    )
    with Device(tmp_path, settings) as device:
        [sequence] = device.open_cases()
        device.connect()
        wait_until(lambda: device.last_error)
        assert "unknown ca" in device.last_error.lower()
        assert device.waiting() == [sequence]
        time.sleep(1)
    assert 1 <= broker.log().count("certificate verify failed") < 10


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # paho drops a failed TLS socket
def test_a_broker_of_another_authority_is_not_trusted(broker: Broker, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "strange", "Another CA")
    with Device(tmp_path, broker.settings(ca_file=stranger.certificate_file)) as device:
        device.connect()
        wait_until(lambda: device.last_error)
        assert "certificate is not trusted" in device.last_error


def test_a_renewed_certificate_is_used_from_the_next_connection_on(
    broker: Broker, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "strange", "Another CA")
    certificate_file, key_file = stranger.issue(DEVICE)
    settings = broker.settings(certificate_file=certificate_file, key_file=key_file)
    with broker.platform() as platform, Device(tmp_path, settings) as device:
        device.open_cases()
        device.connect()
        wait_until(lambda: device.last_error)
        for old, new in zip((certificate_file, key_file), broker.device_files, strict=True):
            new.rename(old)
        device.wait_until_drained()
        wait_until(platform.sequences)


def test_a_renewed_certificate_is_shown_at_once_and_no_event_is_lost_for_it(
    broker: Broker, tmp_path: Path
) -> None:
    own = [shutil.copy(file, tmp_path) for file in broker.device_files]
    certificate_file, key_file = map(Path, own)
    settings = broker.settings(certificate_file=certificate_file, key_file=key_file)

    def connections() -> int:
        return broker.log().count(f"as {TENANT}:{DEVICE} ")

    with broker.platform() as platform, Device(tmp_path, settings) as device:
        accepted = device.open_cases(20)
        device.connect()
        wait_until(lambda: connections() == 1)
        accepted += device.open_cases(20)
        new_certificate, new_key = broker.authority.issue(DEVICE)
        new_key.rename(key_file)  # half of a pair costs no connection
        accepted += device.open_cases(20)
        device.wait_until_drained()
        assert connections() == 1
        new_certificate.rename(certificate_file)
        wait_until(lambda: connections() == 2)
        accepted += device.open_cases(20)
        device.wait_until_drained()
        wait_until(lambda: set(accepted) <= set(platform.sequences()))
        assert connections() == 2
        assert device.uplink.figures.last_error is None


def test_a_missing_file_is_named(broker: Broker, tmp_path: Path) -> None:
    settings = broker.settings(
        username="someone", password_file=tmp_path / "no-such-password", ca_file=None
    )
    with Device(tmp_path, settings) as device:
        device.connect()
        wait_until(lambda: device.last_error)
        assert "no-such-password" in device.last_error


def test_a_birth_its_state_and_its_will_name_the_same_session(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform:
        with Device(tmp_path, broker.settings()) as device:
            device.connect()
            wait_until(lambda: platform.events)
        wait_until(lambda: len(platform.states()) == 2)
    [born] = [event for event in platform.events if event.type == "device.birth"]
    online, offline = platform.states()
    assert (online.online, offline.online) == (True, False)
    assert born.body.session_id == online.session_id == offline.session_id
    assert born.epoch == online.epoch == device.outbox.epoch


@pytest.mark.slow
def test_the_retained_state_says_offline_after_a_kill_and_online_after_the_return(
    broker: Broker, tmp_path: Path
) -> None:
    def retained() -> DeviceState:
        with broker.platform("visitor") as visitor:
            wait_until(visitor.states)
        return visitor.states()[0]

    with broker.platform() as platform:
        process = Process(tmp_path, broker.settings())
        wait_until(platform.states)
        process.kill()
        wait_until(lambda: len(platform.states()) == 2)
        first = retained()
        with Device(tmp_path, broker.settings()) as device:
            device.connect().wait_until_online()
            wait_until(lambda: len(platform.states()) == 3)
            second = retained()
    assert (first.online, second.online) == (False, True)
    assert first.session_id == platform.states()[0].session_id != second.session_id


@pytest.mark.slow
def test_nothing_accepted_is_lost_when_the_agent_is_killed_again_and_again(
    broker: Broker, tmp_path: Path
) -> None:
    accepted: dict[int, str] = {}
    pause = random.Random(20)
    with broker.platform() as platform:
        for _ in range(20):
            process = Process(tmp_path, broker.settings())
            wait_until(lambda: process.accepted)  # noqa: B023
            time.sleep(pause.uniform(0, 0.3))
            process.kill()
            assert not accepted.keys() & process.accepted.keys()
            accepted |= process.accepted
        with Device(tmp_path, broker.settings()) as device:
            device.connect().wait_until_drained()
            wait_until(lambda: accepted.keys() <= set(platform.sequences()))
    assert_nothing_lost(platform, accepted)


@pytest.mark.slow
def test_nothing_accepted_is_lost_while_the_broker_comes_and_goes(
    broker: Broker, tmp_path: Path
) -> None:
    """The broker ends in order: what it acknowledged is its own to keep."""
    accepted: set[int] = set()
    with (
        broker.platform(lasting=True) as platform,
        Device(tmp_path, broker.settings()) as device,
    ):
        device.connect()
        for _ in range(5):
            wait_until(lambda: device.uplink.figures.connected_since)
            accepted |= {*device.open_cases(20), *device.open_cases(20)}
            broker.stop()
            accepted |= {*device.open_cases(20)}
            broker.start()
        device.wait_until_drained()
        wait_until(lambda: accepted <= set(platform.sequences()))
    assert_nothing_lost(platform, {e.sequence: e.event_id for e in platform.events})


@pytest.mark.slow
def test_what_a_killed_broker_never_acknowledged_is_sent_again(
    broker: Broker, tmp_path: Path
) -> None:
    """Mosquitto may lose what it acknowledged (receipts are for that); never more than that."""
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.connect().wait_until_online()
        accepted = set(device.open_cases(50))
        for _ in range(3):
            broker.kill()
            accepted |= set(device.open_cases(50))
            held = set(device.waiting())
            assert len(held) >= 50
            broker.start()
            # A new subscriber in place of the one whose session died with the broker.
            wait_until(lambda: device.uplink.figures.connected_since)
            device.wait_until_drained()
            wait_until(lambda: held <= set(platform.sequences()))  # noqa: B023
    assert device.uplink.figures.confirmed >= len(accepted)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # paho drops a failed TLS socket
def test_a_broker_that_hangs_is_given_up_and_everything_is_sent_again(
    broker: Broker, tmp_path: Path
) -> None:
    settings = broker.settings(acknowledge_timeout_s=0.5, connect_timeout_s=1)
    with broker.platform() as platform, Device(tmp_path, settings) as device:
        device.connect()
        wait_until(lambda: device.uplink.figures.confirmed == 1)  # the birth
        broker.send_signal(signal.SIGSTOP)
        sequences = device.open_cases(5)
        wait_until(lambda: device.uplink.figures.retried >= 5)
        wait_until(lambda: any(word in device.last_error for word in ("acknowledge", "connect")))
        broker.send_signal(signal.SIGCONT)
        device.wait_until_drained()
        wait_until(lambda: set(platform.sequences()) == set(sequences))


def test_a_broker_that_is_not_there_costs_nothing_but_time(tmp_path: Path) -> None:
    nowhere = UplinkSection(broker="mqtt://127.0.0.1:9", reconnect_max_s=0.2)
    with Device(tmp_path, nowhere) as device:
        sequences = device.open_cases(3)
        device.connect()
        wait_until(lambda: "cannot be reached" in device.last_error)
        assert device.waiting() == sequences


def test_connections_that_end_young_again_and_again_hint_at_another_device(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Device(tmp_path, broker.settings()) as device:
        device.connect()
        for _ in range(3):
            device.wait_until_online()
            broker.kill()
            wait_until(lambda: not device.uplink.figures.connected_since)
            broker.start()
    assert f"another device uses the client id {TENANT}:{DEVICE}" in caplog.text
