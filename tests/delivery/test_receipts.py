"""The platform's word: what it has stored may go, and nothing else does."""

from __future__ import annotations

import json
import random
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from pydantic import ValidationError

from agent.protocol.commands import MIN_PACE_PER_S, Pace, Resend
from agent.protocol.downlink import Receipt
from agent.storage.database import Database
from agent.storage.kept_table import Asked
from agent.storage.outbox_queries import Lane
from tests.support.broker import Broker
from tests.support.delivering_device import Device
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox
from tests.support.platform_client import Platform
from tests.support.stub_broker import StubBroker
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from agent.config.schema import UplinkSection
    from agent.protocol.events import Draft


def settings(broker: Broker, **changes: object) -> UplinkSection:
    return broker.settings(confirm="platform", **{"receipt_timeout_s": 60, **changes})


def receipt(device: Device, through: int, *ranges: tuple[int, int]) -> Receipt:
    return Receipt(epoch=device.outbox.epoch, contiguous_through=through, ranges=ranges)


class Store:
    """A platform's store that commits what comes, late and in any order, and says so."""

    def __init__(self, platform: Platform, device: Device, *, honest_share: float = 1.0) -> None:
        self._platform, self._device, self._share = platform, device, honest_share
        self.stored: set[int] = set()
        self._random = random.Random(7)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def told(self) -> Receipt:
        through = 0
        while through + 1 in self.stored:
            through += 1
        rest = sorted(each for each in self.stored if each > through)
        return receipt(self._device, through, *((each, each) for each in rest[:1000]))

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            epoch = self._device.outbox.epoch
            came = {e.sequence for e in self._platform.events if e.epoch == epoch}
            # What it loses before its commit it gets only if it is sent again.
            new = [each for each in came - self.stored if self._random.random() < self._share]
            self.stored.update(new)
            self._platform.say("receipts", self.told())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)


@pytest.mark.slow
def test_the_brokers_word_alone_lets_nothing_go(broker: Broker, tmp_path: Path) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        given = device.open_cases(3)
        device.connect()
        wait_until(lambda: platform.sequences() == given)
        # The broker's word on them comes before what the platform says after that.
        platform.say("commands", Pace(command="pace", command_id="p", backlog_events_per_s=None))
        wait_until(platform.answers)
        assert device.waiting() == given
        platform.say("receipts", receipt(device, given[1]))
        wait_until(lambda: device.waiting() == given[2:])
        assert platform.sequences() == given, "nothing was sent twice"


def test_ranges_beyond_a_gap_are_heeded_and_the_gap_is_not(broker: Broker, tmp_path: Path) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        given = device.open_cases(6)
        device.connect()
        wait_until(lambda: platform.sequences() == given)
        platform.say("receipts", receipt(device, 3, (5, 5), (7, 7)))
        wait_until(lambda: device.waiting() == [4, 6])


def test_ranges_may_come_in_any_order_and_overlap(broker: Broker, tmp_path: Path) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        given = device.open_cases(9)
        device.connect()
        wait_until(lambda: platform.sequences() == given)
        platform.say("receipts", receipt(device, 2, (9, 9), (4, 7), (5, 6), (4, 4)))
        wait_until(lambda: device.waiting() == [3, 8, 10])


@pytest.mark.slow
def test_what_no_receipt_names_is_sent_again(broker: Broker, tmp_path: Path) -> None:
    told = settings(broker, receipt_timeout_s=0.5)
    with broker.platform() as platform, Device(tmp_path, told) as device:
        [sequence] = device.open_cases()
        device.connect()

        def came() -> list[int]:
            return [e.sequence for e in platform.events if e.type == "case.opened"]

        wait_until(lambda: len(came()) >= 2)
        assert set(came()) == {sequence}
        assert "receipt" in device.last_error


@pytest.mark.slow
def test_who_may_not_hear_the_platform_says_so_and_asks_again(tmp_path: Path) -> None:
    with StubBroker(refuses_to_tell=True) as broker:
        told = broker.settings(confirm="platform", receipt_timeout_s=0.2)
        with Device(tmp_path, told) as device:
            given = device.open_cases(1)
            device.connect()
            wait_until(lambda: "does not let us hear the platform" in device.last_error)
            wait_until(lambda: broker.subscribed >= 3)
            assert device.waiting() == given
        assert len(broker.connections) == 1


