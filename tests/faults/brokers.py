"""Brokers that fall silent, refuse, set narrow limits or throw out; and faults in paho's callbacks."""

from __future__ import annotations

import re
import signal
import time
from contextlib import closing
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from agent.delivery.packet_limits import StrictClient
from tests.faults.street import street
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.delivering_device import Device
from tests.support.drafts import case_opened
from tests.support.stub_broker import StubBroker

_SAID = re.compile("taken over|another device uses the client id", re.IGNORECASE)
_CONNECTED = "it is connected"


@fault("mute-connack", group="broker", short=2, reduced=10, full=40)
def mute_connack(run: Run) -> Outcome:
    """A broker that takes the connection and never answers it is given up, and tried again."""
    silences = iter([False] * run.times)
    with StubBroker(greets=lambda: next(silences, True)) as broker:
        return _deliver_to(run, broker, 5, connect_timeout_s=0.2)


@fault("mute-puback", group="broker", short=2, reduced=10, full=40)
def mute_puback(run: Run) -> Outcome:
    """A broker that takes events and never acknowledges them is given up; they are sent again."""
    silences = iter([None] * run.times)
    with StubBroker(lambda _: next(silences, 0)) as broker:
        return _deliver_to(run, broker, 5, acknowledge_timeout_s=0.2)


@fault("every-puback-code", group="broker", short=6, reduced=64, full=256)
def every_puback_code(run: Run) -> Outcome:
    """Whatever a broker answers to one event, it arrives or is put aside and named; so do all others."""
    sent = lost = gaps = again = 0
    for code in run.random.sample(range(256), run.times):
        said = iter([code] * 3)
        with StubBroker(lambda text: next(said, 0) if b"xxxx" in text else 0) as broker:  # noqa: B023
            found = _deliver_to(run, broker, 3, folder=f"{code:02x}", marked=True)
            require(len(broker.connections) == 1, f"0x{code:02X}: it reconnected")
        sent, lost = sent + found.sent, lost + found.lost
        gaps, again = gaps + found.unexplained_gaps, again + found.duplicates_absorbed
        run.progress()
    return Outcome(run.times, sent, lost, gaps, again, notes="lost: refused for itself, and named")


@fault("receive-maximum", group="broker", short=2, reduced=6, full=20)
def receive_maximum(run: Run) -> Outcome:
    """Never more is under way than the broker receives at a time: 1, 20, or any small number."""
    sent = gaps = 0
    for index in range(run.times):
        most = (1, 20)[index] if index < 2 else run.random.randint(2, 30)
        with StubBroker(receive_maximum=most) as broker:
            found = _deliver_to(run, broker, 40, folder=f"{index}")
        require(broker.most_under_way <= most, f"{broker.most_under_way} under way, not {most}")
        sent, gaps = sent + found.sent, gaps + found.unexplained_gaps
        run.progress()
    return Outcome(run.times, sent, unexplained_gaps=gaps)


def _deliver_to(
    run: Run,
    broker: StubBroker,
    count: int,
    *,
    folder: str = ".",
    marked: bool = False,
    **changes: Any,
) -> Outcome:
    """Deliver events; where ``marked``, the first is one that the broker knows by its padding."""
    place = run.folder / folder
    place.mkdir(exist_ok=True)
    with Device(place, broker.settings(**changes)) as device:
        given = device.add(
            [case_opened(device.clock, padding=4 * (marked and not n)) for n in range(count)]
        )
        began_s = time.monotonic()
        device.connect()
        wait_for(lambda: not device.waiting(), "nothing waits any more")
        took_s = time.monotonic() - began_s
        named = _named_as_lost(device)
    missing = set(given) - set(broker.cases)
    # A stub counts what came before it answered: what it refused was not taken.
    return Outcome(
        times=run.times,
        sent=count,
        lost=len(named),
        unexplained_gaps=len(missing - named),
        duplicates_absorbed=len(broker.cases) - len(set(broker.cases)),
        recover_s=[took_s],
    )


def _named_as_lost(device: Device) -> set[int]:
    """What a loss report would name."""
    with closing(device.database.read()) as connection:
        rows = connection.execute("SELECT first, last FROM losses").fetchall()
    return {each for first, last in rows for each in range(first, last + 1)}


