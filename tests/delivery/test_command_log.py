"""Who may command may not wear the device out: an order is obeyed once, a flood of them hardly at all."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from agent.audit import OF_PLATFORM, records, verify
from agent.delivery.commands.log import AT_ONCE, EACH_S, MAX_REMEMBERED, CommandLog
from agent.delivery.commands.reader import Order
from agent.identity.authorities import Signature
from agent.protocol.commands import REASONS, Answer, Pace, Refusal
from agent.protocol.vectors import public_key
from agent.retention import LegalHold, LegalHolds
from agent.retention.legal_holds import MAX_OF_PLATFORM
from agent.storage.database import Database
from drivers.testing import FakeClock
from tests.support.broker import Broker
from tests.support.housekeeping import hold, housekeeping_of, uplink_under
from tests.support.ordering import ordered
from tests.support.state_folder import DAY_S, NOON, StateFolder, hold_on
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Obeying:
    """What does the orders, and counts them."""

    def __init__(self, database: Database) -> None:
        self.clock, self.database = FakeClock(NOON), database
        self.orders = CommandLog(database, self.clock)
        self.obeyed: list[str] = []

    def restart(self) -> None:
        self.orders = CommandLog(self.database, self.clock)

    refuses: str | None = None

    def order(self, command_id: str, *, per_s: float = 20, signed: bool = False) -> Answer:
        pace = Pace(command="pace", command_id=command_id, backlog_events_per_s=per_s)
        key = public_key("operator").kid
        signature = Signature("a.b.c", key, frozenset({"operator"})) if signed else None
        return self.orders.answer(Order(pace, signature), self._obey)

    def _obey(self, order: Order) -> Answer:
        command_id = order.command.command_id
        self.obeyed.append(command_id)
        if self.refuses:
            raise Refusal(self.refuses, "not now")
        return Answer(command_id=command_id, status="done", count=len(self.obeyed))


@pytest.fixture
def obeying(tmp_path: Path) -> Iterator[Obeying]:
    with Database(tmp_path / "kerbwatch.sqlite3") as database:
        yield Obeying(database)


def test_an_order_that_comes_again_is_answered_again_and_not_obeyed_again(obeying: Obeying) -> None:
    first = obeying.order("p-1")
    assert obeying.order("p-1") == first
    obeying.restart()
    assert obeying.order("p-1") == first
    assert obeying.obeyed == ["p-1"]


def test_another_order_under_the_same_id_is_refused(obeying: Obeying) -> None:
    obeying.order("p-1")
    answer = obeying.order("p-1", per_s=5)
    assert (answer.status, answer.code) == ("refused", "id_used")
    assert obeying.obeyed == ["p-1"]


def test_one_id_has_one_answer_also_where_it_was_refused(obeying: Obeying) -> None:
    obeying.refuses = "not_found"
    refused = obeying.order("p-1")
    assert (refused.status, refused.code, refused.reason) == ("refused", "not_found", "not now")
    obeying.refuses = None
    obeying.restart()
    assert obeying.order("p-1") == refused
    assert obeying.obeyed == ["p-1"]


@pytest.mark.parametrize(
    "code", [code for code, reason in REASONS.items() if reason.then == "wait"]
)
def test_what_was_to_wait_has_done_nothing_and_may_come_again(obeying: Obeying, code: str) -> None:
    obeying.refuses = code
    assert obeying.order("p-1").code == code
    obeying.refuses = None
    assert obeying.order("p-1").status == "done"
    assert obeying.order("p-1").count == 2


def test_who_may_only_publish_uses_up_no_id_of_what_is_signed(obeying: Obeying) -> None:
    assert obeying.order("p-1", per_s=5).count == 1
    signed = obeying.order("p-1", signed=True)
    assert (signed.status, signed.count) == ("done", 2)
    obeying.restart()
    assert obeying.order("p-1", signed=True) == signed


def test_a_flood_pushes_out_neither_the_memory_nor_the_allowance_of_what_is_signed(
    obeying: Obeying,
) -> None:
    signed = obeying.order("s-1", signed=True)
    for number in range(MAX_REMEMBERED + 5):
        obeying.clock.advance(EACH_S)
        obeying.order(f"p-{number}")
    while obeying.order(f"q-{len(obeying.obeyed)}").status == "done":
        pass
    assert obeying.order("s-1", signed=True) == signed
    assert obeying.order("s-2", signed=True).status == "done"


def test_of_a_flood_the_allowance_is_obeyed_and_every_order_is_answered(obeying: Obeying) -> None:
    answers = [obeying.order(f"p-{number}") for number in range(5 * AT_ONCE)]
    assert len(obeying.obeyed) == AT_ONCE
    for answer in answers[AT_ONCE:]:
        assert (answer.status, answer.code) == ("refused", "rate_limited")
        assert answer.allowed is not None
        assert answer.allowed.wait_s == EACH_S
    obeying.clock.advance(EACH_S * 2)
    assert [obeying.order(f"q-{number}").code for number in range(3)] == [
        None,
        None,
        "rate_limited",
    ]
    again = obeying.order("p-0")  # what was answered costs nothing
    assert again == answers[0]


def test_what_was_refused_as_too_much_may_come_again(obeying: Obeying) -> None:
    for number in range(AT_ONCE + 1):
        refused = obeying.order(f"p-{number}")
    assert refused.code == "rate_limited"
    obeying.clock.advance(EACH_S)
    assert obeying.order(f"p-{AT_ONCE}").status == "done"


def test_a_disk_that_does_not_take_the_answer_costs_no_answer(obeying: Obeying) -> None:
    obeying.database.write(
        lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone()
    ).result()  # SQLite makes that what it has now
    for number in range(400):
        obeying.clock.advance(EACH_S)
        assert obeying.order(f"p-{number}").status == "done"
    count = obeying.database.write(
        lambda connection: connection.execute("SELECT count(*) FROM orders").fetchone()
    ).result()
    assert count < (400,), "the disk was full"


def test_only_the_newest_answers_are_kept(obeying: Obeying) -> None:
    for number in range(MAX_REMEMBERED + 5):
        obeying.clock.advance(EACH_S)
        obeying.order(f"p-{number}")
    count = obeying.database.write(
        lambda connection: connection.execute("SELECT count(*) FROM orders").fetchone()
    ).result()
    assert count == (MAX_REMEMBERED,)
    obeying.order("p-4")  # forgotten
    obeying.clock.advance(EACH_S)
    obeying.order("p-5")
    assert len(obeying.obeyed) == MAX_REMEMBERED + 7


# ── holds ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def device(tmp_path: Path) -> Iterator[StateFolder]:
    made = StateFolder(tmp_path)
    yield made
    made.database.close()


def test_the_platform_does_not_lift_a_technicians_hold(device: StateFolder, tmp_path: Path) -> None:
    case_id, housekeeping = device.case(), housekeeping_of(device, tmp_path)
    device.holds.set(hold_on(case_id))
    reason = ordered(device, housekeeping, hold(case_id, held=False))
    assert reason == "it is held by a technician, and that is lifted on the device"
    assert device.holds.names() == {case_id}
    assert list(records(tmp_path / "audit" / OF_PLATFORM)) == []


def test_what_both_hold_is_held_until_both_let_go(device: StateFolder, tmp_path: Path) -> None:
    case_id, housekeeping = device.case(), housekeeping_of(device, tmp_path)
    assert ordered(device, housekeeping, hold(case_id)) is None
    assert device.holds.set(hold_on(case_id)), "a technician's hold is one of its own"
    assert ordered(device, housekeeping, hold(case_id, held=False)) is None
    assert device.holds.names() == {case_id}
    assert [each.origin for each in device.holds.all()] == ["technician"]
    assert device.holds.lift(case_id)
    assert device.holds.names() == set()


@pytest.mark.parametrize(
    ("by", "lifted"), [("kerbwatch hold (li)", False), ("platform", True), (None, False)]
)
def test_holds_of_an_older_agent_go_on(
    device: StateFolder, tmp_path: Path, by: str | None, lifted: bool
) -> None:
    """Its files do not say whose they are; what cannot be read is nobody's to lift from afar."""
    case_id, housekeeping = device.case(), housekeeping_of(device, tmp_path)
    old = {"case_id": case_id, "reason": "复议", "by": by, "at": NOON.isoformat()}
    (tmp_path / "holds").mkdir()
    (tmp_path / "holds" / f"{case_id}.json").write_text(json.dumps(old), encoding="utf-8")
    assert device.holds.names() == {case_id}
    assert (ordered(device, housekeeping, hold(case_id, held=False)) is None) is lifted
    assert device.holds.names() == (set() if lifted else {case_id})