@pytest.mark.slow
def test_a_platform_that_loses_half_of_what_it_takes_gets_everything(
    broker: Broker, tmp_path: Path
) -> None:
    told = settings(broker, receipt_timeout_s=0.5)
    with broker.platform() as platform, Device(tmp_path, told) as device:
        device.open_cases(300)
        with Store(platform, device, honest_share=0.5) as store:
            device.connect()
            device.wait_until_drained()
            assert set(range(2, 302)) <= store.stored


@pytest.mark.slow
@pytest.mark.parametrize("contract", [2, 3, 2**53 - 1])
def test_a_receipt_of_a_later_version_is_heeded_as_far_as_it_is_known(
    broker: Broker, tmp_path: Path, contract: int
) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        given = device.open_cases(3)
        device.connect()
        wait_until(lambda: platform.sequences() == given)
        told = receipt(device, given[-1]).model_dump() | {"contract": contract, "more": {"of": [1]}}
        platform.say("receipts", json.dumps(told))
        wait_until(lambda: device.waiting() == [])
        assert device.uplink.figures.refused == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        "",
        "not json",
        "[]",
        '{"contract": 2, "epoch": "x", "contiguous_through": -1}',
        '{"contract": 1, "epoch": "x", "contiguous_through": 1}',
        '{"contract": 2, "epoch": "x", "contiguous_through": 1, "ranges": [[5, 4]]}',
        '{"contract": 2, "epoch": "another", "contiguous_through": 3}',
    ],
)
def test_what_is_no_receipt_of_ours_confirms_nothing_and_is_counted(
    broker: Broker, tmp_path: Path, said: str
) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        given = device.open_cases(3)
        device.connect()
        wait_until(lambda: platform.sequences() == given)
        platform.say("receipts", said)
        wait_until(lambda: device.uplink.figures.refused == 1)
        assert device.waiting() == given
        platform.say("receipts", receipt(device, 4))
        wait_until(lambda: device.waiting() == [])


@pytest.mark.slow
def test_a_receipt_for_what_was_never_sent_is_refused_whole(broker: Broker, tmp_path: Path) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        first = device.open_cases(1)
        device.connect()
        wait_until(lambda: platform.sequences() == first)
        # A platform cannot have this one: the day's bytes are spent, and it lies here.
        broker.stop()
        later = device.open_cases(1)
        with closing(device.database.read()) as reader:
            verdict = device.uplink._scheduler.in_flight.receive(receipt(device, later[-1]), reader)
        assert verdict == "unsent"
        assert device.waiting() == [*first, *later]


@pytest.mark.slow
def test_a_receipt_ahead_of_us_begins_a_new_epoch_in_which_everything_arrives(
    broker: Broker, tmp_path: Path
) -> None:
    """A card that lied: the database is yesterday's, and the platform has today's."""
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        old = device.outbox.epoch
        device.open_cases(3)
        device.connect()
        wait_until(lambda: platform.sequences() == [2, 3, 4])
        platform.say("receipts", receipt(device, 50))
        wait_until(lambda: device.outbox.epoch != old)
        new = device.outbox.epoch
        assert device.outbox.predecessor is not None
        assert device.outbox.predecessor.epoch == old
        with Store(platform, device):
            device.wait_until_drained()
        again = [e for e in platform.events if e.epoch == new]
        cases = {e.event_id for e in platform.events if e.type == "case.opened"}
        assert {e.event_id for e in again if e.type == "case.opened"} == cases
        assert [e.sequence for e in again if e.type == "case.opened"][:3] == [3, 4, 5], (
            "2 is the birth of before"
        )
        births = [e for e in again if e.type == "device.birth"]
        assert births[0].sequence == 1
        assert births[0].body.predecessor == device.outbox.predecessor
        assert births[0].body.because == "rolled_back"


def test_what_arrived_is_sent_again_when_the_platform_asks(broker: Broker, tmp_path: Path) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        given = device.open_cases(4)
        with Store(platform, device):
            device.connect()
            device.wait_until_drained()
        before = len(platform.events)
        epoch = device.outbox.epoch
        platform.say(
            "commands", Resend(command="resend", command_id="a", epoch=epoch, ranges=((3, 4),))
        )
        wait_until(lambda: len(platform.events) >= before + 2)
        again = [e.sequence for e in platform.events[before:] if e.type == "case.opened"]
        assert again == given[1:3]
        wait_until(platform.answers)
        [answer] = platform.answers()
        assert (answer.command_id, answer.status, answer.count) == ("a", "done", 2)


