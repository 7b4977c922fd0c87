"""Who may speak to a device may say anything: it costs the message, and nothing else."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agent.config.schema import UplinkSection
from agent.delivery.commands.reader import CommandReader, Order, UnreadError
from agent.delivery.epoch_limit import FIRST_WAIT_S, LONGEST_WAIT_S, EpochLimit
from agent.delivery.rate_limit import SendRateLimit
from agent.delivery.send_scheduler import Batch
from agent.identity.authorities import Authorities, Authority
from agent.protocol.commands import (
    COMMANDS,
    MAY_ORDER,
    MIN_PACE_PER_S,
    REASONS,
    Answer,
    Apply,
    Command,
    Pace,
    Resend,
    any_of,
    name_of,
    order_of,
    signers,
)
from agent.protocol.downlink import Receipt
from agent.protocol.field_examples import example_of
from agent.protocol.fields import MAX_NUMBER
from agent.protocol.heartbeat import UplinkHealth
from agent.protocol.schemas import schema
from agent.protocol.vectors import public_key, signed_by
from agent.storage.database import Database
from agent.storage.outbox_queries import Lane
from drivers.clock import SystemClock
from drivers.testing import FakeClock
from tests.support.broker import Broker
from tests.support.delivering_device import Device
from tests.support.stub_broker import StubBroker, published
from tests.support.waiting import wait_until
from wording.harmless import harmless

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path


_TOO_LARGE = (2**53, 2**63, 2**64, 10**300)
_commands: TypeAdapter[Command] = TypeAdapter(any_of())


def _text(value: dict[str, Any]) -> str:
    """As JSON, however many digits a number has."""
    return json.dumps(value).replace('"HUGE"', "9" * 5000)


def _hostile(epoch: str) -> list[tuple[str, str | bytes]]:
    """What each channel may be told, none of it to be heeded."""
    receipt = {"contract": 2, "epoch": epoch, "contiguous_through": 0}
    resend = {"contract": 2, "command": "resend", "command_id": "r", "epoch": epoch}
    pace = {"contract": 2, "command": "pace", "command_id": "p"}
    numbers: list[Any] = [2**53, 2**63, 2**64, 10**30, "HUGE", -(2**63) - 1, 1.5, 1e300, "7", True]
    said: list[tuple[str, str | bytes]] = []
    for number in numbers:
        said += [
            ("receipts", _text(receipt | {"contiguous_through": number})),
            ("receipts", _text(receipt | {"ranges": [[1, number]]})),
            ("receipts", _text(receipt | {"conflicts": [[1, number]]})),
            ("receipts", _text(receipt | {"conflicts": [[number, number]]})),
            ("commands", _text(resend | {"ranges": [[1, number]]})),
            ("commands", _text(resend | {"ranges": [[number, number]]})),
        ]
    deep = 12_000  # a packet of more than 65,536 bytes no broker passes on to us
    for text in ("NaN", "Infinity", "-Infinity", "1e999", "0", "-1", "null, 1"):
        said.append(("commands", _text(pace)[:-1] + f', "backlog_events_per_s": {text}}}'))
    for broken in ("[" * deep, '{"a":' * deep, "[" * deep + "]" * deep, '"\\ud800"', "9" * 60_000):
        said += [("receipts", broken), ("commands", broken)]
    for raw in (
        b"\xff\xfe\x00",
        b"\x00" * 60_000,
        "\ufeff{}".encode(),
        b'{"contract": "\xc3\x28"}',
    ):
        said += [("receipts", raw), ("commands", raw)]
    said.append(("receipts", _text(receipt | {"epoch": "\x1b[2J"})))
    return said


@pytest.mark.slow
def test_whatever_the_platform_says_the_connection_stands_and_events_go(
    broker: Broker, tmp_path: Path
) -> None:
    settings = broker.settings(confirm="platform", receipt_timeout_s=600)
    with broker.platform() as platform, Device(tmp_path, settings) as device:
        given = device.open_cases(3)
        device.connect()
        wait_until(lambda: platform.sequences() == given)
        since, epoch = device.uplink.figures.connected_since, device.outbox.epoch
        said = _hostile(epoch)
        for channel, text in said:
            platform.say(channel, text)
        wait_until(lambda: device.uplink.figures.refused == len(said))
        assert device.waiting() == given
        assert device.uplink.figures.connected_since == since
        assert device.outbox.epoch == epoch
        platform.say("receipts", Receipt(epoch=epoch, contiguous_through=given[-1]))
        wait_until(lambda: device.waiting() == [])


@pytest.mark.parametrize("number", _TOO_LARGE)
def test_no_number_is_larger_than_every_parser_reads(number: int) -> None:
    with pytest.raises(ValidationError):
        Receipt(epoch="e", contiguous_through=number)
    with pytest.raises(ValidationError):
        Receipt(epoch="e", contiguous_through=0, conflicts=((1, number),))
    with pytest.raises(ValidationError):
        Resend(command="resend", command_id="r", epoch="e", ranges=((1, number),))
    assert Receipt(epoch="e", contiguous_through=MAX_NUMBER).highest == MAX_NUMBER


def test_a_receipt_of_many_faults_is_given_up_at_the_first_of_its_ranges() -> None:
    """One message of 64 kB may hold 20,000 of them."""
    told = '{"epoch": "e", "contiguous_through": 0, "ranges": [%s[]], "conflicts": [%s[]]}'
    with pytest.raises(ValidationError) as caught:
        Receipt.model_validate_json(told % ("[]," * 10_000, "[0]," * 7000))
    assert caught.value.error_count() < 5


def test_the_schemas_of_what_the_platform_says_bound_every_number_and_text() -> None:
    for name in ("receipt", "command", "order"):
        for where, field in _fields(schema(name)):
            if "const" in field or "enum" in field or "$ref" in field:
                continue
            if field.get("type") in {"integer", "number"}:
                lower = field.keys() & {"minimum", "exclusiveMinimum"}
                assert lower, f"{name}: {where}: {field}"
                assert "maximum" in field, f"{name}: {where}: {field}"
            if field.get("type") == "string":
                bounded = field.get("maxLength") or "{1,64}" in field.get("pattern", "")
                assert bounded, f"{name}: {where}: {field}"
            if field.get("type") == "array":
                assert "maxItems" in field, f"{name}: {where}: {field}"


def _fields(node: Any, where: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every schema within a schema, and where it stands."""
    if isinstance(node, list):
        return [each for i, part in enumerate(node) for each in _fields(part, f"{where}/{i}")]
    if not isinstance(node, dict):
        return []
    inner = [each for name, part in node.items() for each in _fields(part, f"{where}/{name}")]
    return [(where, node), *inner] if isinstance(node.get("type"), str) else inner


