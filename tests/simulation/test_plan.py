"""What can be simulated; every fault is said at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provisioning.simulation.plan import MOST_PER_PROCESS, RECORD, PlanError, Wanted, plan_of
from provisioning.simulation.timeline import Timeline
from tests.support.command_line import kerbwatch, refused


def _wanted(folder: Path) -> Wanted:
    return Wanted(
        folder=folder,
        broker="mqtt://127.0.0.1:1883",
        tenant="simulation",
        devices=20,
        rate_per_h=20,
        minutes=5,
        settle_s=60,
        seed=1,
        confirm="broker",
    )


def test_every_fault_of_what_is_wanted_is_said_at_once(tmp_path: Path) -> None:
    told = refused(
        kerbwatch(
            *("simulate", tmp_path, "--broker", "http://nowhere", "--tenant", "a/b"),
            *("--devices", 0, "--rate", "nan", "--minutes", -1, "--outage-at", 3),
            *("--region", 200, "--username", "x" * 300),
        ),
        3,
    )
    for option in (
        "broker",
        "tenant",
        "devices",
        "rate",
        "minutes",
        "outage-at",
        "region",
        "username",
    ):
        assert f"--{option}" in told, told
    assert not list(tmp_path.iterdir())


def test_faults_are_said_in_chinese(tmp_path: Path) -> None:
    told = refused(
        kerbwatch("simulate", tmp_path, "--broker", "mqtt://h", "--devices", 0, language="zh_CN"), 3
    )
    assert "模拟被拒绝" in told
    assert "--devices 0" in told


def test_an_outage_ends_before_the_simulation(tmp_path: Path) -> None:
    late = replace(_wanted(tmp_path), outage_at=4, outage_for=2)
    with pytest.raises(PlanError, match="make --minutes longer"):
        plan_of(late)
    assert plan_of(replace(late, minutes=6)).in_region == 5


def test_a_process_gets_no_more_devices_than_it_can_hold(tmp_path: Path) -> None:
    many = replace(_wanted(tmp_path), devices=2 * MOST_PER_PROCESS + 1)
    plan = plan_of(many)
    shares = [plan.share_of(process) for process in range(plan.processes)]
    assert sorted(number for share in shares for number in share) == list(range(many.devices))
    assert max(map(len, shares)) <= MOST_PER_PROCESS
    with pytest.raises(PlanError, match="--processes 3 or more"):
        plan_of(replace(many, processes=2))


def test_a_folder_of_another_tenant_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"tenant": "another"}', encoding="utf-8")
    with pytest.raises(PlanError, match="another folder"):
        plan_of(_wanted(tmp_path))


def test_a_day_passes_within_an_outage_and_real_time_around_it(tmp_path: Path) -> None:
    wanted = replace(_wanted(tmp_path), outage_at=1, outage_for=2, outage_hours=24)
    life = Timeline(plan_of(wanted).outage)
    assert life.lived_s(60) == 60
    assert life.lived_s(180) == 60 + 86_400
    assert life.lived_s(190) == 70 + 86_400
    for lived_s in (0, 30, 60, 4_000, 86_460, 90_000):
        assert life.lived_s(life.at_s(lived_s)) == pytest.approx(lived_s)
    assert Timeline(None).at_s(12) == 12