@pytest.mark.parametrize("case_id", ["pending", "0197-unknown", "0" * 64])
@pytest.mark.parametrize("held", [True, False])
def test_of_what_is_no_case_nothing_is_written(
    device: StateFolder, tmp_path: Path, case_id: str, held: bool
) -> None:
    (tmp_path / "evidence" / "pending").mkdir(parents=True)
    housekeeping = housekeeping_of(device, tmp_path)
    assert ordered(device, housekeeping, hold(case_id, held=held)) == "nothing is kept of this case"
    assert device.holds.names() == set()
    assert not (tmp_path / "audit" / OF_PLATFORM).exists()


def test_the_platform_holds_so_many_cases_and_a_technician_any(
    device: StateFolder, tmp_path: Path
) -> None:
    housekeeping = housekeeping_of(device, tmp_path)
    for number in range(MAX_OF_PLATFORM):
        device.holds.set(
            LegalHold(case_id=f"c-{number}", reason="", by="platform", at=NOON, origin="platform")
        )
    case_id = device.case()
    assert (
        ordered(device, housekeeping, hold(case_id)) == f"{MAX_OF_PLATFORM} cases are held already"
    )
    assert device.holds.set(hold_on(case_id))
    assert ordered(device, housekeeping, hold("c-0", held=False)) is None
    assert ordered(device, housekeeping, hold(case_id)) is None


