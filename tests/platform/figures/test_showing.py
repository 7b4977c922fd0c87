"""A figure as it is shown: CSV for a spreadsheet, a plot that any page may hold."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import datetime
from xml.etree import ElementTree as ET

import pytest
from kerbwatch_platform import figures
from kerbwatch_platform.figures.plot import drawable, plot
from kerbwatch_platform.figures.question import Row
from kerbwatch_platform.figures.writing import as_csv, headings
from kerbwatch_platform.words import LANGUAGES, Language

OF = figures.period(
    "2026Q4", "Asia/Shanghai", now=datetime.fromisoformat("2027-01-01T00:00:00+08:00")
)
VALUES = {
    "text": "=cmd|' /C calc'!A0",
    "kind": "overflowing_bin",
    "ended": "taken_back",
    "verdict": "false",
    "operator": "not_told",
    "weekday": 7,
    "count": 3,
    "hours": 2.25,
    "minutes": 61.04,
    "share": 0.12345,
    "rate": 0.5,
    "moment": 1_790_000_000_000,
}


def row(name: str) -> Row:
    return {column.name: VALUES[column.unit] for column in figures.QUESTIONS[name].columns}


@pytest.mark.parametrize("name", figures.QUESTIONS)
def test_csv_opens_in_a_spreadsheet_and_no_cell_is_a_formula(name: str) -> None:
    question = figures.QUESTIONS[name]
    text = as_csv("zh_CN", question, [row(name)], OF)
    assert text.startswith("\ufeff")
    told, values = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert told == [*headings("zh_CN", question), "统计截至", "可视小时截至", "应视小时截至"]
    assert len(values) == len(told)
    assert not [value for value in values if value.startswith(("=", "+", "@", "-"))]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t=", "＝", "＠"])
def test_what_begins_like_a_formula_is_text(start: str) -> None:
    told = row("hot_spots") | {"address": f"{start}1+1"}
    text = as_csv("en", figures.QUESTIONS["hot_spots"], [told], OF)
    assert f"'{start}1+1" in text


def test_codes_are_in_words_and_times_those_of_the_city() -> None:
    told = as_csv("zh_CN", figures.QUESTIONS["overflows"], [row("overflows")], OF)
    assert "垃圾箱满溢" in told
    assert "已由复核模型撤回" in told
    assert "误报" in told
    assert "2026-09-21 22:13:20" in told


def test_an_unknown_kind_is_shown_as_it_is() -> None:
    told = row("daily") | {"kind": "standing_water", "seen_hours": None}
    line = as_csv("en", figures.QUESTIONS["daily"], [told], OF).splitlines()[1]
    assert "standing_water" in line
    assert ",," in line


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", figures.QUESTIONS)
def test_a_plot_is_svg_without_style_or_script(name: str, language: Language) -> None:
    question = figures.QUESTIONS[name]
    told = row(name) | {key: "all" for key in ("place_id",) if name == "night"}
    svg = plot(language, question, [told], OF)
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for element in root.iter():
        assert "style" not in element.attrib
        assert not [name for name in element.attrib if name.startswith("on")]
        assert element.tag.rsplit("}", 1)[-1] not in {"style", "script", "metadata"}
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text
    assert (title.text.startswith(question.words)) == (language == "en")


@pytest.mark.parametrize("name", figures.QUESTIONS)
def test_a_plot_of_nothing_is_empty_and_no_fault(name: str) -> None:
    assert plot("en", figures.QUESTIONS[name], [], replace(OF, name="2026Q1")).startswith(b"<?xml")


def test_a_hostile_name_stays_text_in_a_plot() -> None:
    told = row("hot_spots") | {"place_id": "<script>alert(1)</script>$\\nosuch{$"}
    svg = plot("en", figures.QUESTIONS["hot_spots"], [told], OF)
    assert b"<script" not in svg


def test_without_hours_of_seeing_operators_are_drawn_by_minutes_and_no_empty_plot_is() -> None:
    unseen = row("operators") | {"minutes_per_hour": None, "seen_hours": 0.0}
    question = figures.QUESTIONS["operators"]
    assert drawable(question, [unseen])
    drawn = plot("en", question, [unseen], OF).decode()
    assert ">minutes stood<" in drawn
    assert ">minutes per hour<" not in drawn
    assert not drawable(figures.QUESTIONS["vending"], [row("vending") | {"seen_hours": 0.0}])
    assert not drawable(figures.QUESTIONS["sanitation"], [row("sanitation") | {"cleared": 0}])
