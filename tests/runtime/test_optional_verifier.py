"""The verifier in a whole run: its word counts, and without it the street is judged as before there was one."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.loading import load
from agent.domain.labels import CANDIDATE_KINDS
from agent.protocol.events import CaseEvent
from agent.runtime.replay import ReplayReport, replay
from agent.scenarios import _verifier_client
from tests.support.colour_verifier import write_verifier
from tests.support.command_line import kerbwatch
from tests.support.red_bike_site import write_red_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, red_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One where something red, five bikes to the network, stands for four seconds that may stand for two.

    Minutes are seconds here: so the verifier need not rest between two questions, either.
    """
    monkeypatch.setattr(_verifier_client, "BETWEEN_S", 0.0)
    assert red_model == tmp_path / "models"
    write_red_site(tmp_path / "site")
    return tmp_path / "site"


def told(site: Path, *, verifier: str = "verifier") -> None:
    """Have the site ask a verifier, often enough for a clip of eight seconds."""
    path = site / "site.toml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("clear_after_s = 1", "clear_after_s = 1\nverify_every_s = 1")
    assert text.count('verifier = ""') == 1
    path.write_text(text.replace('verifier = ""', f'verifier = "{verifier}"'), encoding="utf-8")


def played(site: Path) -> ReplayReport:
    return replay(load(site), base=site, out=site.parent / "out")


def facts(report: ReplayReport) -> list[tuple[Any, ...]]:
    """What the events say of the street, without what names the configuration."""
    return [
        (event.type, event.occurred_at, event.body.began_at, event.body.confidence)
        for event in report.events
        if isinstance(event, CaseEvent)
    ]


def explained(site: Path, *options: str) -> str:
    done = kerbwatch("explain", str(site.parent / "out"), *options)
    assert done.exit_code == 0, done.output
    return done.output


def test_what_the_verifier_sees_as_something_else_is_no_case_and_is_counted(
    site: Path, red_model: Path
) -> None:
    write_verifier(red_model)
    told(site)
    report = played(site)
    assert report.opened_by_kind == {}
    assert report.remarks == []
    counted = json.loads(explained(site, "--suppressed", "--json"))
    assert {(each["zone_id"], each["kind"]) for each in counted} == {("kerb", "misparked_bike")}
    [stalls] = [each for each in counted if each["seen_as"] == "stall"]
    words = explained(site, "--suppressed").splitlines()
    assert words[0] == "zone kerb, no misparked bike by the verifier's word:"
    assert any(f"{stalls['count']} × stall, the last on 2026-01-01" in line for line in words[1:])


def test_what_the_verifier_sees_as_a_bike_is_a_case_that_says_so(
    site: Path, red_model: Path
) -> None:
    write_verifier(red_model, red="two_wheelers")
    told(site)
    report = played(site)
    assert report.opened_by_kind == {"misparked_bike": 1}
    opened = report.events[0]
    assert isinstance(opened, CaseEvent)
    assert opened.body.reason["seen_as"] == "two_wheelers"
    assert float(opened.body.reason["verified"] or 0) > 0.9
    assert [model.name for model in opened.body.models] == ["street", "verifier"]
    words = explained(site)
    assert "The verifier saw: parked two-wheelers." in words
    assert "the verifier's probability that it is one, or like one" in words
    assert "No such case, or none any more, by the verifier's word, in this zone so far:" in words
    assert "1 × nothing, the last on 2026-01-01 10:00:03" in words, "the edge of the red thing"
    document = json.loads(explained(site, "--json"))
    assert [each["seen_as"] for each in document["suppressed"]] == ["nothing"]


def test_a_street_without_a_verifier_has_nothing_that_it_suppressed(site: Path) -> None:
    told(site, verifier="")
    assert played(site).opened_by_kind == {"misparked_bike": 1}
    assert "verifier" not in explained(site)
    assert explained(site, "--suppressed") == "The verifier kept nothing from being a case.\n"
    assert json.loads(explained(site, "--suppressed", "--json")) == []


def test_what_was_suppressed_is_told_in_chinese(
    site: Path, red_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_verifier(red_model)
    told(site)
    played(site)
    monkeypatch.setenv("KERBWATCH_LANGUAGE", "zh_CN")
    words = explained(site, "--suppressed")
    assert "复核模型判为不是" in words
    assert "× 摊点" in words


def test_the_days_report_counts_what_was_suppressed_by_zone_and_kind(
    site: Path, red_model: Path
) -> None:
    write_verifier(red_model)
    told(site)
    with (site / "site.toml").open("a", encoding="utf-8") as file:
        file.write('[storage]\nstate_dir = "state"\nrun_dir = "run"\n')
    replay(load(site), base=site, state=site / "state")
    day = ("report", str(site), "--day", "2026-01-01")
    [zone] = json.loads(kerbwatch(*day, "--json").output)["zones"]
    [kind] = zone["cases"]
    assert (zone["zone_id"], kind["kind"], kind["opened"]) == ("kerb", "misparked_bike", 0)
    assert kind["suppressed"]["stall"] >= 1
    words = kerbwatch(*day).output
    assert f"no such case by the verifier's word: {kind['suppressed']['stall']} × stall" in words


def _is_missing(models: Path) -> str:
    assert not (models / "no-such-verifier").exists()
    return "no-such-verifier: there is no such model"


def _has_another_hash(models: Path) -> str:
    (write_verifier(models) / "model.onnx").write_bytes(b"another network")
    return "verifier: sha256: model.onnx has"


def _has_other_classes(models: Path) -> str:
    write_verifier(models, kinds=CANDIDATE_KINDS[1:])
    return "verifier: classes: none means stall"


def _fails_when_it_runs(models: Path) -> str:
    write_verifier(models, fails=True)
    return "Non-zero status code returned while running Gather node"


@pytest.mark.parametrize(
    "wrong", [_is_missing, _has_another_hash, _has_other_classes, _fails_when_it_runs]
)
def test_a_site_whose_verifier_cannot_be_used_is_judged_as_one_where_it_is_turned_off(
    site: Path,
    red_model: Path,
    wrong: Callable[[Path], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    reason = wrong(red_model)
    off = site.parent / "off"
    write_red_site(off)
    told(off, verifier="")
    told(site, verifier=reason.partition(":")[0] if ":" in reason else "verifier")
    with caplog.at_level(logging.WARNING):
        without, report = played(off), played(site)
    assert without.opened_by_kind == {"misparked_bike": 1}
    assert without.remarks == []
    assert facts(report) == facts(without)
    [remark] = report.remarks
    assert remark.startswith("judged without the verifier: ")
    assert reason in remark
    [record] = [each for each in caplog.records if "verifier" in each.getMessage()]
    assert reason in record.getMessage()


def test_a_site_without_a_scenario_that_would_ask_opens_no_verifier(
    site: Path, red_model: Path
) -> None:
    (write_verifier(red_model) / "model.onnx").write_bytes(b"another network")
    told(site)
    (site / "zones.json").write_text('{"zones": []}', encoding="utf-8")
    report = played(site)
    assert report.remarks == []
    assert report.opened_by_kind == {}
