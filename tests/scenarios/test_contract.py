"""What every file in ``agent/scenarios`` promises, whoever writes it: above all that it is not silent."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace as changed
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from agent.config.schema import ModelsSection
from agent.domain.labels import BIN_STATES, CANDIDATE_KINDS, LABELS
from agent.protocol.event_codes import profiles
from agent.scenarios import (
    VERIFIER,
    Needs,
    UnknownScenarioError,
    beside,
    load_scenario,
    scenario_names,
    scenario_of,
    zone_kinds,
)
from provisioning.wording.vocabulary import kind_in_words, measure_in_words
from tests.support.catalogue import translated
from tests.support.drawn_street import BOOT_S, play
from tests.support.paths import ROOT
from tests.support.scenes import moment, zone
from training.evaluate.labels import KNOWN

if TYPE_CHECKING:
    from agent.domain.scene import Finding
    from agent.scenarios import Example

NAMES = scenario_names()
EXAMPLES = [(name, example) for name in NAMES for example in load_scenario(name).EXAMPLES]
each_example = pytest.mark.parametrize(("name", "example"), EXAMPLES)
REACHABLE_S = 3600.0
"""A scenario that nobody has tuned must speak within the hour."""


def watched(name: str, example: Example) -> dict[str, list[tuple[float, Finding]]]:
    """What a scenario says of its own example: before the problem, while it is there, and after."""
    said: dict[str, list[tuple[float, Finding]]] = {"before": [], "with": [], "after": []}
    for now_s, findings, _ in play(name, example):
        part = "before" if now_s < example.begins_s else "with"
        part = "after" if now_s >= example.ends_s else part
        said[part] += [(now_s, finding) for finding in findings]
    return said


def states(said: list[tuple[float, Finding]]) -> list[str]:
    return [finding.state for _, finding in said]


def demand(name: str, example: Example) -> None:
    """A scenario says ``present`` while its problem is there, and ``absent`` before and after."""
    said = watched(name, example)
    assert set(states(said["before"])) == {"absent"}
    assert "present" in states(said["with"])
    assert states(said["with"])[-1] == "present"
    assert states(said["after"])[-1] == "absent"


@each_example
def test_every_scenario_says_present_of_its_own_example_and_absent_before_and_after(
    name: str, example: Example
) -> None:
    demand(name, example)


@each_example
def test_what_a_scenario_needs_and_does_not_declare_is_missed_at_once(
    name: str, example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_scenario(name)
    needs_nothing = Needs() == module.NEEDS
    monkeypatch.setattr(module, "NEEDS", Needs())
    with nullcontext() if needs_nothing else pytest.raises((AssertionError, ValueError)):
        demand(name, example)


@each_example
def test_a_finding_is_of_the_scenarios_kind_and_dated_when_the_problem_came(
    name: str, example: Example
) -> None:
    module = load_scenario(name)
    said = watched(name, example)
    assert {finding.kind for part in said.values() for _, finding in part} == {module.KIND}
    first = next(finding for _, finding in said["with"] if finding.state == "present")
    assert first.since_s == pytest.approx(example.begins_s, abs=6)


@each_example
def test_a_problem_goes_on_since_it_began_after_a_restart_on_another_clock(
    name: str, example: Example
) -> None:
    boots_at_s = (example.begins_s + example.ends_s) / 2
    told = [
        (now_s, finding)
        for now_s, findings, _ in play(name, example, boots_at_s=boots_at_s)
        if now_s >= boots_at_s
        for finding in findings
    ]
    present = [finding for now_s, finding in told if finding.state == "present"]
    assert [each.since_s - BOOT_S for each in present] == pytest.approx(
        [example.begins_s] * len(present), abs=6
    )
    assert present
    assert told[-1][1].state == "absent"


@each_example
def test_a_scenario_says_all_of_it_without_a_verifier_or_declares_that_it_is_silent(
    name: str, example: Example
) -> None:
    said = watched(name, changed(example, verified=False))
    speaks = "present" in states(said["with"])
    assert speaks is not (VERIFIER in load_scenario(name).NEEDS.silent_without)
    assert "present" not in states(said["before"]) + states(said["after"])[-1:]


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_can_be_restored_and_finds_nothing_on_an_empty_street(name: str) -> None:
    module = load_scenario(name)
    street = [zone(kind) for kind in zone_kinds()]
    scenario = module.build(module.Settings(), street)
    other = module.build(module.Settings(), street)
    other.restore(json.loads(json.dumps(scenario.snapshot())), shift_s=5)
    for now_s in range(0, 400, 2):
        judged = [each.judge(moment(now_s)) for each in (scenario, other)]
        assert all(each.pending == {} for each in judged)
        for finding in (finding for each in judged for finding in each.findings):
            assert (finding.state, finding.kind) == ("absent", module.KIND)


def opens_at(name: str, zone: dict[str, Any], settings: dict[str, Any]) -> float:
    """When the case of a scenario's first example opens, in seconds of its street."""
    example = load_scenario(name).EXAMPLES[0]
    return next(
        now_s
        for now_s, findings, _ in play(name, example, zone=zone, settings=settings)
        if any(each.state == "present" for each in findings)
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_a_zone_allows_goes_before_its_roads_class_and_that_before_the_scenario(
    name: str,
) -> None:
    longer_s = 1.5 * load_scenario(name).EXAMPLES[0].settings["allowed_s"]
    as_scenario = opens_at(name, {}, {"allowed_s_by_road_class": {"主干路": longer_s}})
    as_road = opens_at(
        name, {"road_class": "主干路"}, {"allowed_s_by_road_class": {"主干路": longer_s}}
    )
    as_zone = opens_at(
        name,
        {"road_class": "主干路", "allowed_s": longer_s},
        {"allowed_s_by_road_class": {"主干路": 1000}},
    )
    assert as_scenario < as_road == as_zone


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_refuses_unknown_settings_and_is_frozen(name: str) -> None:
    settings = load_scenario(name).Settings
    with pytest.raises(ValidationError, match="no_such_key"):
        settings.model_validate({"no_such_key": 1})
    with pytest.raises(ValidationError):
        settings().allowed_s = 3


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_zone_that_a_scenario_judges_has_an_example(name: str) -> None:
    module = load_scenario(name)
    assert {each.zone for each in module.EXAMPLES} == {each for each in module.ZONES if each.judged}
    assert module.NEEDS.dwell.keys() <= set(module.ZONES)
    assert set(module.ZONES) <= set(zone_kinds().values())


@pytest.mark.parametrize("name", NAMES)
def test_every_classifier_that_a_scenario_needs_can_be_configured(name: str) -> None:
    needs = load_scenario(name).NEEDS
    assert needs.classifiers <= ModelsSection.model_fields.keys()
    assert needs.silent_without <= needs.optional_classifiers <= {VERIFIER}
    assert VERIFIER in ModelsSection.model_fields


def test_every_scenario_has_a_kind_of_its_own() -> None:
    kinds = [load_scenario(name).KIND for name in NAMES]
    assert len(set(kinds)) == len(kinds)
    assert [scenario_of(kind) for kind in kinds] == [load_scenario(name) for name in NAMES]


def test_what_excuses_belongs_to_what_it_excuses() -> None:
    kinds = zone_kinds()
    assert beside(kinds["bay"]) == {kinds["no_parking"]}
    assert beside(kinds["no_parking"]) == {kinds["bay"]}
    assert beside(kinds["bin"]) == frozenset()


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_case_is_in_the_citys_tables(name: str) -> None:
    kind = load_scenario(name).KIND
    assert all(kind in profile.matters for profile in profiles().values())


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_and_measure_of_a_scenario_has_words_in_both_languages(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, catalogue = load_scenario(name), translated()
    told = [module.called(1), module.called(2)]
    told += [text for words in module.MEASURES.values() for text in words]
    for text in told:
        entry = catalogue.get(text.template)
        assert entry is not None
        assert entry.string not in ("", ("",), ["", ""])
    for language, differs in (("en", False), ("zh_CN", True)):
        monkeypatch.setenv("KERBWATCH_LANGUAGE", language)
        assert (kind_in_words(module.KIND) != str(module.called(1))) is differs
        for measure, words in module.MEASURES.items():
            assert (measure_in_words(measure) != str(words.in_full)) is differs


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_says_what_its_rule_goes_by_and_in_words(name: str) -> None:
    module = load_scenario(name)
    told = [
        measure.name
        for example in module.EXAMPLES
        for _, _, pipeline in play(name, example)
        for measures in pipeline.judgements[name].measures.values()
        for measure in measures
    ]
    assert told
    assert set(told) <= module.MEASURES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_of_a_reviewer_is_known_to_the_evaluation(name: str) -> None:
    answers = load_scenario(name).ANSWERS
    assert answers.of in {*LABELS, *BIN_STATES, *CANDIDATE_KINDS}
    assert KNOWN.of(answers.yes) == (answers.of, True)
    assert KNOWN.of(answers.no) == (answers.of, False)


def test_a_measure_has_the_same_words_in_every_scenario_that_goes_by_it() -> None:
    told: dict[str, object] = {}
    for name in NAMES:
        for measure, words in load_scenario(name).MEASURES.items():
            assert told.setdefault(measure, words) == words, f"{name}: {measure}"


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_that_nobody_has_tuned_speaks_within_the_hour(name: str) -> None:
    module = load_scenario(name)
    settings = module.Settings()
    longest_s = settings.longest_s(settings.allowed_s)
    assert longest_s <= REACHABLE_S
    assert module.NEEDS.background_s == 0 or longest_s < module.NEEDS.background_s


@pytest.mark.parametrize("page", ["site-files.md", "site-files.zh-CN.md"])
def test_the_page_of_the_sites_files_names_every_scenario_and_every_kind_of_zone(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert [name for name in NAMES if f"[scenarios.{name}]" not in text] == []
    assert [kind for kind in zone_kinds() if f"| `{kind}` |" not in text] == []


@pytest.mark.parametrize("page", ["events.md", "events.zh-CN.md"])
def test_the_platforms_page_names_every_kind_of_case(page: str) -> None:
    text = (ROOT / "docs" / "platform" / page).read_text(encoding="utf-8")
    kinds = [load_scenario(name).KIND for name in NAMES]
    assert [kind for kind in kinds if f"| `{kind}` |" not in text] == []


def test_an_unknown_scenario_is_refused_by_naming_the_known_ones() -> None:
    with pytest.raises(UnknownScenarioError, match="misparked_bikes"):
        load_scenario("flying_saucers")
