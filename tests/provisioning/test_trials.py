"""A new version proves itself by what worked before, or the link goes back by itself."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from agent.runtime.device import last_update
from agent.storage.database import Database
from agent.storage.database_file import SCHEMA
from drivers.files import version_record as record
from drivers.files.version_record import Trial, Working
from provisioning.check.versions import of_layout
from provisioning.commands.versions import show
from provisioning.versions import clip, unit_files
from provisioning.versions.layout import Layout, VersionError
from provisioning.versions.placing import activate, place
from provisioning.versions.proof import ENDS_TOO_OFTEN, STEADY_S, Point, Unit, judge
from provisioning.versions.trial import MAX_BOOTS, go_back, prove
from provisioning.versions.working import Seen, boot_id, now_s, seen
from tests.support.environments import environment

if TYPE_CHECKING:
    from pathlib import Path

RAN = Working(cameras=("street",), broker=True, verifier=True)
STEADY = Seen(0.0, STEADY_S, ("street",), 2, RAN)
UP = Unit(meant=True)


@dataclass
class Bench:
    """The system below a trial, without systemd: what the agent of each version writes is given."""

    layout: Layout
    statuses: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    unit: Unit = UP
    clip_says: str | None = None
    restarted: list[str | None] = field(default_factory=list)

    def agent(self) -> Unit:
        return self.unit

    def restart_agent(self) -> None:
        self.restarted.append(self.layout.active)
        self.say()

    def clip(self) -> str | None:
        return self.clip_says

    def say(self) -> None:
        """Let the agent of the active version write its status."""
        self.layout.status.parent.mkdir(parents=True, exist_ok=True)
        self.layout.status.unlink(missing_ok=True)
        told = self.statuses.get(self.layout.active or "")
        if told is not None:
            self.layout.status.write_text(json.dumps(told))


def status(
    *,
    uptime_s: float = STEADY_S,
    captured: int = 9,
    connected: bool = True,
    verifier: str = "ready",
    began_s: float | None = None,
) -> dict[str, Any]:
    """A status as an agent writes it, of now; ``began_s`` in place of an uptime."""
    return {
        "boot_id": boot_id(),
        "monotonic_s": now_s(),
        "uptime_s": uptime_s if began_s is None else now_s() - began_s,
        "cameras": {"street": {"state": "running", "silent_s": 0.1, "captured": captured}},
        "software": {"models": [{"name": "street"}]},
        "uplink": {"connected_since": "2026-03-01T00:00:00Z" if connected else None},
        "verifier": {"state": verifier},
    }


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A device on which 1.0 ran well and 1.1 has just been placed, in an earlier boot."""
    layout = Layout(tmp_path / "device")
    place(environment(tmp_path / "1.0", "1.0"), layout)
    Bench(layout, {"1.0": status()}).say()
    place(environment(tmp_path / "1.1", "1.1"), layout)
    kept = record.read(layout.records)
    assert kept.trial is not None
    assert kept.trial.was == RAN
    layout.status.unlink()
    earlier = Trial("1.1", "1.0", RAN, boot_id="an-earlier-boot")
    record.write(layout.records, record.Record(earlier, kept.events))
    return layout


def _last(layout: Layout) -> record.Event:
    return record.read(layout.records).events[-1]


def test_a_version_that_does_what_the_one_before_did_stays(layout: Layout) -> None:
    bench = Bench(layout, {"1.1": status()})
    bench.say()
    outcome = prove(layout, bench, within_s=0)
    assert {each.name: each.state for each in outcome.points} == {
        "agent": "held",
        "cameras": "held",
        "models": "held",
        "broker": "held",
        "clip": "held",
    }
    assert (outcome.proved, layout.active, _last(layout).what) == (True, "1.1", "proved")
    assert record.read(layout.records).trial is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"captured": 0}, "no frames from street"),
        ({"connected": False}, "the broker is not reached, and was before the update"),
        ({"verifier": "refused"}, "the verifier is refused or fails"),
        ({"uptime_s": STEADY_S - 1}, "the agent ran for 59 s only"),
    ],
)
def test_what_worked_before_and_does_not_now_goes_back(
    layout: Layout, wrong: dict[str, Any], why: str
) -> None:
    bench = Bench(layout, {"1.1": status(**wrong)})
    bench.say()
    outcome = prove(layout, bench, within_s=0)
    assert (outcome.proved, outcome.why) == (False, why)
    assert (layout.active, bench.restarted) == ("1.0", ["1.0"])
    gone = _last(layout)
    assert (gone.what, gone.version, gone.instead_of, gone.why) == ("went_back", "1.0", "1.1", why)


