"""What looks like a false alarm at its place opens no case for a while; what looks different does."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.loading import from_tables
from agent.delivery.commands.cases import CaseCommands
from agent.delivery.commands.table import SignedHandler
from agent.domain.ids import RandomIds
from agent.identity.authorities import Signature
from agent.protocol.commands import JudgeCase
from agent.protocol.vectors import public_key
from agent.storage import day_counters
from agent.storage.held_back_table import held_in
from agent.telemetry.daily_summary import summary_of
from drivers.testing import FakeClock
from provisioning.commands import suppressed
from provisioning.commands.report import lines
from tests.support.assembled_site import events_of, frames_of, parts_of
from tests.support.scenes import NOON
from tests.support.sites import drawn_camera, red_thing, site_of, zone

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import Configuration
    from agent.runtime.composition import Parts

HOLD_S = 1000.0
STATUE: list[dict[str, Any]] = [
    {},
    {"colour": "#300505", "left": 0.48, "width": 0.02},
    {"colour": "#300505", "left": 0.54, "width": 0.02},
]
"""Red, with two dark stripes."""
CART: list[dict[str, Any]] = [
    {"shape": "ellipse"},
    {"colour": "#300505", "top": 0.5, "height": 0.03},
]
"""Red, round, with one across."""

pytestmark = pytest.mark.usefixtures("red_model")


def standing(drawn: list[dict[str, Any]], from_s: float, to_s: float | None, **moved: float) -> Any:
    times = {"from_s": from_s} if to_s is None else {"from_s": from_s, "to_s": to_s}
    return [red_thing(**(each | times | moved)) for each in drawn]


def site_with(*things: Any, hold_back_s: float = HOLD_S, seconds: float = 240.0) -> Configuration:
    drawn = [part for thing in things for part in thing]
    tables = site_of(
        cameras=[drawn_camera(seconds=seconds, frames_per_s=2, things=drawn)],
        scenarios={"misparked_bikes": {"allowed_s": 4, "clear_after_s": 1}},
        zones=[zone()],
        analysis={"hold_back_s": hold_back_s, "frames_per_s": 2, "snapshot_every_s": 1},
    )
    return from_tables(tables)


def look_on(parts: Parts, site: Configuration, from_s: float, until_s: float) -> list[str]:
    """Show a stretch of the street; gives what happened to cases in it."""
    told: list[str] = []
    for frame in frames_of(site):
        if from_s <= frame.monotonic_s < until_s:
            told += [change.type for change in parts.analysis.take(frame)]
    return told


def judge(parts: Parts, case_id: str, verdict: str) -> None:
    clock = FakeClock(NOON, boot_id="boot", monotonic_s=50)
    commands = CaseCommands(parts.configuration, parts.database, parts.outbox, clock, RandomIds())
    [handler] = [each for each in commands.handlers if each.model is JudgeCase]
    assert isinstance(handler, SignedHandler)
    order = JudgeCase(
        command="verdict",
        command_id=f"v-{verdict}",
        case_id=case_id,
        verdict=verdict,  # type: ignore[arg-type]
        reference="核查 7",
    )
    handler.obey(order, Signature("", public_key("reviewer").kid, frozenset({"reviewer"})))


def opened(parts: Parts) -> list[str]:
    return [e["body"]["case_id"] for e in events_of(parts) if e["type"] == "case.opened"]


def test_a_false_alarm_that_stands_is_ended_and_opens_no_case_again(tmp_path: Path) -> None:
    site = site_with(standing(STATUE, 2, None))
    with closing(parts_of(site, tmp_path)) as parts:
        assert look_on(parts, site, 0, 20) == ["case.opened"]
        judge(parts, opened(parts)[0], "false")
        assert look_on(parts, site, 20, 100) == ["case.withdrawn"]
        [withdrawn] = [e["body"] for e in events_of(parts) if e["type"] == "case.withdrawn"]
        assert withdrawn["withdrawn"]["reason"] == "judged_false"
        assert parts.analysis.held_places == Counter({("kerb", "misparked_bike"): 1})
        [things] = {e["body"]["count"] for e in events_of(parts) if e["type"] == "case.opened"}
        counted = parts.analysis.held_back["kerb", "misparked_bike"]
        assert counted == things, "each thing once, in whatever many frames"


def test_what_comes_again_and_looks_so_is_held_back_over_a_restart_and_counted(
    tmp_path: Path,
) -> None:
    site = site_with(standing(STATUE, 2, 40), standing(STATUE, 60, 90), standing(STATUE, 130, 160))
    with closing(parts_of(site, tmp_path)) as parts:
        assert look_on(parts, site, 0, 50) == ["case.opened", "case.cleared"]
        [things] = {e["body"]["count"] for e in events_of(parts) if e["type"] == "case.opened"}
        judge(parts, opened(parts)[0], "false")
        assert look_on(parts, site, 50, 110) == []
        parts.analysis.rest()
    with closing(parts_of(site, tmp_path)) as parts:
        assert look_on(parts, site, 110, 200) == []
        with parts.reading() as connection:
            [found] = day_counters.held_back(connection)
            page = day_counters.known(connection)[0]
            body = summary_of(connection, site, page, complete=False)
        assert (found.zone_id, found.kind, found.count) == ("kerb", "misparked_bike", 2 * things)
        told = "\n".join(lines(body, is_over=False))
        assert (
            f"held back, for it looked like a false alarm at the same place: {2 * things}" in told
        )
        [line] = suppressed.held_back_in_words([found], "Asia/Shanghai")
        assert f"{2 * things} ×, the last on 2026-01-01" in line


@pytest.mark.parametrize("moved", [{}, {"left": 0.48, "top": 0.45}], ids=["there", "a bit aside"])
def test_what_looks_different_there_opens_a_case_all_the_same(
    tmp_path: Path, moved: dict[str, float]
) -> None:
    other = [{**CART[0], **moved}, CART[1]]
    site = site_with(standing(STATUE, 2, 40), standing(other, 60, None))
    with closing(parts_of(site, tmp_path)) as parts:
        look_on(parts, site, 0, 50)
        judge(parts, opened(parts)[0], "false")
        assert look_on(parts, site, 50, 130)[:1] == ["case.opened"]


def test_what_looks_so_elsewhere_opens_a_case(tmp_path: Path) -> None:
    away = [each | {"left": each.get("left", 0.45) - 0.3} for each in STATUE]
    site = site_with(standing(STATUE, 2, 40), standing(away, 60, None))
    with closing(parts_of(site, tmp_path)) as parts:
        look_on(parts, site, 0, 50)
        judge(parts, opened(parts)[0], "false")
        assert look_on(parts, site, 50, 100) == ["case.opened"]


@pytest.mark.parametrize("verdict", ["valid", "duplicate"])
def test_only_a_false_alarm_is_held_back_and_a_later_verdict_ends_that(
    tmp_path: Path, verdict: str
) -> None:
    site = site_with(standing(STATUE, 2, 40), standing(STATUE, 60, None))
    with closing(parts_of(site, tmp_path)) as parts:
        look_on(parts, site, 0, 50)
        case_id = opened(parts)[0]
        judge(parts, case_id, "false")
        assert look_on(parts, site, 50, 90) == []
        judge(parts, case_id, verdict)
        assert look_on(parts, site, 90, 120) == ["case.opened"]


def test_it_is_over_after_the_set_time_and_nought_is_never(tmp_path: Path) -> None:
    for hold_s, told in ((60.0, ["case.opened"]), (0.0, ["case.opened"])):
        folder = tmp_path / str(hold_s)
        folder.mkdir()
        site = site_with(standing(STATUE, 2, 40), standing(STATUE, 60, None), hold_back_s=hold_s)
        with closing(parts_of(site, folder)) as parts:
            look_on(parts, site, 0, 50)
            judge(parts, opened(parts)[0], "false")
            assert look_on(parts, site, 50, 100) == ([] if hold_s else told)
            assert look_on(parts, site, 100, 150) == (told if hold_s else [])
            assert held_in(parts.database) == [] or not hold_s


@pytest.mark.parametrize("texture", ["AAA", "é", ""])
def test_a_look_that_the_disk_has_damaged_holds_nothing_back_and_ends_no_analysis(
    tmp_path: Path, texture: str
) -> None:
    site = site_with(standing(STATUE, 2, 40), standing(STATUE, 60, None))
    with closing(parts_of(site, tmp_path)) as parts:
        look_on(parts, site, 0, 50)
        judge(parts, opened(parts)[0], "false")
        parts.database.write(
            lambda connection: (
                connection.execute(
                    "UPDATE held_back SET place = json_replace(place, '$.looks[0].texture', ?,"
                    " '$.looks[1].texture', ?, '$.looks[2].texture', ?)",
                    (texture, texture, texture),
                ).rowcount
            )
        ).result()
        assert "case.opened" in look_on(parts, site, 50, 140)
