"""One worker at a real broker and a real PostgreSQL: stored, settled, told."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform import store
from kerbwatch_platform.intake import sending
from kerbwatch_platform.store import orders

from tests.support.city import EPOCH, TENANT, City, Corner, turn_until
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kerbwatch_platform.intake.worker import Worker
    from kerbwatch_platform.transports import Transport

    from tests.support.broker import Broker

pytestmark = pytest.mark.slow


@pytest.fixture
def worker(city: City, transport: Transport) -> Iterator[Worker]:
    with closing(city.worker(transport)) as taking_turns:
        yield taking_turns


def test_what_came_is_stored_once_under_every_number_and_told_when_it_is_time(
    city: City, corner: Corner, worker: Worker
) -> None:
    corner.see(1, 2, 2, 3)
    corner.send(corner.case(4, event_id=corner.case(3)["event_id"]))
    turn_until(worker, lambda: city.numbers("corner-1") == [1, 2, 3, 4])
    assert city.ask("SELECT count(*) FROM event") == [(3,)]
    assert corner.heard("receipts") == []
    city.clock.now_s += sending.EVERY_S
    turn_until(worker, lambda: corner.heard("receipts"))
    assert corner.heard("receipts") == [{"contract": 2, "epoch": EPOCH, "contiguous_through": 4}]


def test_a_birth_is_told_at_once_what_is_stored_of_its_device(
    city: City, corner: Corner, worker: Worker
) -> None:
    """Receipts are not retained: while it was away, it has missed them."""
    corner.see(2, 3)
    turn_until(worker, lambda: city.numbers("corner-1") == [2, 3])
    assert corner.heard("receipts") == []
    corner.send(corner.birth())
    turn_until(worker, lambda: corner.heard("receipts"))
    assert corner.heard("receipts")[0]["contiguous_through"] == 3


def test_what_breaks_the_envelope_is_told_by_its_code_and_costs_no_other(
    city: City, corner: Corner, worker: Worker
) -> None:
    corner.send(corner.case(1), corner.case(2, device_id="other"), corner.case(3))
    turn_until(worker, lambda: city.numbers("corner-1") == [1, 3])
    city.clock.now_s += sending.EVERY_S
    turn_until(worker, lambda: corner.heard("receipts"))
    (told,) = corner.heard("receipts")
    assert told["contiguous_through"] == 3
    assert told["refused"] == [[2, 2, "not_its_topic"]]


def test_a_test_case_gets_a_number_at_once_and_only_one_however_often_it_comes(
    city: City, corner: Corner, worker: Worker
) -> None:
    case = corner.case(1, test=True)
    corner.send(case)
    corner.send(case)
    corner.send(corner.case(2, test=True))
    turn_until(worker, lambda: corner.heard("commands"))
    (told,) = {each["command_id"]: each for each in corner.heard("commands")}.values()
    assert (told["command"], told["case_id"]) == ("ticket", case["body"]["case_id"])
    assert told["ticket"].startswith("TEST-")
    assert city.ask("SELECT count(*) FROM outgoing") == [(1,)]


def put_order(
    city: City, command: dict[str, object], *, hours: float = 24, after_s: float = 0
) -> str:
    with store.connect(city.database) as connection:
        return orders.order(
            connection, TENANT, "corner-1", command, by="reviewer", hours=hours, after_s=after_s
        )


def answer(corner: Corner, command_id: str, status: str, code: str | None = None) -> None:
    told = {"contract": 2, "command_id": command_id, "status": status, "code": code}
    corner.tell(f"{corner.base}/answers", json.dumps(told))


def commanded(corner: Corner) -> list[str]:
    return [each["command_id"] for each in corner.heard("commands")]


def test_an_order_is_sent_until_it_is_answered_and_again_at_each_birth(
    city: City, corner: Corner, worker: Worker
) -> None:
    order_id = put_order(city, {"command": "hold", "case_id": "c", "held": True, "reason": "r"})
    turn_until(worker, lambda: commanded(corner) == [order_id])
    corner.send(corner.birth())
    turn_until(worker, lambda: commanded(corner) == [order_id] * 2)
    answer(corner, order_id, "done")
    turn_until(worker, lambda: city.ask("SELECT 1 FROM outgoing WHERE answered_at IS NOT NULL"))
    assert city.ask("SELECT answer->>'status', times_sent FROM outgoing") == [("done", 2)]
    city.run("UPDATE outgoing SET next_at = now()")
    corner.send(corner.birth(2))
    city.clock.now_s += 10
    turn_until(worker, lambda: city.numbers("corner-1") == [1, 2])
    assert commanded(corner) == [order_id] * 2


def test_not_now_is_no_last_word(city: City, corner: Corner, worker: Worker) -> None:
    order_id = put_order(city, {"command": "pace", "backlog_events_per_s": 1})
    turn_until(worker, lambda: commanded(corner) == [order_id])
    answer(corner, order_id, "refused", "rate_limited")
    turn_until(worker, lambda: city.ask("SELECT 1 FROM outgoing WHERE answer IS NOT NULL"))
    assert city.ask("SELECT answered_at, next_at > now() FROM outgoing") == [(None, True)]
    city.run("UPDATE outgoing SET next_at = now()")
    city.clock.now_s += 10
    turn_until(worker, lambda: commanded(corner) == [order_id] * 2)
    answer(corner, order_id, "refused", "not_found")
    turn_until(worker, lambda: city.ask("SELECT 1 FROM outgoing WHERE answered_at IS NOT NULL"))


def test_another_devices_answer_answers_nothing(
    city: City, broker: Broker, corner: Corner, worker: Worker
) -> None:
    order_id = put_order(city, {"command": "pace", "backlog_events_per_s": 1})
    with Corner(broker.port, "corner-2") as other:
        answer(other, order_id, "done")
        other.see(1)
        turn_until(worker, lambda: city.numbers("corner-2") == [1])
    assert city.ask("SELECT answered_at, answer FROM outgoing") == [(None, None)]


def test_an_order_waits_can_be_recalled_and_ends_when_its_time_is_over(
    city: City, corner: Corner, worker: Worker
) -> None:
    recalled = put_order(city, {"command": "pace"}, after_s=3600)
    over = put_order(city, {"command": "pace"}, hours=0)
    sent = put_order(city, {"command": "pace"})
    turn_until(worker, lambda: commanded(corner) == [sent])
    with store.connect(city.database) as connection:
        assert orders.recall(connection, recalled)
        assert not orders.recall(connection, sent), "it was sent"
    left = {str(each) for (each,) in city.ask("SELECT order_id FROM outgoing")}
    assert left == {over, sent}


def test_what_is_signed_goes_as_it_was_signed(city: City, corner: Corner, worker: Worker) -> None:
    with store.connect(city.database) as connection:
        told = {"command": "verdict", "command_id": str(uuid.uuid4())}
        orders.order(connection, TENANT, "corner-1", told, by="reviewer", signed="a.b.c")
        with pytest.raises(ValueError, match="command_id"):
            orders.order(connection, TENANT, "corner-1", {"command": "x"}, by="r", signed="a.b.c")
    turn_until(worker, lambda: corner.heard("commands"))
    assert corner.heard("commands") == [{"contract": 2, "jws": "a.b.c"}]


def test_a_will_is_believed_only_of_the_newest_connection(
    city: City, corner: Corner, worker: Worker
) -> None:
    def tell(session: str, online: bool) -> None:
        told = {"contract": 2, "session_id": session, "online": online, "epoch": EPOCH}
        corner.tell(f"{corner.base}/state", json.dumps(told))

    def state() -> list[object]:
        return city.ask("SELECT session_id, online FROM device_state")

    tell("first", True)
    tell("second", True)
    tell("first", False)
    turn_until(worker, lambda: state() == [("second", True)])
    corner.see(1)
    turn_until(worker, lambda: city.numbers("corner-1") == [1])
    assert state() == [("second", True)]
    tell("second", False)
    turn_until(worker, lambda: state() == [("second", False)])


def test_a_broker_that_is_away_costs_no_receipt(
    city: City, broker: Broker, corner: Corner, worker: Worker
) -> None:
    corner.see(1)
    turn_until(worker, lambda: city.numbers("corner-1") == [1])
    corner.leave()
    broker.stop()
    city.clock.now_s += sending.EVERY_S
    worker.turn(0.01)
    broker.start()
    with Corner(broker.port, "corner-1") as again:
        turn_until(worker, lambda: again.heard("receipts"))
        wait_until(lambda: again.heard("receipts")[0]["contiguous_through"] == 1)