def test_an_agent_that_never_says_that_it_runs_goes_back(layout: Layout) -> None:
    outcome = prove(layout, Bench(layout), within_s=0)
    assert (outcome.why, layout.active) == ("the agent does not say that it runs", "1.0")


def test_an_agent_that_ends_again_and_again_goes_back_before_the_time_is_over(
    layout: Layout,
) -> None:
    bench = Bench(layout, unit=Unit(meant=True, restarts=ENDS_TOO_OFTEN))
    assert prove(layout, bench).why == f"the agent ended {ENDS_TOO_OFTEN} times by itself"
    assert layout.active == "1.0"


def test_a_technician_who_stops_the_agent_decides_nothing(layout: Layout) -> None:
    outcome = prove(layout, Bench(layout, unit=Unit(meant=False)), within_s=0)
    assert (outcome.proved, outcome.why) == (None, "somebody has stopped the agent")
    assert layout.active == "1.1"
    assert record.read(layout.records).trial is not None


def test_a_clip_whose_case_does_not_open_goes_back(layout: Layout) -> None:
    bench = Bench(layout, {"1.1": status()}, clip_says="the stored clip gives no case")
    bench.say()
    assert prove(layout, bench, within_s=0).why == "the stored clip gives no case"
    assert layout.active == "1.0"


def test_three_boots_without_a_proof_go_back_and_not_fewer(layout: Layout) -> None:
    trial = record.read(layout.records).trial
    assert trial is not None
    bench = Bench(layout, {"1.1": status()})
    bench.say()
    for boots, goes_back in ((MAX_BOOTS - 1, False), (MAX_BOOTS, True)):
        earlier = tuple(f"boot-{number}" for number in range(boots))
        record.write(layout.records, record.Record(Trial("1.1", "1.0", RAN, "boot-0", 0, earlier)))
        outcome = prove(layout, bench, within_s=0)
        assert outcome.proved is not goes_back
    assert (outcome.why, layout.active) == ("3 boots without a proof", "1.0")


def test_an_older_version_goes_back_before_it_touches_a_newer_database(layout: Layout) -> None:
    Database(layout.database).close()
    bench = Bench(layout, {"1.1": status()})
    bench.say()
    for needed, proved in ((SCHEMA, True), (SCHEMA + 1, False)):
        record.write(layout.records, record.Record(Trial("1.1", "1.0", RAN)))
        with closing(sqlite3.connect(layout.database)) as connection:
            connection.execute(f"PRAGMA user_version = {needed}")
        before = layout.database.read_bytes()
        outcome = prove(layout, bench, within_s=0)
        assert outcome.proved is proved
        assert layout.database.read_bytes() == before
    assert "the database is of a newer version" in outcome.why
    assert layout.active == "1.0"


def test_a_boot_is_counted_before_anything_is_waited_for(layout: Layout) -> None:
    class PowerCutError(Exception):
        """The power goes while the agent is looked at."""

    class Dark(Bench):
        def agent(self) -> Unit:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        prove(layout, Dark(layout))
    trial = record.read(layout.records).trial
    assert trial is not None
    assert trial.boots == (boot_id(),)


