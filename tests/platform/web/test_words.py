"""Whatever people read at the desk has its Chinese."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import kerbwatch_platform
import polib
import pytest
from jinja2 import nodes
from kerbwatch_platform.web.rendering import TEMPLATES
from kerbwatch_platform.words import CATALOGUE, LANGUAGES, harmless, one_line, say

from tests.support.jinja import environment

PACKAGE = Path(kerbwatch_platform.__file__).parent
CALLS = {"say": 1, "text": 0, "tell": 0, "RefusedError": 1, "Nav": 0}
"""Calls that are given a text, and as which argument; ``desk.say(request, …)`` is one of them."""


def in_code() -> dict[str, str]:
    """Every text in the package's code, with where it stands."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = CALLS.get(name)
            if place is None or len(node.args) <= place:
                continue
            given = node.args[place]
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                found[given.value] = f"{path.relative_to(PACKAGE)}:{node.lineno}"
    return found


def in_templates() -> dict[str, str]:
    """Every text in its templates."""
    found: dict[str, str] = {}
    for path in sorted(TEMPLATES.glob("*.html")):
        tree = environment().parse(path.read_text(encoding="utf-8"))
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "say":
                given = call.args[0]
                if isinstance(given, nodes.Const):
                    found[str(given.value)] = f"{path.name}:{call.lineno}"
    return found


@pytest.fixture(scope="module")
def chinese() -> dict[str, str]:
    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(CATALOGUE))}


def test_every_text_has_its_chinese(chinese: dict[str, str]) -> None:
    texts = in_code() | in_templates()
    assert len(texts) > 50
    assert {where: text for text, where in texts.items() if not chinese.get(text)} == {}


def test_a_translation_names_the_facts_of_its_english(chinese: dict[str, str]) -> None:
    def facts(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    assert [text for text, told in chinese.items() if facts(text) != facts(told)] == []


def test_no_text_has_two_translations() -> None:
    told = {(each.msgid, each.msgstr) for each in polib.pofile(str(CATALOGUE))}
    assert len(told) == len({english for english, _ in told})


def test_templates_hold_no_words_of_their_own() -> None:
    """Chinese in a template would be read by who reads English, and the other way round."""
    allowed = {"Kerbwatch", "English", "中文", "SHA"}
    for path in sorted(TEMPLATES.glob("*.html")):
        plain = re.sub(
            r"{[{%#].*?[}%#]}|<[^>]*>|&\w+;", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        words = set(re.findall(r"[^\W\d_]{2,}", plain)) - allowed
        assert words == set(), path.name


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_foreign_is_seen_as_it_is(language: str) -> None:
    hostile = "a\u202eb\x1b[2J\u3164"
    [known] = [each for each in LANGUAGES if each == language]
    told = say(known, "{path} cannot be used:", path=hostile)
    assert "a\\u202eb\\x1b[2J\\u3164" in told


def test_letters_of_any_script_stay() -> None:
    for text in ("值班长 07", "ئۇيغۇر", "Zoë", "two\nlines\tand a tab"):
        assert harmless(text) == text


def test_on_one_line_a_line_end_is_written_out() -> None:
    assert one_line("two\nlines") == "two\\nlines"
    assert one_line("x" * 300) == "x" * 199 + "…"
