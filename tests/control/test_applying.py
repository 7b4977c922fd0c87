"""Promises of applying a configuration to a running agent: nothing is lost that is the same, and nobody is left out."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.audit.verification import records
from agent.config.applied import AppliedConfigurations
from agent.control.client import Call
from agent.control.errors import RefusedError
from agent.control.messages.configuration import (
    AskApply,
    AskCheck,
    AskConfiguration,
    AskConfirm,
    AskHistory,
    AskRevert,
)
from agent.storage.paths import APPLIED, AUDIT
from provisioning.wording import CHINESE, in_language
from tests.support.cursed_zones import let_zone_be_cursed
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.sites import write_site, zone
from tests.support.waiting import wait_until

__all__ = ["corner_at"]

pytestmark = pytest.mark.slow
KERB = zone()
BAY = zone(zone_id="bay", kind="bay", polygon=[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]])


def _zones(*drawn: dict[str, Any]) -> str:
    return json.dumps({"zones": list(drawn)})


def _case(corner: WatchedCorner) -> str:
    """The id of the one open case, once there is one."""

    def cases() -> tuple[Any, ...]:
        status = corner.status()
        return () if status is None else status.cases

    wait_until(cases)
    [case] = cases()
    return str(case.case_id)


def _audited(corner: WatchedCorner) -> list[str]:
    return [each.what for each in records(corner.state_dir / AUDIT)]


def _sha256(corner: WatchedCorner) -> str:
    status = corner.status()
    return "" if status is None or status.software is None else status.software.configuration_sha256


def _has_taken_over(corner: WatchedCorner, sha256: str) -> None:
    wait_until(lambda: _sha256(corner) == sha256)
    seen = corner.analysed()
    wait_until(lambda: corner.analysed() > seen + 5)


def _applied(agent: Call, zones: str, **changes: Any) -> int:
    return agent.ask(AskApply(zones=zones, **changes), timeout_s=120)[0].number


def test_a_zone_more_is_taken_over_without_a_restart_and_the_open_case_goes_on(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    process, case = corner.start(), _case(corner)
    with corner.asked() as agent:
        found = agent.ask(AskCheck(zones=_zones(KERB, BAY)))[0]
        assert [(each.what, each.names) for each in found.things] == [
            ("zone.added", {"name": "bay"})
        ]
        assert (found.faults, found.restart, found.cases) == ((), (), ())
        number = _applied(agent, _zones(KERB, BAY))
        told = agent.ask(AskConfiguration())[0]
        assert (told.number, told.differs_from_written) == (number, True)
        assert told.trial is not None
        assert {each["zone_id"] for each in json.loads(told.zones)["zones"]} == {"kerb", "bay"}
        _has_taken_over(corner, told.sha256)
        assert agent.ask(AskConfirm(number=number))[0].withdrawn == 0
        with pytest.raises(RefusedError, match="not on trial"):
            agent.ask(AskRevert(number=number))
        assert agent.ask(AskConfiguration())[0].trial is None
    assert _case(corner) == case
    assert process.poll() is None
    assert corner.stop() == 0
    corner.start()
    wait_until(lambda: _sha256(corner) == told.sha256)
    assert _case(corner) == case
    kept = [*(corner.state_dir / APPLIED).iterdir()]  # addresses of cameras may hold passwords
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert {"configuration.applied", "configuration.confirmed", "zone.added"} <= set(
        _audited(corner)
    )


def test_cases_of_a_zone_that_is_gone_end_with_the_confirmation_and_go_on_after_going_back(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    corner.start()
    case = _case(corner)
    with corner.asked() as agent:
        before = agent.ask(AskConfiguration())[0]
        [end] = agent.ask(AskCheck(zones=_zones(BAY)))[0].cases
        assert (end.case_id, end.because) == (case, "zone_gone")
        number = _applied(agent, _zones(BAY))
        _has_taken_over(corner, agent.ask(AskConfiguration())[0].sha256)
        assert _case(corner) == case
        assert not agent.ask(AskRevert(number=number))[0].restarts
        _has_taken_over(corner, before.sha256)
        assert _case(corner) == case
        number = _applied(agent, _zones(BAY))
        assert agent.ask(AskConfirm(number=number), timeout_s=120)[0].withdrawn == 1
        wait_until(lambda: (status := corner.status()) is not None and not status.cases)
        rows = agent.ask(AskHistory())[0].rows
    assert [each.state for each in rows] == ["in_force", "kept", "kept"]
    assert rows[-1].through == "start"


@pytest.mark.parametrize("how", ["killed", "not confirmed", "fails"])
def test_what_nobody_confirms_is_gone_after_a_kill_after_its_time_and_after_a_fault_of_its_own(
    corner_at: Callable[..., WatchedCorner],
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if how == "fails":
        let_zone_be_cursed(tmp_path, monkeypatch, "bay")
    corner = corner_at()
    corner.start()
    case = _case(corner)
    with corner.asked() as agent:
        before = agent.ask(AskConfiguration())[0]
        within_s = 10.0 if how == "not confirmed" else 3600.0
        number = _applied(agent, _zones(KERB, BAY), confirm_within_s=within_s)
        if how == "killed":
            corner.stop(signal.SIGKILL)
    if how == "killed":
        corner.start()
    wait_until(lambda: "configuration.reverted" in _audited(corner))
    _has_taken_over(corner, before.sha256)
    assert _case(corner) == case
    with corner.asked() as agent, pytest.raises(RefusedError, match="not on trial"):
        agent.ask(AskConfirm(number=number))


def test_what_takes_a_restart_is_tried_by_the_next_start_alone(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    corner.start()
    case = _case(corner)
    with corner.asked() as agent:
        told = agent.ask(AskConfiguration())[0]
        site = told.site + "\n[cooling]\nfrom_c = 61\n"
        assert agent.ask(AskCheck(site=site))[0].restart == ("cooling",)
        applied = agent.ask(AskApply(site=site), timeout_s=120)[0]
        assert applied.restarts
    assert corner.stop() == 0
    corner.start()
    with corner.asked() as agent:
        told = agent.ask(AskConfiguration())[0]
        assert (told.number, told.shown["cooling"]["from_c"]) == (applied.number, 61)
        assert told.trial is not None
    corner.stop(signal.SIGKILL)
    corner.start()
    with corner.asked() as agent:
        told = agent.ask(AskConfiguration())[0]
        assert told.shown["cooling"]["from_c"] != 61
        again = agent.ask(AskApply(site=site), timeout_s=120)[0]
    corner.stop()
    corner.start()
    with corner.asked() as agent:
        agent.ask(AskConfirm(number=again.number), timeout_s=120)
    corner.stop()
    corner.start()
    with corner.asked() as agent:
        assert agent.ask(AskConfiguration())[0].shown["cooling"]["from_c"] == 61
    assert _case(corner) == case


def test_what_a_person_did_last_counts(
    corner_at: Callable[..., WatchedCorner], monkeypatch: pytest.MonkeyPatch
) -> None:
    corner = corner_at()
    monkeypatch.setenv("STATE_DIRECTORY", str(corner.state_dir))  # as systemd says it
    corner.start()
    with corner.asked() as agent:
        number = _applied(agent, _zones(KERB, BAY))
        agent.ask(AskConfirm(number=number), timeout_s=120)
        applied = agent.ask(AskConfiguration())[0].sha256
    corner.stop()
    whole = (corner.folder / "site.toml").read_bytes()
    (corner.folder / "site.toml").write_bytes(b"")  # a power cut edits nothing
    corner.start()
    wait_until(lambda: _sha256(corner) == applied)
    corner.stop()
    write_site(corner.folder, corner.tables | {"scenarios": {"misparked_bikes": {"allowed_s": 11}}})
    corner.start()
    assert _sha256(corner) != applied
    assert "configuration.overruled" in _audited(corner)
    corner.stop()
    (corner.folder / "site.toml").write_bytes(whole)  # as it was when the other was applied
    corner.start()
    assert _sha256(corner) != applied
    assert AppliedConfigurations(corner.state_dir).current is None


def test_every_fault_of_a_proposal_is_named_with_its_place_and_nothing_changes(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    corner.start()
    wrong = zone(zone_id="wrong", kind="lawn", polygon=[[0, 0], [1.4, 0], [1, 1]])
    with corner.asked() as agent:
        before = agent.ask(AskConfiguration())[0]
        found = agent.ask(AskCheck(zones=_zones(KERB, wrong)))[0]
        assert {(each.index, each.zone_id, each.key) for each in found.faults} == {
            (1, "wrong", "kind"),
            (1, "wrong", "polygon"),
        }
        [outside] = [each for each in found.faults if each.key == "polygon"]
        assert outside.vertex == 1
        assert outside.text.text.startswith("outside the frame")
        for each in found.faults:
            text = each.text.said()
            assert in_language(text, CHINESE) != text, "also beside its zone"
        with pytest.raises(RefusedError, match="2 faults") as refused:
            _applied(agent, _zones(KERB, wrong))
        assert len(refused.value.faults) == 2
        with pytest.raises(RefusedError, match="in force already"):
            _applied(agent, before.zones)
        with pytest.raises(RefusedError, match="look at the proposal again"):
            _applied(agent, _zones(KERB, BAY), over=7)
        for state_dir in ('"elsewhere"', '"."'):
            site = before.site.replace('state_dir = "state"', f"state_dir = {state_dir}")
            with pytest.raises(RefusedError) as refused:
                agent.ask(AskApply(site=site))
            assert "storage.state_dir" in refused.value.faults[0]
        assert agent.ask(AskConfiguration())[0] == before
