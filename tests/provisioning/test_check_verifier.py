"""``kerbwatch check`` of the optional verifier: what is wrong with it stops nothing, and is said with what to do."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.loading import from_tables
from agent.config.plausibility import remarks
from agent.protocol.field_examples import example_of
from agent.protocol.heartbeat import AS_WRITTEN, SuppressedHere, VerifierHealth
from agent.scenarios import VERIFIER, Needs, load_scenario
from agent.telemetry.status_file import Software, Status
from provisioning.check import software
from provisioning.check.findings import Device, Finding, worst
from provisioning.check.running_agent import agent
from provisioning.check.this_device import AgentHere
from provisioning.commands.watch import lines
from provisioning.wording import in_words
from tests.support.colour_verifier import write_verifier
from tests.support.sites import site_of, zone
from tests.support.statuses import quiet_status

if TYPE_CHECKING:
    from pathlib import Path


SUPPRESSED = example_of(SuppressedHere)


def checked(folder: Path, **models: Any) -> list[Finding]:
    """What the check of the models finds at a site where bikes are judged, by the verifier too."""
    site = site_of(scenarios={"misparked_bikes": {}}, zones=[zone()], models=models)
    return list(software.models(Device(folder, folder, from_tables(site))))


def test_a_verifier_that_runs_is_in_order(tmp_path: Path, red_model: Path) -> None:
    write_verifier(red_model)
    found = checked(tmp_path, verifier="verifier")
    assert worst(found) == "ok"
    assert [str(each.what) for each in found] == ["street 0.0.0 runs", "verifier 0.0.0 runs"]


@pytest.mark.parametrize(
    ("language", "meaning", "remedy"),
    [
        ("en", "judges without the verifier", "Reinstall the model's folder"),
        ("zh_CN", "判定时没有复核模型", "请重新安装该模型的文件夹"),
    ],
)
def test_one_that_is_missing_is_a_warning_with_what_to_do_in_both_languages(
    tmp_path: Path,
    red_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    meaning: str,
    remedy: str,
) -> None:
    assert red_model.is_dir()
    monkeypatch.setenv("KERBWATCH_LANGUAGE", language)
    street, missing = checked(tmp_path, verifier="no-such-verifier")
    assert street.severity == "ok"
    assert missing.severity == "warning"
    assert "no-such-verifier" in in_words(missing.what)
    assert meaning in in_words(missing.meaning)
    assert remedy in in_words(missing.remedy)


def test_one_of_another_hash_or_of_other_classes_is_a_warning(
    tmp_path: Path, red_model: Path
) -> None:
    (write_verifier(red_model) / "model.onnx").write_bytes(b"another network")
    write_verifier(red_model, name="states", kinds=("stall",))
    for name, fault in (("verifier", "model.onnx has"), ("states", "none means shop_goods")):
        _, found = checked(tmp_path, verifier=name)
        assert found.severity == "warning"
        assert fault in found.what


def test_one_that_is_turned_off_or_that_nobody_would_ask_is_not_looked_at(
    tmp_path: Path, red_model: Path
) -> None:
    (write_verifier(red_model) / "model.onnx").write_bytes(b"another network")
    assert [each.what for each in checked(tmp_path, verifier="")] == ["street 0.0.0 runs"]
    site = from_tables(site_of(scenarios={"misparked_bikes": {}}, models=None))
    found = list(software.models(Device(tmp_path, tmp_path, site)))
    assert [each.what for each in found] == ["street 0.0.0 runs"]


def test_a_scenario_that_is_silent_without_it_makes_a_missing_one_a_fault_and_off_a_remark(
    tmp_path: Path, red_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert red_model.is_dir()
    scenario = load_scenario("misparked_bikes")
    alone = frozenset({VERIFIER})
    monkeypatch.setattr(scenario, "NEEDS", Needs(optional_classifiers=alone, silent_without=alone))
    _, missing = checked(tmp_path, verifier="no-such-verifier")
    assert missing.severity == "fault"
    assert "report nothing" in missing.meaning
    site = site_of(scenarios={"misparked_bikes": {}}, zones=[zone()], models={"verifier": ""})
    [remark] = remarks(from_tables(site))[:1]
    assert remark.what == (
        "scenarios.misparked_bikes: it can judge nothing, because models.verifier is turned off"
    )


def running(health: VerifierHealth | None) -> Status:
    software_there = Software(
        pid=1,
        agent_version=version("kerbwatch"),
        configuration_sha256="0" * 64,
        settings_sha256="0" * 64,
        configuration=AS_WRITTEN,
        models=(),
    )
    return quiet_status(software=software_there, verifier=health)


def health(state: str, **facts: Any) -> VerifierHealth:
    told = {"state": state, "reason": None, "runs": 0, "suppressed": ()}
    return VerifierHealth(**told | facts)


@pytest.mark.parametrize(
    ("told", "severity"),
    [
        (None, "ok"),
        (health("ready"), "ok"),
        (health("off"), "ok"),
        (health("refused", reason="verifier: there is no such model"), "warning"),
        (health("failing", reason="it needs more memory than there is"), "warning"),
    ],
)
def test_an_agent_that_judges_without_a_verifier_that_it_should_have_is_found(
    tmp_path: Path, told: VerifierHealth | None, severity: str
) -> None:
    here = AgentHere(True, None, None, running(told), "", None, None)
    found = list(agent(Device(tmp_path, tmp_path, None, here)))
    assert worst(found) == severity
    if told is not None and told.reason is not None:
        assert found[0].what == f"judges without the verifier: {told.reason}"
        assert found[0].meaning
        assert "systemctl restart" in found[0].remedy


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (health("refused", reason="it is gone"), "judges without the verifier: it is gone"),
        (
            health("ready", runs=58, suppressed=(SUPPRESSED,)),
            "verifier asked 58 ×, 4 candidate(s) were no case by its word",
        ),
        (health("off"), None),
        (None, None),
    ],
)
def test_watch_shows_what_the_verifier_does(told: VerifierHealth | None, line: str | None) -> None:
    shown = [each for each in lines(quiet_status(verifier=told), None) if "verifier" in each]
    assert shown == ([] if line is None else [line])
