"""What the platform tells of a case is confirmed by an event, once; it makes more than a lead only by the law."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest

from agent.config.loading import from_tables
from agent.delivery.received_messages import Delivery
from agent.identity.authorities import Authorities, Authority
from agent.protocol.case import LegalFact
from agent.protocol.commands import TicketCase
from agent.protocol.vectors import public_key, signed_by
from agent.storage import verdict_table
from agent.storage.case_table import case_of, save_case
from agent.telemetry.daily_summary import summary_of
from provisioning.commands.report import lines
from tests.support.delivering_device import uplink_of
from tests.support.housekeeping import housekeeping_of
from tests.support.sites import site_of
from tests.support.state_folder import StateFolder
from tests.support.topics import DEVICE, TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.protocol.commands import Answer

REVIEWERS = Authorities([Authority("reviewer", public_key("reviewer"))])
LAWFUL: dict[str, Any] = {
    "legal_review_no": "法审 1",
    "tech_review_no": "技审 1",
    "sign_installed": True,
    "location_published": True,
}


class Desk:
    """A device with one case, and the reviewer's desk that tells it what it found."""

    def __init__(
        self, folder: Path, legal: dict[str, Any], gaps: tuple[str, ...] | None = ()
    ) -> None:
        self.device, self.folder, self.count = StateFolder(folder), folder, 0
        self.case_id = self.device.case()
        self.change_case(legal_gaps=gaps)
        self.begin(legal)

    def begin(self, legal: dict[str, Any]) -> None:
        """Run with what the site says of the law."""
        housekeeping = housekeeping_of(self.device, self.folder, legal=legal)
        self.uplink = uplink_of(
            housekeeping._configuration.uplink.model_copy(
                update={"broker": "mqtts://broker.example"}
            ),
            self.device.database,
            self.device.outbox,
            self.device.clock,
            handlers=housekeeping.handlers,
            record=housekeeping.record_order,
            authorities=REVIEWERS,
        )

    def end(self) -> None:
        self.uplink._wake.close()
        self.device.database.close()

    def change_case(self, **facts: Any) -> None:
        def write(connection: sqlite3.Connection) -> None:
            case = case_of(connection, self.case_id)
            assert case is not None
            save_case(connection, replace(case, **facts))

        self.device.database.write(write).result()

    def hear(self, document: dict[str, Any]) -> Answer:
        downlink = self.uplink._downlink
        delivery = Delivery(downlink.commands_topic, json.dumps(document).encode())
        with closing(self.device.database.read()) as reader:
            answer = downlink.heed(delivery, reader)
        assert answer is not None
        return answer

    def ticket(self, ticket: str) -> Answer:
        self.count += 1
        order = TicketCase(
            command="ticket", command_id=f"t-{self.count}", case_id=self.case_id, ticket=ticket
        )
        return self.hear(order.model_dump(mode="json"))

    def judge(self, verdict: str, reference: str = "核查 7", case_id: str | None = None) -> Answer:
        self.count += 1
        order = {
            "command": "verdict",
            "command_id": f"v-{self.count}",
            "tenant": TENANT,
            "device_id": DEVICE,
            "expires_at": (self.device.clock.now() + timedelta(hours=1)).isoformat(),
            "case_id": case_id or self.case_id,
            "verdict": verdict,
            "reference": reference,
        }
        return self.hear({"contract": 2, "jws": signed_by("reviewer", order)})

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What the device told of its cases since: type and body."""
        with closing(self.device.database.read()) as reader:
            rows = reader.execute(
                "SELECT type, event FROM outbox WHERE arrived = 0 ORDER BY sequence"
            ).fetchall()
        return [(type_, json.loads(event)["body"]) for type_, event in rows]

    def status(self) -> tuple[str, list[str]]:
        """What the newest event says the case may be taken for, and why no more."""
        body = self.told()[-1][1]
        return body["evidence_status"], body["evidence_lacks"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, LAWFUL)
    yield made
    made.end()


def test_a_number_and_a_verdict_are_each_confirmed_by_one_event(desk: Desk) -> None:
    assert desk.ticket("2026-7").status == "done"
    assert desk.judge("valid").status == "done"
    [(first, numbered), (second, judged)] = desk.told()
    assert (first, numbered["ticket"], numbered["verdict"]) == ("case.ticketed", "2026-7", None)
    assert (second, judged["ticket"], judged["verdict"]["verdict"]) == (
        "case.judged",
        "2026-7",
        "valid",
    )
    assert judged["verdict"]["key"] == public_key("reviewer").kid
    assert {numbered["case_id"], judged["case_id"]} == {desk.case_id}
    assert judged["state"] == "cleared", "a confirmation opens nothing again"


def test_what_is_told_again_makes_no_second_event(desk: Desk) -> None:
    for _ in range(2):  # each under a command_id of its own
        assert desk.ticket("2026-7").status == "done"
        assert desk.judge("false").status == "done"
    assert [type_ for type_, _ in desk.told()] == ["case.ticketed", "case.judged"]
    assert desk.judge("false", reference="核查 8").status == "done"
    assert desk.ticket("2026-8").status == "done"
    assert [type_ for type_, _ in desk.told()][2:] == ["case.judged", "case.ticketed"]


def test_there_is_no_note_without_its_event_and_no_event_without_its_note(desk: Desk) -> None:
    desk.device.database.write(
        lambda connection: (
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END"
            )
            and None
        )
    ).result()
    with pytest.raises(sqlite3.IntegrityError):
        desk.ticket("2026-7")
    with pytest.raises(sqlite3.IntegrityError):
        desk.judge("valid")
    desk.device.database.write(
        lambda connection: connection.execute("DROP TRIGGER full") and None
    ).result()
    with closing(desk.device.database.read()) as reader:
        assert reader.execute("SELECT count(*) FROM case_notes").fetchone() == (0,)
        assert verdict_table.judged(reader) == []
    assert desk.ticket("2026-7").status == "done"
    assert desk.judge("valid").status == "done"
    assert [type_ for type_, _ in desk.told()] == ["case.ticketed", "case.judged"]


def test_a_case_is_more_than_a_lead_by_a_valid_verdict_on_a_lawful_site_alone(desk: Desk) -> None:
    desk.ticket("2026-7")
    assert desk.status() == ("lead_only", [])
    for verdict, status in (
        ("duplicate", "lead_only"),
        ("valid", "reviewed"),
        ("false", "lead_only"),
        ("valid", "reviewed"),
    ):
        desk.judge(verdict)
        assert desk.status() == (status, []), verdict


@pytest.mark.parametrize("missing", get_args(LegalFact))
def test_while_one_of_the_laws_demands_is_open_a_valid_case_stays_a_lead(
    tmp_path: Path, missing: str
) -> None:
    desk = Desk(tmp_path, {name: value for name, value in LAWFUL.items() if name != missing})
    desk.judge("valid")
    assert desk.status() == ("lead_only", [missing])
    desk.end()


@pytest.mark.parametrize("gaps", [("tech_review_no",), None])
def test_what_was_missing_when_it_opened_cannot_be_made_good(
    tmp_path: Path, gaps: tuple[str, ...] | None
) -> None:
    desk = Desk(tmp_path, LAWFUL, gaps)
    desk.judge("valid")
    lacks = list(get_args(LegalFact)) if gaps is None else list(gaps)
    assert desk.status() == ("lead_only", lacks)
    desk.end()


def test_a_site_that_loses_a_review_makes_leads_of_its_cases_again(desk: Desk) -> None:
    desk.judge("valid")
    assert desk.status() == ("reviewed", [])
    desk.uplink._wake.close()
    desk.begin(LAWFUL | {"sign_installed": False})
    desk.ticket("2026-7")
    assert desk.status() == ("lead_only", ["sign_installed"])


def test_precision_is_by_the_last_verdict_on_each_case_and_tests_count_for_nothing(
    desk: Desk,
) -> None:
    others = [desk.device.case() for _ in range(4)]
    for case_id, verdict in zip(others, ("valid", "valid", "false", "duplicate"), strict=True):
        assert desk.judge(verdict, case_id=case_id).status == "done"
    desk.judge("false", case_id=others[1])
    desk.change_case(test=True)
    desk.judge("false")
    assert json.loads(_events(desk)[-1])["test"] is True
    with closing(desk.device.database.read()) as reader:
        [found] = verdict_table.judged(reader)
        assert (found.zone_id, found.kind) == ("kerb", "misparked_bike")
        assert (found.valid, found.false, found.duplicate) == (1, 2, 1)
        assert found.precision == pytest.approx(1 / 3, abs=1e-4)
        day = reader.execute("SELECT day FROM days LIMIT 1").fetchone()[0]
        body = summary_of(reader, from_tables(site_of()), day, complete=False)
    [zone] = [each for each in body.zones if each.cases]
    [kind] = zone.cases
    assert kind.judged == {"valid": 2, "false": 2, "duplicate": 1}
    assert kind.reviewed is not None
    assert kind.reviewed.precision == found.precision
    told = "\n".join(lines(body, is_over=False))
    assert "judged by reviewers on that day: 1 × duplicate, 2 × false alarm, 2 × valid" in told
    assert "by the last verdicts 1 of 3 were valid (33%); duplicates apart: 1" in told


def _events(desk: Desk) -> list[str]:
    with closing(desk.device.database.read()) as reader:
        rows = reader.execute("SELECT event FROM outbox WHERE arrived = 0 ORDER BY sequence")
        return [event for (event,) in rows]


def test_the_heartbeat_says_what_was_found_by_zone_and_kind(desk: Desk) -> None:
    housekeeping = housekeeping_of(desk.device, desk.folder)
    assert housekeeping.gauges.judged() == ()
    desk.judge("valid")
    [told] = housekeeping.gauges.judged()
    assert (told.zone_id, told.kind, told.valid, told.false, told.precision) == (
        "kerb",
        "misparked_bike",
        1,
        0,
        1.0,
    )


def test_of_each_place_the_newest_verdicts_count(desk: Desk) -> None:
    """However many cases there were, the table does not grow."""

    def write(connection: sqlite3.Connection) -> None:
        case = case_of(connection, desk.case_id)
        assert case is not None
        for number in range(verdict_table.KEPT + 20):
            old = replace(case, case_id=f"old-{number}")
            verdict_table.keep_verdict(connection, old, "false" if number < 20 else "valid")
        verdict_table.keep_verdict(connection, replace(case, zone_id="other"), "false")

    desk.device.database.write(write).result()
    with closing(desk.device.database.read()) as reader:
        kerb, other = verdict_table.judged(reader)
    assert (kerb.valid, kerb.false) == (verdict_table.KEPT, 0)
    assert (other.zone_id, other.false) == ("other", 1)