def test_what_is_kept_no_more_is_said_and_another_epoch_is_refused(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        device.connect()
        wait_until(lambda: platform.events)  # its birth: by then it has asked to hear us
        epoch = device.outbox.epoch
        told = {"command": "resend", "ranges": [[500, 501]]}
        platform.say("commands", Resend.model_validate(told | {"command_id": "a", "epoch": epoch}))
        platform.say("commands", Resend.model_validate(told | {"command_id": "b", "epoch": "old"}))
        wait_until(lambda: len(platform.answers()) == 2)
        kept, foreign = platform.answers()
        assert (kept.count, kept.reason) == (0, "2 of them are not kept under these numbers")
        assert (foreign.status, foreign.code) == ("refused", "wrong_epoch")
        assert epoch in (foreign.reason or "")


def test_the_platform_can_slow_the_backlog_down_and_a_live_case_still_goes_at_once(
    broker: Broker, tmp_path: Path
) -> None:
    told = broker.settings(backlog_events_per_s=MIN_PACE_PER_S)
    with broker.platform() as platform, Device(tmp_path, told) as device:
        device.open_cases(40)
        device.database.write(
            lambda connection: connection.execute("UPDATE outbox SET boot_id = 'earlier'")
        ).result()
        device.connect()
        wait_until(platform.sequences)
        [live] = device.open_cases()
        wait_until(lambda: live in platform.sequences())
        assert len(platform.sequences()) < 20
        platform.say("commands", Pace(command="pace", command_id="p", backlog_events_per_s=None))
        device.wait_until_drained()
        wait_until(lambda: set(platform.sequences()) == set(range(2, 42)) | {live})


def test_a_backlog_travels_packed_and_live_events_plain(broker: Broker, tmp_path: Path) -> None:
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.open_cases(40)
        device.database.write(
            lambda connection: connection.execute("UPDATE outbox SET boot_id = 'earlier'")
        ).result()
        device.connect()
        device.wait_until_drained()
        device.open_cases()
        device.wait_until_drained()
        kinds = {
            (one.content_type, one.payload[:2] == b"\x1f\x8b")
            for one in platform.received
            if one.topic.endswith("/events")
        }
        assert kinds == {("application/gzip", True), ("application/json", False)}
        assert len(platform.sequences()) == 41


def test_events_wait_for_receipts_over_a_restart(broker: Broker, tmp_path: Path) -> None:
    with broker.platform() as platform:
        with Device(tmp_path, settings(broker)) as device:
            device.open_cases(3)
            device.connect()
            wait_until(lambda: platform.sequences() == [2, 3, 4])
        with Device(tmp_path, settings(broker)) as device, Store(platform, device):
            assert device.waiting() == [2, 3, 4]
            device.connect()
            wait_until(lambda: device.waiting() == [])


@pytest.mark.slow
def test_what_was_asked_for_again_may_be_named_before_it_goes(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        with Store(platform, device):
            device.connect()
            device.open_cases(4)
            device.wait_until_drained()
        broker.stop()
        asked = Asked(device.outbox.epoch, ((3, 4),))
        assert device.outbox.resend(asked).result() == (2, [3, 4])
        device.uplink._scheduler.bring_back([3, 4])
        with closing(device.database.read()) as reader:
            assert device.uplink._scheduler.in_flight.receive(receipt(device, 5), reader) == "taken"


def test_a_receipt_confirms_only_what_this_run_has_sent(broker: Broker, tmp_path: Path) -> None:
    """A database that was set back gives numbers anew, which the platform has for other events."""
    with Device(tmp_path, settings(broker)) as device:
        given = device.open_cases(3)
    with Device(tmp_path, settings(broker)) as device:
        with closing(device.database.read()) as reader:
            verdict = device.uplink._scheduler.in_flight.receive(receipt(device, given[-1]), reader)
        assert verdict == "taken"
        assert device.waiting() == given


def ids_in(platform: Platform, epoch: str) -> set[str]:
    return {event.event_id for event in platform.events if event.epoch == epoch}


def test_a_number_that_means_another_event_begins_a_new_epoch_in_which_ours_arrives(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        old = device.outbox.epoch
        drafts = [case_opened(device.clock) for _ in range(4)]
        device.add(drafts)
        device.connect()
        wait_until(lambda: platform.sequences() == [2, 3, 4, 5])
        platform.say("receipts", receipt(device, 5))
        wait_until(lambda: device.waiting() == [])
        told = receipt(device, 5).model_copy(update={"conflicts": ((3, 4),)})
        platform.say("receipts", told)
        wait_until(lambda: device.outbox.epoch != old)
        assert "other events under 2 of our numbers from 3 on" in device.last_error
        ids = {draft.event_id for draft in drafts[1:3]}
        with Store(platform, device):
            wait_until(lambda: ids <= ids_in(platform, device.outbox.epoch))
            device.wait_until_drained()


def begun_anew(platform: Platform, device: Device) -> tuple[str, list[Draft]]:
    """The name of an epoch that is over, and what arrived in it under 2, 3 and 4.

    In the present one other events wait under 2, 3 and 4: nobody has said yet that they are stored.
    """
    old = device.outbox.epoch
    arrived = [case_opened(device.clock) for _ in range(3)]
    device.add(arrived)
    device.connect()
    wait_until(lambda: platform.sequences() == [2, 3, 4])
    platform.say("receipts", receipt(device, 1, (2, 4)))
    wait_until(lambda: device.waiting() == [])
    device.outbox.begin_epoch("copied").result()
    device.open_cases(3)
    wait_until(lambda: len(ids_in(platform, device.outbox.epoch)) >= 4)  # with the birth
    assert set(device.waiting()) >= {2, 3, 4}
    return old, arrived


def test_what_is_said_of_a_former_epochs_numbers_hits_nothing_of_the_present_one_and_is_told(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        old, _ = begun_anew(platform, device)
        present, waiting = device.outbox.epoch, device.waiting()
        named: list[dict[str, object]] = [
            {"conflicts": [[2, 3]]},
            {"refused": [[2, 4, "torn"]]},
        ]
        for count, more in enumerate(named, 1):
            told = {"epoch": old, "contiguous_through": 4, **more}
            platform.say("receipts", json.dumps(told))
            wait_until(lambda: device.uplink.figures.refused == count)  # noqa: B023
            assert "of a former epoch" in (device.uplink.figures.health.last_refused or "")
        platform.say("receipts", Receipt(epoch=old, contiguous_through=4))  # nothing to tell
        platform.say("commands", Pace(command="pace", command_id="p", backlog_events_per_s=None))
        wait_until(platform.answers)  # by then all was heeded
        assert (device.outbox.epoch, device.waiting()) == (present, waiting)
        assert device.uplink.figures.health.refused_events == {}
        assert device.uplink.figures.refused == 2


def test_what_comes_again_of_a_former_epoch_is_refused_or_numbered_anew_and_the_present_waits_on(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        old, arrived = begun_anew(platform, device)
        waiting, before = device.waiting(), len(platform.events)
        asked = Resend(command="resend", command_id="r", epoch=old, ranges=((2, 4),))
        platform.say("commands", asked)
        wait_until(lambda: len(ids_of_old(platform, before, old)) == 3)
        told = {"epoch": old, "contiguous_through": 0, "ranges": [[2, 2]]}
        platform.say(
            "receipts", json.dumps(told | {"refused": [[3, 3, "torn"]], "conflicts": [[4, 4]]})
        )
        present = device.outbox.epoch
        wait_until(lambda: arrived[2].event_id in ids_in(platform, present))
        assert not {each.event_id for each in arrived[:2]} & ids_in(platform, present)
        wait_until(lambda: device.uplink.figures.health.refused_events == {"torn": 1})
        assert device.outbox.epoch == present, "no epoch ends for a former one's conflict"
        assert device.waiting()[: len(waiting)] == waiting
        assert len(device.waiting()) == len(waiting) + 1
        assert device.uplink.figures.refused == 0


def ids_of_old(platform: Platform, before: int, epoch: str) -> set[str]:
    """What has come of an epoch since."""
    return {event.event_id for event in platform.events[before:] if event.epoch == epoch}


@pytest.mark.slow
def test_what_a_receipt_for_other_events_confirmed_goes_again_once_the_conflict_is_known(
    broker: Broker, tmp_path: Path
) -> None:
    """A database that was set back; a receipt for what the platform had was on its way when ours went."""
    with Device(tmp_path, settings(broker)) as device:
        drafts = [case_opened(device.clock) for _ in range(4)]
        device.add(drafts)
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        old = device.outbox.epoch
        device.connect()
        wait_until(lambda: {2, 3, 4, 5} <= set(platform.sequences()))
        platform.say("receipts", receipt(device, 4))
        wait_until(lambda: not {2, 3, 4} & set(device.waiting()))
        platform.say("receipts", receipt(device, 4).model_copy(update={"conflicts": ((2, 2),)}))
        wait_until(lambda: device.outbox.epoch != old)
        ids = {draft.event_id for draft in drafts}
        with Store(platform, device):
            wait_until(lambda: ids <= ids_in(platform, device.outbox.epoch))
            device.wait_until_drained()


def test_a_power_cut_begins_a_new_epoch_and_a_kill_does_not(tmp_path: Path) -> None:
    def opened(boot_id: str, *, ends: bool) -> str:
        with Database(tmp_path / "kerbwatch.db") as database:
            outbox = open_outbox(database, boot_id=boot_id)
            if ends:
                outbox.end().result()
            return outbox.epoch

    first = opened("boot-1", ends=False)
    assert opened("boot-1", ends=True) == first, "a killed process of the same boot"
    assert opened("boot-2", ends=False) == first, "a planned end, then another boot"
    assert opened("boot-3", ends=True) != first, "no end, then another boot"


def test_in_a_new_epoch_what_waits_keeps_its_order_and_its_event_ids(tmp_path: Path) -> None:
    from drivers.testing import FakeClock  # noqa: PLC0415
    from tests.support.outboxes import NOON, sequences  # noqa: PLC0415

    clock = FakeClock(NOON)
    with Database(tmp_path / "kerbwatch.db") as database:
        outbox = open_outbox(database, keep_arrived=10)
        drafts = [case_opened(clock) for _ in range(4)]
        database.write(
            lambda connection: [outbox.add(connection, draft, Lane.CASE) for draft in drafts]
        ).result()
        outbox.confirm([2, 3]).result()
        outbox.begin_epoch("rolled_back").result()
        assert sequences(database) == [2, 3]
        with closing(database.read()) as connection:
            rows = connection.execute("SELECT event_id, event FROM outbox ORDER BY sequence")
            told = [(event_id, outbox.epoch in event) for event_id, event in rows]
        assert told == [(drafts[2].event_id, True), (drafts[3].event_id, True)]


def test_a_receipt_must_name_real_ranges() -> None:
    with pytest.raises(ValidationError):
        Receipt(epoch="e", contiguous_through=0, ranges=((0, 3),))
    with pytest.raises(ValidationError):
        Receipt(epoch="e", contiguous_through=9, conflicts=((3, 2),))
    assert Receipt(epoch="e", contiguous_through=2, ranges=((5, 9),)).highest == 9


@pytest.mark.parametrize(
    ("item", "read"),
    [
        ([2, 3, "no_room"], (2, 3, "no_room")),
        ([2, 3, "no_room", {"of": "later"}], (2, 3, "no_room")),
        ([2, 3, "No-Room"], (2, 3, "other")),
        ([2, 3, "no_room\n"], (2, 3, "other")),
        ([2, 3, None], (2, 3, "other")),
        ([2, 3], None),
        ([3, 2, "no_room"], None),
        ([0, 3, "no_room"], None),
        ([2, 2**53, "no_room"], None),
        ([2, True, "no_room"], None),
        ({"first": 2}, None),
        ("2,3", None),
        (None, None),
    ],
)
def test_what_of_the_refused_cannot_be_read_costs_nothing_of_the_receipt(
    item: object, read: tuple[int, int, str] | None
) -> None:
    told = {"epoch": "e", "contiguous_through": 1, "ranges": [[9, 9]]}
    told |= {"refused": [item, [5, 5, "broken"]]}
    found = Receipt.model_validate_json(json.dumps(told))
    assert found.refused == (*([read] if read else []), (5, 5, "broken"))
    assert {(1, 1), (5, 5), (9, 9)} <= set(found.spans)


def test_an_event_that_is_refused_with_a_code_of_another_form_does_not_come_again(
    broker: Broker, tmp_path: Path
) -> None:
    with broker.platform() as platform, Device(tmp_path, settings(broker)) as device:
        given = device.open_cases(3)
        device.connect()
        wait_until(lambda: platform.sequences() == given)
        told = receipt(device, given[0]).model_dump()
        told |= {"refused": [[given[1], given[1], "No-Room"], [given[2], given[2], "torn", 7]]}
        platform.say("receipts", json.dumps(told))
        wait_until(lambda: device.waiting() == [])
        assert device.uplink.figures.refused == 0
        assert device.uplink._scheduler.in_flight.refused == {"other": 1, "torn": 1}