@pytest.mark.parametrize("reason", ["a\nb", "\x1b[31m", "\u202eabc", "\x00", "\u2028", ""])
def test_the_reason_of_a_hold_is_one_line(reason: str) -> None:
    told = {"contract": 2, "command": "hold", "command_id": "h", "case_id": "c", "held": True}
    with pytest.raises(ValidationError):
        _commands.validate_python(told | {"reason": reason})
    assert _commands.validate_python(told | {"reason": "复核（第 2 次）: see file 7"})


@pytest.mark.slow
@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["contract", "epoch", "contiguous_through", "ranges", "conflicts"])
                | st.text(max_size=8),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_what_is_heard_is_within_its_bounds_or_a_fault_that_is_known(value: Any) -> None:
    told = json.dumps(value)
    with suppress(ValidationError):
        _commands.validate_json(told)
    with suppress(ValidationError):
        receipt = Receipt.model_validate_json(told)
        assert 0 <= receipt.highest <= MAX_NUMBER


def test_a_retained_word_is_not_asked_for(broker: Broker, tmp_path: Path) -> None:
    """A broker gives what it has retained to whoever subscribes, unless he says that he does not want it."""
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        given = device.open_cases(3)
        resend = {"contract": 2, "command": "resend", "command_id": "r", "ranges": [[1, 3]]}
        platform.say("commands", _text(resend | {"epoch": device.outbox.epoch}), retain=True)
        device.connect().wait_until_drained()
        platform.say("commands", _text(resend | {"epoch": "other", "command_id": "now"}))
        wait_until(platform.answers)
        assert [answer.command_id for answer in platform.answers()] == ["now"]
        assert device.uplink.figures.refused == 0
        assert platform.sequences() == given


