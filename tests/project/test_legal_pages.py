"""The pages for the city's lawyers claim what the code does, in both languages, and leave blank what only the city knows."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from agent.audit.log import SEGMENTS_KEPT
from agent.config.retention import Settings
from agent.config.sections.judging import AnalysisSection, CollectionSection
from agent.config.sections.site import LegalSection, SiteSection
from agent.config.sections.uplink import UplinkSection
from agent.domain.picture import PictureFault
from agent.evidence.packets import DEFAULT
from agent.evidence.redactor import NotRedactedReason
from agent.protocol.base import ClockReading
from agent.protocol.case import CaseBody, Picture
from agent.protocol.commands import Role
from agent.protocol.evidence import Tombstone
from agent.protocol.inventory import LegalFacts
from agent.storage.minute_table import KEPT as MINUTES_KEPT
from tests.support.paths import DOCS, ROOT

LANGUAGES = {".md": "English", ".zh-CN.md": "Chinese"}
SECTIONS: dict[str, type[BaseModel]] = {
    "retention": Settings,
    "collection": CollectionSection,
    "uplink": UplinkSection,
}
BLANK = "▢"

in_each_language = pytest.mark.parametrize("suffix", LANGUAGES, ids=list(LANGUAGES.values()))


def page(name: str, suffix: str) -> str:
    return (DOCS / f"{name}{suffix}").read_text(encoding="utf-8")


def table(text: str, first: str) -> list[list[str]]:
    """The rows of the table whose first row begins with a word, each as its cells."""
    found = re.search(rf"^\| {re.escape(first)} \|.*\n(?:\|.*\n)+", text, re.MULTILINE)
    assert found, first
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in found[0].splitlines()]


def words_of(model: type[BaseModel], field: str) -> set[str]:
    """Every word that a field may be."""

    def within(annotation: Any) -> set[str]:
        if isinstance(annotation, str):
            return {annotation}
        return set().union(*map(within, get_args(annotation)))

    return within(model.model_fields[field].annotation)


@in_each_language
def test_each_period_is_that_of_the_configuration(suffix: str) -> None:
    """Of every class that has one: a period that is changed, or a new one, is changed here, too."""
    rows = re.findall(
        r"^\| [^|]+ \| [^|]+ \| ([^|]+) \| `(\w+)\.(\w+)` \|",
        page("evidence-and-law", suffix),
        re.MULTILINE,
    )
    assert ("analysis", "hold_back_s") in {(section, name) for _, section, name in rows}
    assert AnalysisSection().hold_back_s == 86_400, "a day, as both pages say"
    rows = [row for row in rows if row[1] != "analysis"]
    for told, section, name in rows:
        default = SECTIONS[section].model_fields[name].default
        assert re.search(rf"(?<![\d,]){default:,}(?![\d,])", told), (name, told)
    periods = {
        ("retention", name) for name in Settings.model_fields if name.endswith(("_days", "_hours"))
    }
    assert {(section, name) for _, section, name in rows} == periods | {
        ("collection", "keep_days"),
        ("uplink", "keep_arrived"),
    }


@in_each_language
def test_logs_and_figures_are_as_many_as_is_said(suffix: str) -> None:
    journal = (ROOT / "systemd" / "journald@kerbwatch.conf").read_text(encoding="utf-8")
    [days] = re.findall(r"^MaxRetentionSec=(\d+)day$", journal, re.MULTILINE)
    [size_mb] = re.findall(r"^SystemMaxUse=(\d+)M$", journal, re.MULTILINE)
    text = page("evidence-and-law", suffix)
    for told in (f"{SEGMENTS_KEPT} MB", f"{size_mb} MB", f" {MINUTES_KEPT:,} "):
        assert told in text
    assert re.search(rf"{days} (?:days|天)", text)


@in_each_language
def test_the_legal_fields_are_those_of_the_configuration_and_the_contract(suffix: str) -> None:
    fields = set(LegalSection.model_fields)
    assert fields == set(LegalFacts.model_fields)
    heading = {".md": "field", ".zh-CN.md": "字段"}[suffix]
    listed = [row[0].strip("`") for row in table(page("evidence-and-law", suffix), heading)[2:]]
    assert set(listed) == fields


@in_each_language
def test_every_value_of_evidence_status_is_named(suffix: str) -> None:
    text = page("evidence-and-law", suffix)
    assert [each for each in words_of(CaseBody, "evidence_status") if f"`{each}`" not in text] == []


@in_each_language
def test_the_pictures_are_those_of_the_contract(suffix: str) -> None:
    rows = table(page("evidence-and-law", suffix), "`role`")[2:]
    assert {row[0].strip("`") for row in rows} == words_of(Picture, "role")


@in_each_language
def test_every_fault_of_a_picture_is_named(suffix: str) -> None:
    text = page("evidence-and-law", suffix)
    assert [each for each in get_args(PictureFault) if f"`{each}`" not in text] == []


@in_each_language
def test_why_a_picture_does_not_leave_and_which_leave_by_themselves_are_told(suffix: str) -> None:
    text = page("evidence-and-law", suffix)
    assert [each for each in NotRedactedReason if f"`{each.value}`" not in text] == []
    assert {"threshold.jpg", "close_up.jpg"} == DEFAULT
    why = words_of(Tombstone, "why")
    assert [each for each in why if f"`{each}`" not in text] == []


@in_each_language
def test_every_state_of_the_clock_is_named(suffix: str) -> None:
    text = page("evidence-and-law", suffix)
    assert [each for each in words_of(ClockReading, "state") if f"`{each}`" not in text] == []


@in_each_language
def test_whoever_signs_is_named_in_the_assessment(suffix: str) -> None:
    text = page("privacy-impact", suffix)
    assert [role for role in get_args(Role) if f"`{role}`" not in text] == []
    assert f"`{SiteSection.model_fields['purpose'].default}`" in text


def test_what_only_the_city_knows_is_blank_in_both_languages() -> None:
    """Section by section; and no blank was filled in for one language alone."""
    english, chinese = (page("privacy-impact", suffix).split("\n## ") for suffix in LANGUAGES)
    counted = [section.count(BLANK) for section in english]
    assert counted == [section.count(BLANK) for section in chinese]
    assert all(counted), "each section has something that software cannot know"


@in_each_language
def test_every_risk_leaves_its_judgement_to_the_city(suffix: str) -> None:
    heading = {".md": "risk", ".zh-CN.md": "风险"}[suffix]
    rows = table(page("privacy-impact", suffix), heading)[2:]
    assert rows
    assert {row[-1] for row in rows} == {BLANK}
