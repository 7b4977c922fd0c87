"""What must outlive a restart is written down, and no more often than it is worth."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.analysis.case_recorder import QUIET_TIMES, CaseRecorder
from agent.analysis.decision_trace import Traces
from agent.config.loading import from_tables
from agent.domain.case_lifecycle import Cases, Change, ChangeType
from agent.domain.ids import RandomIds
from agent.domain.scene import Case, Member, Track
from agent.evidence.pictures import Evidence
from agent.perception.best_shot import BestShots
from agent.perception.surroundings import Surroundings
from agent.protocol.base import ClockReading
from agent.storage.case_notes import note_ticket
from agent.storage.case_table import last_body, load_open_cases, save_case
from agent.storage.database import Database
from drivers.cameras import Frame
from tests.support.cases import OPEN_CASE
from tests.support.outboxes import open_outbox
from tests.support.painted_bike import BIKE, PAINTS, street, with_bike
from tests.support.scenes import NOON
from tests.support.sites import site_of, zone
from tests.support.waiting import wait_until


@pytest.mark.parametrize(("pending", "every_s"), [(True, 10), (False, 10 * QUIET_TIMES)])
def test_snapshots_are_rare_while_nothing_may_become_a_case(
    tmp_path: Path, pending: bool, every_s: int
) -> None:
    with Database(tmp_path / "kerbwatch.sqlite3") as database:
        outbox = open_outbox(database)
        book = CaseRecorder(
            from_tables(site_of()),
            models=(),
            database=database,
            outbox=outbox,
            evidence=Evidence(tmp_path / "evidence", 90, 0.5),
            ids=RandomIds(),
            clock=lambda _: ClockReading(state="replay", boot_id="1", monotonic_s=0),
        )
        written: list[int] = []
        for now_s in range(601):
            luma = np.zeros((1, 1), np.uint8)
            frame = Frame("street", now_s, luma, lambda: np.zeros((1, 1, 3), np.uint8), now_s, NOON)
            book.keep(frame, lambda now_s=now_s: {"now_s": now_s}, pending=pending)  # type: ignore[misc]
            saved = book.last_snapshot("street")
            if saved is not None and saved["now_s"] not in written:
                written.append(saved["now_s"])
        assert written == list(range(every_s, 601, every_s))


def recorder(
    tmp_path: Path, database: Database, *zones: dict[str, Any], **site: str
) -> CaseRecorder:
    tables = site_of(
        site=site,
        operators=[{"name": "amber", "colours": ["#f5c400"]}],
        scenarios={"misparked_bikes": {}, "street_vending": {}},
        zones=list(zones or (zone(),)),
    )
    return CaseRecorder(
        from_tables(tables),
        models=(),
        database=database,
        outbox=open_outbox(database),
        evidence=Evidence(tmp_path / "evidence", 90, 0.5),
        ids=RandomIds(),
        clock=lambda _: ClockReading(state="replay", boot_id="1", monotonic_s=0),
    )


def bikes_of(*paints: tuple[int, int, int]) -> tuple[Case, BestShots]:
    """A case of one bike in each paint, and the pictures of them."""
    views, members = BestShots(), []
    for number, paint in enumerate(paints, 1):
        picture = with_bike(street(), paint)
        frame = Frame("street", number, picture[..., 1], lambda p=picture: p, 0.0, NOON)  # type: ignore[misc]
        views.take(frame, [Track(number, "bicycle", BIKE, 0.9, 0.0, 0.0, 0.0, seen_now=True)])
        members.append(Member(str(number), "bicycle", BIKE, 0.0))
    return replace(OPEN_CASE, kind="misparked_bike", members=tuple(members)), views


AMBER, FOREIGN = PAINTS["amber"], (130, 130, 130)
AS_ASKED = {"shared_bikes_as": "shared_bike_disorder"}


@pytest.mark.parametrize(
    ("site", "paints", "matter"),
    [
        (AS_ASKED, [AMBER], "shared_bike_disorder"),
        (AS_ASKED, [FOREIGN], "misparked_bike"),
        ({}, [AMBER], "misparked_bike"),
    ],
)
def test_shared_bikes_of_a_known_operator_are_told_as_such_where_the_site_asks(
    tmp_path: Path, site: dict[str, str], paints: list[tuple[int, int, int]], matter: str
) -> None:
    with Database(tmp_path / "kerbwatch.sqlite3") as database:
        book = recorder(tmp_path, database, **site)
        case, views = bikes_of(*paints)
        operators = book.operators_of(case.members, views)
        named = (replace(each, operator=operators[each.member_id]) for each in case.members)
        assert book.matter_of(replace(case, members=tuple(named))) == matter


def test_what_a_case_was_told_as_when_it_opened_outlives_a_restart(tmp_path: Path) -> None:
    known = Cases(lambda _: "c1", open_cases=[OPEN_CASE])
    filed = known.file_as(OPEN_CASE, "shared_bike_disorder")
    assert known.open == (filed,)
    with Database(tmp_path / "kerbwatch.sqlite3") as database:
        database.write(lambda connection: save_case(connection, filed)).result()
        with closing(database.read()) as connection:
            assert load_open_cases(connection) == [filed]


def test_a_withdrawal_tells_the_number_that_came_in_the_same_transaction(tmp_path: Path) -> None:
    withdrawn = replace(OPEN_CASE, state="withdrawn", withdrawn_because="zone_gone")
    with Database(tmp_path / "kerbwatch.sqlite3") as database:
        book = recorder(tmp_path, database)
        database.write(lambda connection: save_case(connection, OPEN_CASE)).result()
        held = threading.Event()

        def hold(_: sqlite3.Connection) -> None:
            """Keep the writer until both are queued: they go into the next transaction together."""
            held.set()
            wait_until(lambda: database._jobs.qsize() == 2)

        database.write(hold)
        assert held.wait(60)
        database.write(lambda connection: note_ticket(connection, OPEN_CASE.case_id, "T-1"))
        luma = np.zeros((1, 1), np.uint8)
        frame = Frame("street", 0, luma, lambda: np.zeros((1, 1, 3), np.uint8), 5.0, NOON)
        book.withdraw([Change("case.withdrawn", withdrawn, None)], frame)
        with closing(database.read()) as connection:
            body = json.loads(last_body(connection, OPEN_CASE.case_id) or "")
    assert body["ticket"] == "T-1"


CHOICES = (None, "09006", "09001")
STALL = replace(OPEN_CASE, kind="street_vending", members=(Member("1", "stall", BIKE, 0.0),))


@pytest.mark.parametrize(
    ("chosen", "matter"), [(None, "09006"), ("09006", "09006"), ("09001", "09001")]
)
@pytest.mark.parametrize("later", CHOICES)
def test_a_case_keeps_the_code_with_which_it_opened_whatever_its_zone_chooses_later(
    tmp_path: Path, chosen: str | None, later: str | None, matter: str
) -> None:
    with Database(tmp_path / "kerbwatch.sqlite3") as database:

        def told(code: str | None, type_: ChangeType, filed_as: str | None) -> tuple[str, str]:
            choice = {} if code is None else {"code": code}
            book = recorder(tmp_path, database, zone(kind="no_vending", **choice))
            filed = filed_as or book.matter_of(STALL)
            picture = np.zeros((180, 320, 3), np.uint8)
            frame = Frame("street", 1, picture[..., 1], lambda: picture, 5.0, NOON)
            change = Change(type_, replace(STALL, matter=filed), None)
            book.record([change], frame, None, Traces(), BestShots(), Surroundings())
            with closing(database.read()) as connection:
                body = json.loads(last_body(connection, STALL.case_id) or "")
            return filed, body["code"]["code"]

        filed, code = told(chosen, "case.opened", None)
        assert code == matter
        assert told(later, "case.persisting", filed) == (filed, code)