def test_a_retained_word_that_comes_all_the_same_is_not_heeded(tmp_path: Path) -> None:
    conflict = _text({"contract": 2, "epoch": "%s", "contiguous_through": 0, "conflicts": [[1, 1]]})
    with Device(tmp_path, UplinkSection()) as device:
        epoch = device.outbox.epoch
    told = published("receipts", (conflict % epoch).encode(), retained=True)
    with StubBroker(tells=told) as broker:
        with Device(tmp_path, broker.settings(confirm="platform")) as device:
            device.open_cases(1)
            device.connect()
            wait_until(lambda: device.uplink.figures.refused == 1)
            wait_until(lambda: broker.cases)
            assert device.outbox.epoch == epoch
        assert len(broker.connections) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", [OverflowError, RecursionError, MemoryError, UnicodeError])
def test_whatever_ends_a_connection_the_next_one_is_made(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    """Also what is raised while a fault is being seen to."""
    settings = broker.settings(confirm="platform")
    with broker.platform() as platform, Device(tmp_path, settings) as device:
        given = device.open_cases(1)

        def fails(*_: Any) -> Any:
            raise fault

        monkeypatch.setattr(device.outbox, "begin_epoch", fails)
        device.connect()
        wait_until(lambda: platform.sequences() == given)
        platform.say("receipts", _in_conflict(device, (1, 1)))
        wait_until(lambda: fault.__name__ in device.last_error)
        given += device.open_cases(1)
        wait_until(lambda: set(platform.sequences()) == set(given))
        device.wait_until_online()


class Asked:
    """Counts what SQLite does for a connection, in steps of its machine."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self.steps = 0
        reader.set_progress_handler(self._step, 10)

    def _step(self) -> int:
        self.steps += 10
        return 0


_BACKLOG = 30_000
_WIDE: tuple[tuple[int, int], ...] = tuple((each, _BACKLOG) for each in range(1, 1001))
_REPEATED = ((1, _BACKLOG),) * 1000
_APART = tuple((each, each) for each in range(2, 2002, 2))


@pytest.mark.parametrize("sent", [1, 3000])
@pytest.mark.parametrize(
    ("through", "ranges"),
    [
        pytest.param(_BACKLOG, (), id="all-of-it"),
        pytest.param(0, _WIDE, id="a-thousand-that-overlap"),
        pytest.param(0, _REPEATED, id="a-thousand-times-the-same"),
        pytest.param(0, tuple(reversed(_WIDE)), id="backwards"),
        pytest.param(0, _APART, id="a-thousand-apart"),
    ],
)
def test_a_receipt_costs_what_is_under_way_however_much_waits(
    tmp_path: Path, sent: int, through: int, ranges: tuple[tuple[int, int], ...]
) -> None:
    with Device(tmp_path, UplinkSection(confirm="platform")) as device:
        _fill(device, _BACKLOG)
        scheduler = device.uplink._scheduler
        scheduler.take(Batch(tuple(range(1, sent + 1)), b""), 0)
        told = Receipt(epoch=device.outbox.epoch, contiguous_through=through, ranges=ranges)
        with closing(device.database.read()) as reader:
            asked = Asked(reader)
            verdict = scheduler.in_flight.receive(told, reader)
        assert verdict == ("taken" if told.highest <= sent else "unsent")
        # Some steps for each number under way and for each range that is left; no more for the backlog.
        assert asked.steps < 20 * sent + 100 * len(ranges) + 1000


def test_what_was_asked_for_again_is_not_counted_for_each_receipt(tmp_path: Path) -> None:
    with Device(tmp_path, UplinkSection(confirm="platform")) as device:
        _fill(device, _BACKLOG)
        scheduler = device.uplink._scheduler
        for _ in range(50):
            scheduler.bring_back(range(1, _BACKLOG + 1))
        told = Receipt(epoch=device.outbox.epoch, contiguous_through=_BACKLOG, ranges=_WIDE)
        with closing(device.database.read()) as reader:
            asked = Asked(reader)
            assert scheduler.in_flight.receive(told, reader) == "taken"
        assert asked.steps < 1000
        assert len(device.waiting()) == _BACKLOG


def _fill(device: Device, count: int) -> None:
    """Let so many events wait, as an outbox of yesterday has them."""

    def add(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO outbox (sequence, event_id, lane, type, occurred_at, boot_id,"
            " monotonic_s, size_bytes, event) VALUES (?, ?, ?, 'case.opened', 0, '', 0, 2, '{}')",
            ((number, f"e-{number}", number % len(Lane)) for number in range(1, count + 1)),
        )

    device.database.write(add).result()


def _in_conflict(device: Device, *numbers: tuple[int, int]) -> Receipt:
    return Receipt(epoch=device.outbox.epoch, contiguous_through=0, conflicts=numbers)


@pytest.mark.slow
def test_only_what_this_run_gave_or_sent_or_was_asked_for_can_be_in_conflict(
    broker: Broker, tmp_path: Path
) -> None:
    settings = broker.settings()
    with broker.platform() as platform:
        with Device(tmp_path, settings) as device:
            earlier = device.open_cases(3)
            device.connect().wait_until_drained()
        with Device(tmp_path, settings) as device:
            device.connect()
            wait_until(lambda: len(platform.sequences("device.birth")) == 2)
            epoch = device.outbox.epoch
            platform.say("receipts", _in_conflict(device, (1, earlier[-1])))
            platform.say("receipts", _in_conflict(device, (10**6, 2**53 - 1)))
            wait_until(lambda: device.uplink.figures.refused == 2)
            assert device.outbox.epoch == epoch
            asked = Resend(command="resend", command_id="r", epoch=epoch, ranges=((3, 3),))
            platform.say("commands", asked)
            wait_until(platform.answers)
            platform.say("receipts", _in_conflict(device, (1, earlier[-1])))
            wait_until(lambda: device.outbox.epoch != epoch)
            # With the one that was asked for the others come, too.
            cases = [e for e in platform.events if e.type == "case.opened"]
            given = {e.event_id for e in cases if e.epoch == epoch}
            wait_until(
                lambda: (
                    {
                        e.event_id
                        for e in platform.events
                        if e.epoch == device.outbox.epoch and e.type == "case.opened"
                    }
                    == given
                )
            )
            assert len(given) == len(earlier)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["conflicts", "ahead"])
def test_the_platform_begins_a_new_epoch_at_once_and_further_ones_after_growing_waits(
    broker: Broker, tmp_path: Path, word: str
) -> None:
    clock = FakeClock(SystemClock().now())
    with broker.platform() as platform, Device(tmp_path, broker.settings(), clock=clock) as device:
        device.connect()

        def forge() -> None:
            wait_until(lambda: device.uplink.figures.connected_since)
            last = device.open_cases(1)[-1]
            device.wait_until_drained()
            told = _in_conflict(device, (last, last))
            if word == "ahead":
                told = Receipt(epoch=device.outbox.epoch, contiguous_through=10**6)
            platform.say("receipts", told)

        def refused() -> int:
            return device.uplink.figures.refused

        for wait_s in (0.0, FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S):
            epoch, before = device.outbox.epoch, refused()
            if wait_s:
                clock.advance(wait_s - 1)
                forge()
                wait_until(lambda: refused() == before + 1)  # noqa: B023
                assert device.outbox.epoch == epoch
                clock.advance(2)
            forge()
            wait_until(lambda: device.outbox.epoch != epoch)  # noqa: B023


def test_no_wait_for_a_new_epoch_is_longer_than_a_day(tmp_path: Path) -> None:
    clock = FakeClock(SystemClock().now())
    with Database(tmp_path / "kerbwatch.db") as database:
        epochs = EpochLimit(clock, database)
        for _ in range(100):
            clock.advance(epochs.wait_s)
            assert epochs.wait_s == 0
            epochs.begin()
            assert 0 < epochs.wait_s <= LONGEST_WAIT_S
        assert epochs.wait_s == LONGEST_WAIT_S


def test_no_restart_shortens_the_wait_for_a_new_epoch_and_quiet_ends_it(tmp_path: Path) -> None:
    clock = FakeClock(SystemClock().now())
    with Database(tmp_path / "kerbwatch.db") as database:
        for _ in range(3):
            epochs = EpochLimit(clock, database)
            clock.advance(epochs.wait_s)
            epochs.begin()
        assert EpochLimit(clock, database).wait_s == epochs.wait_s == 240
        clock.reboot("another")
        assert 0 < EpochLimit(clock, database).wait_s <= 240, "it goes on from the boot"
        clock.advance(240 + LONGEST_WAIT_S)
        epochs = EpochLimit(clock, database)
        assert epochs.wait_s == 0
        epochs.begin()
        assert epochs.wait_s == 60


def test_a_pace_below_the_floor_is_answered_and_changes_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.connect()
        wait_until(lambda: platform.events)
        told = {"contract": 2, "command": "pace"}
        for number, pace in enumerate(("1e-300", "0.0999", "0", "-1", "1e300", "NaN", "true")):
            text = json.dumps(told | {"command_id": f"p-{number}"})[:-1]
            platform.say("commands", f'{text}, "backlog_events_per_s": {pace}}}')
        wait_until(lambda: len(platform.answers()) == 7)
        for answer in platform.answers():
            assert answer.status == "malformed"
            assert answer.code in {"invalid_value", "not_json"}
        ranged = [answer.allowed for answer in platform.answers() if answer.code == "invalid_value"]
        assert {(each.least, each.most) for each in ranged if each} == {(MIN_PACE_PER_S, 100_000)}
        health = device.uplink.figures.health
        assert (health.backlog_events_per_s, health.paced_by) == (None, "site")
        platform.say("commands", Pace(command="pace", command_id="ok", backlog_events_per_s=0.1))
        wait_until(lambda: len(platform.answers()) == 8)
        health = device.uplink.figures.health
        assert (health.backlog_events_per_s, health.paced_by) == (0.1, "platform")


@pytest.mark.slow
def test_a_pace_ends_with_its_connection(broker: Broker, tmp_path: Path) -> None:
    told = broker.settings(backlog_events_per_s=50)
    with broker.platform() as platform, Device(tmp_path, told) as device:
        device.connect()
        wait_until(lambda: platform.events)
        platform.say("commands", Pace(command="pace", command_id="p", backlog_events_per_s=0.1))
        wait_until(lambda: device.uplink.figures.health.paced_by == "platform")
        broker.stop()
        wait_until(lambda: not device.uplink.figures.connected_since)
        broker.start()
        device.wait_until_online()
        wait_until(lambda: device.uplink.figures.health.paced_by == "site")
        assert device.uplink.figures.health.backlog_events_per_s == 50


def test_the_slowest_pace_lets_the_backlog_go_on() -> None:
    clock = FakeClock(SystemClock().now())
    pacing = SendRateLimit(MIN_PACE_PER_S, clock)
    gone = 0
    for _ in range(100):
        clock.advance(1)
        if pacing.allowed():
            pacing.spend(1)
            gone += 1
    assert gone >= 10


@pytest.mark.slow
def test_no_more_comes_again_in_an_hour_than_is_kept(broker: Broker, tmp_path: Path) -> None:
    clock = FakeClock(SystemClock().now())
    told = broker.settings(keep_arrived=1000)
    with broker.platform() as platform, Device(tmp_path, told, clock=clock) as device:
        device.open_cases(600)
        device.connect().wait_until_drained()
        epoch = device.outbox.epoch

        def ask(command_id: str) -> Answer:
            asked = Resend(command="resend", command_id=command_id, epoch=epoch, ranges=((2, 601),))
            platform.say("commands", asked)
            wait_until(lambda: any(a.command_id == command_id for a in platform.answers()))
            device.wait_until_drained()
            return platform.answers()[-1]

        assert ask("first").count == 600
        for number in range(50):
            answer = ask(f"again-{number}")
            assert (answer.status, answer.code) == ("refused", "allowance_spent")
            assert answer.allowed is not None
            assert (answer.allowed.most, answer.allowed.wait_s) == (400, 720)
            assert "400 more may be asked for now; 1000 in an hour" in (answer.reason or "")
        health = device.uplink.figures.health
        assert (health.resend_left, health.declined) == (400, 50)
        assert "400 more" in (health.last_refused or "")
        clock.advance(720)
        assert ask("later").count == 600
        wait_until(lambda: [e.sequence for e in platform.events].count(2) == 3)


def test_who_asks_for_what_waits_anyway_costs_no_write(broker: Broker, tmp_path: Path) -> None:
    """On a card each write is an fsync, and wear."""
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.connect().wait_until_drained()
        wait_until(lambda: platform.events)
        written: list[None] = []
        device.database.on_commit(lambda: written.append(None))
        asked = Resend(
            command="resend", command_id="r", epoch=device.outbox.epoch, ranges=((500, 900),)
        )
        for _ in range(20):
            platform.say("commands", asked)
        wait_until(lambda: len(platform.answers()) == 20)
        assert {answer.count for answer in platform.answers()} == {0}
        # But for the first order, which is remembered, and the day's budget, written down now and then.
        assert len(written) < 10


@pytest.mark.slow
@pytest.mark.parametrize("told", ["{", "[]", "{}", '{"command_id": "a b"}', '{"command_id": 7}'])
def test_what_says_not_to_whom_an_answer_goes_is_answered_by_its_correlation_data(
    broker: Broker, tmp_path: Path, told: str
) -> None:
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.connect()
        wait_until(lambda: platform.events)
        platform.say("commands", told, correlation=b"\x00mine\xff")
        platform.say("commands", '{"command_id": "known", "command": "dance"}')
        wait_until(lambda: len(platform.answers()) == 2)
        unread, known = platform.answers()
        assert (unread.command_id, unread.status) == (None, "malformed")
        assert (known.command_id, known.status) == ("known", "unsupported")
        assert platform.correlations() == [b"\x00mine\xff", None]
        assert device.uplink.figures.refused == 2


def test_an_answer_and_its_correlation_data_fit_whatever_the_broker_takes(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    """A packet above the broker's limit would end the connection."""
    broker = start_broker("max_packet_size 2500")
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.connect()
        wait_until(lambda: platform.events)
        since = device.uplink.figures.connected_since
        unknown = json.dumps({"command_id": "c", "command": "pace", "x" * 300: 1})
        for length in (10, 1500, 2000):
            platform.say("commands", unknown, correlation=b"c" * length)
        wait_until(lambda: len(platform.answers()) == 3)
        assert [answer.code for answer in platform.answers()] == ["unknown_field"] * 3
        assert [len(each or b"") for each in platform.correlations()] == [10, 1500, 2000]
        assert [answer.reason is None for answer in platform.answers()] == [False, False, True]
        assert device.uplink.figures.connected_since == since


_WORDS = ("contract", "command", "command_id", "expires_at", "jws", "case_id", "held", "reason")
_MORE = ("backlog_events_per_s", "number", "site", "zones", "ticket", "verdict", "tenant", "x")
_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([name_of(each) for each in COMMANDS])
    | st.sampled_from(
        [2, "c-1", "valid", "2030-01-01T00:00:00Z", "a.b.c", "eyJhbGciOiJFZERTQSJ9.e30.AA"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_WORDS + _MORE) | st.text(max_size=4), inner, max_size=8)
    ),
    max_leaves=20,
)
_READER = CommandReader(
    COMMANDS,
    Authorities([Authority("operator", public_key("operator"))]),
    tenant="example-city",
    device_id="example-corner",
)