@fault("oversized", group="broker", short=2, reduced=20, full=100, needs=("mosquitto",))
def oversized(run: Run) -> Outcome:
    """Events larger than the broker takes hold up nobody; they are set aside, and are all that is missing."""
    with street(run, "max_packet_size 4000", pack_backlog=False) as here:
        with here.device() as device:
            device.connect()
            for _ in range(run.times):
                sizes = [run.random.choice([0, 100, 5000, 9000]) for _ in range(10)]
                drafts = [case_opened(device.clock, padding=size) for size in sizes]
                device.add(drafts)
                here.accepted |= {
                    draft.event_id for draft, size in zip(drafts, sizes, strict=True) if size <= 100
                }
                here.recover()
                wait_for(lambda: not device.waiting(), "nothing waits any more")
            here.open_cases(device, 1)  # above all numbers that were set aside
            here.recover()
            wait_for(lambda: device.outbox.figures().rows == 0, "the outbox is empty")
            aside, lost = len(device.dead_letters()), _named_as_lost(device)
        found = here.outcome()
        require(not lost, f"{len(lost)} that are kept are called lost")
        require(
            found.unexplained_gaps == aside, f"{aside} set aside, {found.unexplained_gaps} missing"
        )
        return replace(found, sent=found.sent + aside, unexplained_gaps=0)


@fault("sigstop-broker", group="broker", short=1, reduced=8, full=30, needs=("mosquitto",))
def sigstop_broker(run: Run) -> Outcome:
    """A broker that hangs is given up; events are accepted meanwhile and arrive when it goes on."""
    with street(run, acknowledge_timeout_s=0.5) as here:
        with here.device(connect_timeout_s=0.5).connect() as device:
            for _ in range(run.times):
                wait_for(lambda: device.uplink.figures.connected_since, _CONNECTED)
                here.broker.send_signal(signal.SIGSTOP)
                here.open_cases(device, 5)
                wait_for(lambda: not device.uplink.figures.connected_since, "it is given up")
                here.open_cases(device, 5)
                here.broker.send_signal(signal.SIGCONT)
                here.recover()
        return here.outcome()


@fault("two-with-one-id", group="broker", short=0, reduced=1, full=5, needs=("mosquitto",))
def two_with_one_id(run: Run) -> Outcome:
    """Two devices with one id throw each other out ever more rarely, say so, and lose nothing."""
    watched_s, takeovers = 15.0, 0
    with street(run, reconnect_max_s=60) as here:
        for index in range(run.times):
            first = here.device(folder=f"{index}a")
            second = here.device(folder=f"{index}b")
            before = here.broker.log().count("already connected")
            with first, second:
                for each in (first, second):
                    here.open_cases(each, 5)
                    each.connect()
                wait_for(
                    lambda: _SAID.search(first.last_error + second.last_error),  # noqa: B023
                    "one of them says that there may be another",
                )
                time.sleep(watched_s)
                here.recover()
            takeovers += here.broker.log().count("already connected") - before
        each_s = watched_s * run.times
        require(takeovers < 4 * each_s, f"{takeovers} take-overs in {each_s:g} s")
        return here.outcome(f"{takeovers} take-overs in {each_s:g} s")


_CALLBACKS = (
    "on_connect",
    "on_publish",
    "on_message",
    "on_subscribe",
    "on_disconnect",
    "on_socket_register_write",
)


@fault("callback-fails", group="broker", short=6, reduced=24, full=120, needs=("mosquitto",))
def callback_fails(run: Run) -> Outcome:
    """An error in any callback of paho's costs a connection, not the uplink."""
    with street(run, receipt_timeout_s=0.5) as here:
        for index in range(run.times):
            name = _CALLBACKS[index % len(_CALLBACKS)]
            faulty = _faulty_client(name)
            with (
                patch("agent.delivery.mqtt_connection.StrictClient", faulty),
                here.device(folder=f"{index}").connect() as device,
            ):
                here.open_cases(device, 5)
                if name == "on_disconnect":
                    device.wait_until_online()
                    here.broker.stop()
                    here.broker.start()
                wait_for(lambda: faulty.struck, f"{name} is called")  # noqa: B023
                here.recover()
        return here.outcome()


def _faulty_client(name: str) -> Any:
    """The uplink's client, the first call of whose callback ``name`` raises."""

    class Faulty(StrictClient):
        struck = False

        def __setattr__(self, attribute: str, value: Any) -> None:
            if attribute == name and callable(value) and not Faulty.struck:
                super().__setattr__(attribute, _failing(value))
            else:
                super().__setattr__(attribute, value)

    def _failing(callback: Any) -> Any:
        def fail(*arguments: Any) -> Any:
            if not Faulty.struck:
                Faulty.struck = True
                raise RuntimeError(f"{name} fails")
            return callback(*arguments)

        return fail

    return Faulty