def test_whatever_is_ordered_pushes_nothing_of_the_device_out_of_the_audit_log(
    device: StateFolder, tmp_path: Path
) -> None:
    housekeeping, case_id = housekeeping_of(device, tmp_path), device.case()
    device.audit.append("commissioning.stored", camera_id="street")
    before = [record.hash for record in records(tmp_path / "audit")]
    reason = "x" * 500
    for number in range(300):
        order = hold(case_id, held=number % 2 == 0).model_copy(update={"reason": reason})
        assert ordered(device, housekeeping, order) is None
    noted = list(records(tmp_path / "audit" / OF_PLATFORM))
    assert len(noted) == 300
    assert {record.by for record in noted} == {"platform"}
    assert [record.hash for record in records(tmp_path / "audit")] == before
    assert verify(tmp_path / "audit" / OF_PLATFORM).breaks == ()
    assert LegalHolds(tmp_path).names() == set()


def test_the_devices_own_log_vouches_for_the_end_of_what_was_ordered(
    device: StateFolder, tmp_path: Path
) -> None:
    housekeeping, case_id = housekeeping_of(device, tmp_path), device.case()
    log, orders = tmp_path / "audit", tmp_path / "audit" / OF_PLATFORM
    for held in (True, False, True):
        ordered(device, housekeeping, hold(case_id, held=held))
        housekeeping.name_newest_order()
    named = [record.facts for record in records(log)]
    [first, *_] = records(orders)
    assert named == [{"number": 1, "hash": first.hash}], "once a day, however much is ordered"
    device.clock.advance(DAY_S)
    housekeeping.name_newest_order()
    [*_, newest] = records(orders)
    assert list(records(log))[-1].facts == {"number": 3, "hash": newest.hash}
    housekeeping.name_newest_order()
    assert len(list(records(log))) == 2, "nothing new, nothing named"


def test_an_order_that_is_sent_again_over_the_broker_is_answered_again(
    broker: Broker, device: StateFolder, tmp_path: Path
) -> None:
    case_id = device.case(heard=False)
    housekeeping = housekeeping_of(device, tmp_path)
    orders = tmp_path / "audit" / OF_PLATFORM
    stop = threading.Event()
    uplink = uplink_under(broker, device, housekeeping)
    thread = threading.Thread(target=uplink.run, args=(stop,))
    with broker.platform() as platform:
        thread.start()
        wait_until(lambda: platform.events)
        for _ in range(3):
            platform.say("commands", hold(case_id))
        wait_until(lambda: len(platform.answers()) == 3)
        device.holds.lift(case_id)  # on the device: the old order does not come back to life
        platform.say("commands", hold(case_id))
        wait_until(lambda: len(platform.answers()) == 4)
        stop.set()
        thread.join(30)
    assert {answer.status for answer in platform.answers()} == {"done"}
    assert device.holds.names() == set()
    assert [record.facts["order"] for record in records(orders)] == ["h-1"]