def read(payload: bytes) -> Order | Answer:
    try:
        return _READER.read(payload)
    except UnreadError as error:
        return error.answer


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | _ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_published_is_an_order_or_has_an_answer(payload: bytes) -> None:
    found = read(payload)
    if isinstance(found, Answer):
        assert found.status == REASONS[found.code or ""].status
        assert Answer.model_validate_json(found.model_dump_json()) == found


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(COMMANDS).map(
        lambda model: example_of(order_of(model)).model_dump(mode="json")
    ),
    st.sampled_from(_WORDS + _MORE),
    _ANYTHING,
)
def test_of_a_signed_order_any_part_may_be_anything(
    order: dict[str, Any], field: str, value: Any
) -> None:
    """Also who signs may be wrong: it is answered, and what was changed is never passed over."""
    told = order | {field: value}
    found = read(json.dumps({"contract": 2, "jws": signed_by("operator", told)}).encode())
    if isinstance(found, Answer):
        assert found.status != "done"
    else:
        assert found.command.model_dump(mode="json").keys() >= told.keys()
        assert MAY_ORDER.get(found.command.command, {"operator"}) & {"operator"} or not signers(
            found.command
        )


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bit_of_a_signed_order_can_be_changed(data: st.DataObject) -> None:
    order = example_of(order_of(Apply)).model_dump(mode="json")
    right = signed_by("operator", order)
    assert isinstance(read(json.dumps({"jws": right}).encode()), Order)
    at = data.draw(st.integers(0, len(right) - 1))
    letter = data.draw(st.sampled_from("Aa0_-.=+/ \u00e9").filter(lambda each: each != right[at]))
    changed = right[:at] + letter + right[at + 1 :]
    assert isinstance(read(json.dumps({"jws": changed}).encode()), Answer)


@given(st.text(st.characters(), min_size=1, max_size=400))
def test_whatever_was_refused_the_heartbeat_can_tell_it(text: str) -> None:
    health = UplinkHealth(
        state_retained=True,
        refused=1,
        declined=0,
        last_refused=harmless(text),
        backlog_events_per_s=None,
        paced_by="site",
        resend_left=0,
        epochs_begun=0,
        epoch_wait_s=0,
        refused_events={},
    )
    assert json.loads(health.model_dump_json())["last_refused"] == harmless(text)