def test_an_agent_of_the_version_before_proves_nothing_for_the_new_one(
    layout: Layout, tmp_path: Path
) -> None:
    opened_s = now_s()
    trial = Trial("1.1", "1.0", RAN, boot_id(), opened_s)
    record.write(layout.records, record.Record(trial))
    bench = Bench(layout)
    layout.status.write_text(json.dumps(status(began_s=opened_s - 3600)))
    outcome = prove(layout, bench, within_s=0)
    assert bench.restarted[0] == "1.1"  # so that the new one runs
    assert outcome.why == "the agent does not say that it runs"


def test_a_trial_that_the_power_cut_off_before_the_switch_is_void(layout: Layout) -> None:
    layout.lead("active", "1.0")
    outcome = prove(layout, Bench(layout), within_s=0)
    assert (outcome.proved, layout.active) == (None, "1.0")
    assert record.read(layout.records).trial is None


def test_what_was_seen_of_one_version_decides_nothing_about_another(
    layout: Layout, tmp_path: Path
) -> None:
    """A newer one is installed while the first is being proved."""

    class Overtaken(Bench):
        def clip(self) -> str | None:
            if layout.active == "1.1":
                place(environment(tmp_path / "1.2", "1.2"), layout)
                return "nothing that is said of 1.1 holds for 1.2"
            return None

    bench = Overtaken(layout, {"1.1": status()})
    bench.say()
    outcome = prove(layout, bench, within_s=0)
    assert bench.restarted[0] == "1.2"
    assert outcome.why == "the agent does not say that it runs"
    assert (layout.active, _last(layout).instead_of) == ("1.0", "1.2")


def test_going_back_brings_the_units_of_the_version_that_runs(layout: Layout) -> None:
    packaged = layout.root / "usr/lib/systemd/system"
    packaged.mkdir(parents=True)
    for version, says in (("1.0", "old"), ("1.1", "new")):
        units = layout.folder(version) / "share/kerbwatch/systemd"
        units.mkdir(parents=True)
        (units / "kerbwatch.service").write_text(says)
        (units / "kerbwatch-report.timer").write_text("the same")
    (packaged / "kerbwatch.service").write_text("new")
    (packaged / "kerbwatch-report.timer").write_text("the same")
    go_back(layout, Bench(layout), "by hand")
    local = layout.root / "etc/systemd/system"
    assert {each.name: each.read_text() for each in local.iterdir()} == {"kerbwatch.service": "old"}
    activate("1.1", layout)
    unit_files.settle(layout)
    assert list(local.iterdir()) == []


def test_going_back_by_hand_needs_a_version_to_go_back_to(layout: Layout) -> None:
    go_back(layout, Bench(layout), "by hand")
    with pytest.raises(VersionError, match="there is no version before to go back to"):
        go_back(layout, Bench(layout), "by hand")
    assert layout.active == "1.0"


def test_back_to_what_is_known_to_work_is_no_trial(layout: Layout) -> None:
    assert activate("1.0", layout)
    assert record.read(layout.records).trial is None
    assert activate("1.1", layout)
    assert record.read(layout.records).trial is not None


@pytest.mark.parametrize(
    ("was", "now", "point"),
    [
        (None, Working((), None, None), Point("broker", "not_known", "no broker is configured")),
        (
            Working(("street",), broker=False),
            Working(("street",), broker=False),
            Point("broker", "not_known", "the broker was not reached before the update either"),
        ),
        (
            None,
            Working(("street",), broker=False),
            Point(
                "broker",
                "not_known",
                "the broker is not reached; whether it was before the update is not known",
            ),
        ),
        (
            Working((), broker=True),
            Working((), broker=True),
            Point("cameras", "not_known", "no camera gave frames before the update either"),
        ),
        (
            None,
            Working((), broker=True),
            Point("cameras", "failed", "no frames from street"),
        ),
        (
            Working((), verifier=False),
            Working((), verifier=False),
            Point("models", "held"),
        ),
    ],
)
def test_what_is_not_known_is_said_and_is_no_pass(
    was: Working | None, now: Working, point: Point
) -> None:
    trial = Trial("1.1", "1.0", was)
    shown = Seen(0.0, STEADY_S, ("street",), 2, now)
    assert point in judge(trial, shown, UP, over=True)


