"""A case of which nobody will see the end is withdrawn, with why; what else changes ends nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from agent.analysis.decision_trace import Traces
from agent.analysis.withdrawal import reasons, vantages_of
from agent.config.loading import from_tables
from agent.config.reported_case import LastTold
from agent.domain.case_lifecycle import Change
from agent.domain.scene import Box, Case, Member
from agent.perception.best_shot import BestShots
from agent.perception.surroundings import Surroundings
from agent.protocol.base import EventCode
from agent.protocol.case import CaseBody
from agent.protocol.events import CaseEvent
from agent.runtime.replay import replay
from agent.storage import day_counters
from agent.storage.case_table import last_body, load_open_cases, open_case_ids, save_case
from agent.storage.database import Database
from agent.storage.paths import COMMISSIONING, DATABASE
from agent.telemetry.daily_summary import summary_of
from tests.support.assembled_site import events_of, frames_of, parts_of
from tests.support.cases import OPEN_CASE
from tests.support.scenes import NOON
from tests.support.sites import drawn_camera, red_thing, site_of, zone
from tests.support.state_of_0_1_0 import put_state_of_0_1_0

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import Configuration

STANDS = Box(0.45, 0.4, 0.6, 0.67)
AWAY = [[0.7, 0.05], [0.95, 0.05], [0.95, 0.95], [0.7, 0.95]]
NARROWER = [[0.3, 0.3], [0.8, 0.3], [0.8, 0.8], [0.3, 0.8]]
POINT = {"longitude": 118.4, "latitude": 31.3, "crs": "CGCS2000"}
LAST = json.dumps(
    {
        "code": {"profile": "classic", "code": "05-06", "name": "a matter"},
        "place": {
            "place_id": "CITY-7",
            "zone_id": "kerb",
            "camera_id": "street",
            "address": "an address",
        },
        "opened_at": "2026-01-01T10:00:00+08:00",
        "allowed_s": 5.0,
        "left": [],
        "more": "than is read",
    }
)


def site(*zones: dict[str, Any], **tables: Any) -> Configuration:
    told: dict[str, Any] = {
        "cameras": [drawn_camera(seconds=30, frames_per_s=5, things=[red_thing(from_s=2)])],
        "scenarios": {"misparked_bikes": {"allowed_s": 4, "clear_after_s": 1}},
        "zones": list(zones or (zone(),)),
    }
    return from_tables(site_of(**told | tables))


def standing(configuration: Configuration, views: dict[str, str] | None = None) -> Case:
    member = Member("1", "bicycle", STANDS, 1.0, 3.0, "kerb")
    vantage = vantages_of(configuration, views or {})["street"]
    return replace(OPEN_CASE, members=(member,), vantage=vantage)


def reason(
    case: Case, configuration: Configuration, views: dict[str, str] | None = None
) -> str | None:
    vantages = vantages_of(configuration, views or {})
    return reasons([case], configuration, vantages).get(case.case_id)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (site(zone(zone_id="other")), "zone_gone"),
        (site(zone(polygon=AWAY)), "zone_changed"),
        (site(zone(place_id="elsewhere")), "zone_changed"),
        (site(zone(kind="no_vending"), scenarios={"misparked_bikes": {}}), "zone_changed"),
        (site(zone(), zone(zone_id="b", kind="bay", polygon=NARROWER)), "zone_changed"),
        (site(zone(), zone(zone_id="m", kind="mask", polygon=NARROWER)), "zone_changed"),
        (site(scenarios={"street_vending": {}}), "scenario_off"),
        (site(zone(camera_id="new"), cameras=[drawn_camera("new")]), "unit_moved"),
        (
            site(zone(camera_id="new"), cameras=[drawn_camera(), drawn_camera("new")]),
            "unit_moved",
        ),
        (site(site={"device_id": "another"}), "unit_moved"),
        (site(site={"address": "another corner"}), "unit_moved"),
        (site(zone(polygon=NARROWER)), None),
        (site(scenarios={"misparked_bikes": {"allowed_s": 500}}), None),
        (site(zone(responsible_unit="another unit", in_force=[])), None),
        (site(site={"coordinates": POINT}), None),
        (site(), None),
    ],
)
def test_a_case_is_withdrawn_when_its_place_is_judged_by_that_rule_no_more(
    now: Configuration, expected: str | None
) -> None:
    assert reason(standing(site()), now) == expected


def test_a_device_whose_place_was_surveyed_moves_by_its_coordinates_alone() -> None:
    case = standing(site(site={"coordinates": POINT}))
    assert reason(case, site(site={"coordinates": POINT, "address": "spelled otherwise"})) is None
    moved = site(site={"coordinates": POINT | {"latitude": 31.4}})
    assert reason(case, moved) == "unit_moved"


def test_another_commissioning_picture_is_another_view_and_a_first_one_is_not() -> None:
    first = {"street": "a" * 64}
    assert reason(standing(site(), first), site(), {"street": "b" * 64}) == "unit_moved"
    assert reason(standing(site(), first), site(), first) is None
    assert reason(standing(site()), site(), first) is None


def test_of_a_case_of_an_older_agent_only_the_zone_is_known() -> None:
    old = replace(OPEN_CASE, members=(Member("1", "bicycle", STANDS, 1.0),))
    assert reason(old, site(site={"address": "another corner"})) is None
    assert reason(old, site(zone(polygon=AWAY))) == "zone_changed"


def test_a_bin_is_the_same_bin_where_its_zone_is_drawn_a_little_otherwise() -> None:
    bin_at = [[0.2, 0.2], [0.4, 0.2], [0.4, 0.5], [0.2, 0.5]]
    nearly = [[0.21, 0.19], [0.41, 0.19], [0.41, 0.5], [0.21, 0.5]]
    sites = {
        name: site(
            zone(kind="bin", polygon=polygon), scenarios={"overflowing_bins": {"allowed_s": 60}}
        )
        for name, polygon in {"same": bin_at, "nearly": nearly, "other": AWAY}.items()
    }
    member = Member("kerb", "bin", Box(0.2, 0.2, 0.4, 0.5), 1.0, 3.0, "kerb")
    case = replace(standing(sites["same"]), kind="overflowing_bin", members=(member,))
    assert reason(case, sites["nearly"]) is None
    assert reason(case, sites["other"]) == "zone_changed"


def told_again(
    last: str | None, case: Case = OPEN_CASE
) -> tuple[str, str, float, EventCode | None]:
    told = LastTold(case, last, NOON)
    place = told.place("example-corner", "the site's address")
    return place.place_id, place.address, told.allowed_s, told.code


def test_a_case_of_version_1_is_withdrawn_at_a_place_that_no_other_device_has(
    tmp_path: Path,
) -> None:
    with closing(sqlite3.connect(put_state_of_0_1_0(tmp_path))) as connection:
        [case] = load_open_cases(connection)
        last = last_body(connection, case.case_id)
    assert json.loads(last or "")["place"]["place_id"] == "steady"
    place_id, address, allowed_s, code = told_again(last, case)
    assert (place_id, address, allowed_s) == ("example-corner.steady", "人民路12号", 2.0)
    assert code is not None
    assert code.code == "09010"


def test_the_id_that_the_city_gave_a_place_is_told_as_it_was() -> None:
    assert told_again(LAST)[:3] == ("CITY-7", "an address", 5.0)


def test_a_matter_without_a_code_is_withdrawn_without_one() -> None:
    """As it is kept: without what is null."""
    without = json.loads(LAST)
    del without["code"]["code"]
    [*_, code] = told_again(json.dumps(without))
    assert code == EventCode(profile="classic", code=None, name="a matter")


@pytest.mark.parametrize(
    "last",
    [
        "{",
        "[]",
        LAST.replace("2026-01-01T10:00:00+08:00", "yesterday"),
        LAST.replace("5.0", '"long"'),
        LAST.replace("CITY-7", "no id"),
    ],
)
def test_a_last_event_that_cannot_be_read_is_as_none(last: str) -> None:
    assert told_again(last) == told_again(None)
    assert LastTold(OPEN_CASE, last, NOON).at(OPEN_CASE.last_present_s) == NOON


@pytest.mark.usefixtures("red_model")
class TestAStartAfterAChange:
    """A bike stands there, and the device starts again with another configuration."""

    def test_a_zone_that_was_removed_leaves_no_case_open(self, tmp_path: Path) -> None:
        state, gone = tmp_path / "state", site(zone(zone_id="other", polygon=AWAY))
        [opened] = replay(site(), base=tmp_path, state=state, until_s=20).events
        told = replay(gone, base=tmp_path, state=state, from_s=20).events
        assert isinstance(opened, CaseEvent)
        [withdrawn] = [each for each in told if isinstance(each, CaseEvent)]
        assert withdrawn.type == "case.withdrawn"
        assert withdrawn.body.case_id == opened.body.case_id
        assert withdrawn.body.state == "withdrawn"
        assert withdrawn.body.withdrawn is not None
        assert withdrawn.body.withdrawn.reason == "zone_gone"
        assert withdrawn.body.place == opened.body.place, "where it was, not where nothing is"
        assert withdrawn.body.opened_at == opened.body.opened_at
        stood_s = withdrawn.body.dwell_s
        assert stood_s == pytest.approx(18, abs=2), "as long as it was seen"
        with Database(state / DATABASE) as database, closing(database.read()) as connection:
            assert open_case_ids(connection) == ()
            page = day_counters.known(connection)[0]
            [zone_day] = [
                each
                for each in summary_of(connection, gone, page, complete=False).zones
                if each.zone_id == "kerb"
            ]
            assert [(k.opened, k.cleared, k.withdrawn) for k in zone_day.cases] == [(1, 0, 1)]
        assert replay(gone, base=tmp_path, state=state, from_s=25).events == []

    def test_a_case_goes_on_when_only_what_is_allowed_has_changed(self, tmp_path: Path) -> None:
        state = tmp_path / "state"
        [opened] = replay(site(), base=tmp_path, state=state, until_s=20).events
        after = site(scenarios={"misparked_bikes": {"allowed_s": 6, "clear_after_s": 1}})
        assert replay(after, base=tmp_path, state=state, from_s=20).events == []
        with Database(state / DATABASE) as database, closing(database.read()) as connection:
            assert isinstance(opened, CaseEvent)
            assert open_case_ids(connection) == (opened.body.case_id,)
            body = summary_of(connection, after, "2026-01-01", complete=False)
            assert body.open_cases == (opened.body.case_id,)

    def test_a_new_commissioning_picture_withdraws_and_what_stands_opens_again(
        self, tmp_path: Path
    ) -> None:
        state = tmp_path / "state"
        picture = state / COMMISSIONING / "street.png"
        told = []
        for brightness, from_s in ((90, 0), (150, 15)):
            picture.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(picture), np.full((180, 320), brightness, np.uint8))
            until_s = 15 if from_s == 0 else None
            here = site(view_guard={"off": ["moved"]})
            report = replay(here, base=tmp_path, state=state, from_s=from_s, until_s=until_s)
            told += [each.type for each in report.events]
        assert told == ["case.opened", "case.withdrawn", "case.opened"]

    def test_a_picture_taken_during_a_run_is_not_yet_the_one_it_judges_against(
        self, tmp_path: Path
    ) -> None:
        picture = tmp_path / COMMISSIONING / "street.png"
        picture.parent.mkdir(parents=True)
        cv2.imwrite(str(picture), np.full((180, 320), 90, np.uint8))
        with closing(parts_of(site(), tmp_path)) as parts:
            cv2.imwrite(str(picture), np.full((180, 320), 150, np.uint8))
            assert parts.vantages["street"].view_sha256 == parts.views["street"].sha256
        with closing(parts_of(site(), tmp_path)) as later:
            assert later.views["street"].sha256 != parts.views["street"].sha256

    def test_a_full_disk_stops_no_start_and_the_next_one_withdraws(self, tmp_path: Path) -> None:
        state, gone = tmp_path / "state", site(zone(zone_id="other", polygon=AWAY))
        replay(site(), base=tmp_path, state=state, until_s=20)

        def fill(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA max_page_count = 1")  # what there is, and not a page more
            with suppress(sqlite3.OperationalError):
                while True:
                    connection.execute(
                        "INSERT INTO state (name, value) VALUES (hex(randomblob(8)), 'x')"
                    )

        with closing(parts_of(gone, state)) as parts:
            parts.database.write(fill).result()
            assert parts.withdraw_unwatched(NOON) == []
            assert len(parts.analysis.cases.open) == 1
            with parts.reading() as connection:
                assert len(open_case_ids(connection)) == 1
        with closing(parts_of(gone, state)) as parts:
            [withdrawn] = parts.withdraw_unwatched(NOON)
            assert withdrawn.type == "case.withdrawn"
            assert parts.analysis.cases.open == ()

    @pytest.mark.parametrize(
        "now",
        [
            site(zone(zone_id="other", polygon=AWAY)),
            site(zone(place_id="elsewhere")),
            site(scenarios={"street_vending": {}}),
        ],
    )
    def test_a_case_that_could_not_be_withdrawn_is_told_on_as_it_was(
        self, tmp_path: Path, now: Configuration
    ) -> None:
        """As on a full disk: zone or rule is gone, and the case is open."""
        [opened] = replay(site(), base=tmp_path, state=tmp_path, until_s=20).events
        assert isinstance(opened, CaseEvent)
        with closing(parts_of(now, tmp_path)) as parts:
            [case] = parts.analysis.cases.open
            unseen = replace(case, abstained_s=3.0, abstained_because="view_dark")
            change = Change("case.abstained", unseen, None)
            frame = next(frames_of(site()))
            parts.book.record([change], frame, None, Traces(), BestShots(), Surroundings())
            *_, told = events_of(parts)
        assert told["type"] == "case.abstained"
        body = CaseBody.model_validate(told["body"])
        assert (body.place, body.allowed_s) == (opened.body.place, opened.body.allowed_s)


def test_a_test_is_open_for_nobody_and_counts_for_nothing(tmp_path: Path) -> None:
    tried = replace(OPEN_CASE, test=True, place_id="another", case_id="tried")
    with Database(tmp_path / DATABASE) as database:

        def write(connection: Any) -> None:
            for case in (OPEN_CASE, tried):
                save_case(connection, case)
                change = Change("case.opened", case, None)
                day_counters.count_case(connection, "2026-01-01", change)

        database.write(write).result()
        with closing(database.read()) as connection:
            assert open_case_ids(connection) == (OPEN_CASE.case_id,)
            counted = day_counters.read(connection, "2026-01-01")
            assert counted["kerb", "misparked_bike", "opened"] == 1