def test_where_no_agent_ran_and_none_is_meant_to_the_agent_is_not_known() -> None:
    points = judge(Trial("1.1", "1.0"), None, Unit(meant=False), over=True)
    assert points == [
        Point("agent", "not_known", "no agent runs here, as before the update"),
    ]


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[]",
        "[" * 9999,
        json.dumps(status() | {"boot_id": "another"}),
        json.dumps(status() | {"monotonic_s": now_s() - 60}),
        json.dumps(status() | {"software": None}),
        json.dumps(status() | {"cameras": {"street": None}}),
    ],
)
def test_a_status_that_is_old_or_cannot_be_read_is_none(tmp_path: Path, told: str) -> None:
    path = tmp_path / "status.json"
    path.write_text(told)
    assert seen(path) is None
    path.write_text(json.dumps(status()))
    shown = seen(path)
    assert shown is not None
    assert (shown.working, shown.models) == (RAN, 1)


def test_a_link_in_place_of_the_status_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text(json.dumps(status()))
    (tmp_path / "status.json").symlink_to(tmp_path / "elsewhere.json")
    assert seen(tmp_path / "status.json") is None


@pytest.fixture
def own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clip's run is a process of its own; here it must leave no trace."""
    monkeypatch.setenv("KERBWATCH_MODELS", "")


@pytest.mark.usefixtures("own_models")
def test_a_model_of_the_version_that_is_damaged_is_named_whatever_the_site_has(
    tmp_path: Path,
) -> None:
    models = tmp_path / "models"
    shutil.copytree(clip.MODELS / "street", models / "street")
    model = models / "street/model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 0xFF
    model.write_bytes(content)
    told = clip.fault(models)
    assert told is not None
    assert "model 'street'" in told


@pytest.mark.slow
@pytest.mark.usefixtures("own_models")
def test_the_clip_that_ships_gives_its_case(tmp_path: Path) -> None:
    assert clip.main(str(tmp_path)) == 0
    assert json.loads((tmp_path / "result.json").read_text()) == {"fault": None}


@pytest.mark.slow
@pytest.mark.usefixtures("own_models")
def test_a_clip_without_its_case_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "UNTIL_S", 17.0)
    assert clip.fault() == "the stored clip gives no case, and not 1 misparked_bike"


def test_the_list_says_which_version_runs_and_why_one_was_left(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    prove(layout, Bench(layout), within_s=0)
    show(as_json=False, layout=layout)
    told = capsys.readouterr().out
    assert "1.0  active\n" in told
    assert "1.0 runs again in place of 1.1: the agent does not say that it runs" in told
    show(as_json=True, layout=layout)
    listed = json.loads(capsys.readouterr().out)
    assert (listed["active"], listed["installed"], listed["trial"]) == ("1.0", ["1.0", "1.1"], None)
    assert listed["events"][-1]["what"] == "went_back"


def test_the_check_shows_a_trial_then_an_update_that_went_back(layout: Layout) -> None:
    [open_] = of_layout(layout)
    assert (open_.severity, open_.what) == ("note", "version 1.1 is on trial")
    prove(layout, Bench(layout), within_s=0)
    [gone] = of_layout(layout)
    assert gone.severity == "warning"
    assert gone.what == "version 1.1 was left: the agent does not say that it runs"
    activate("1.1", layout)
    record.write(layout.records, record.Record())
    [well] = of_layout(layout)
    assert (well.severity, well.what) == ("ok", "version 1.1; before it 1.0")


def test_where_no_versions_lie_the_check_says_nothing(tmp_path: Path) -> None:
    assert list(of_layout(Layout(tmp_path))) == []


def test_the_audit_log_is_told_of_the_last_step(layout: Layout) -> None:
    prove(layout, Bench(layout), within_s=0)
    assert last_update(layout.records) == {
        "update": "went_back 1.0 instead of 1.1: the agent does not say that it runs"
    }
    assert last_update(layout.root) == {}
