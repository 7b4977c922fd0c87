"""What people write down is taken in, or refused with a word; it never surprises what comes after."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.audit import AuditLog
from agent.audit.log import segments
from agent.config import faults, loading
from drivers.files.documents import MAX_DEEP, parsed_json, parsed_toml, refuse_unseen, unseen
from drivers.testing import FakeClock
from tests.support import red_bike_site

Parse = Callable[[str], Any]


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parsed_json, "[" * 200_000),
        (parsed_json, '{"a": ' * 200_000),
        (parsed_json, "[" * 500 + "]" * 500),
        (parsed_toml, "a = " + "[" * 200_000),
        (parsed_toml, "a = " + "{a = " * 50_000),
        (parsed_toml, "a = " + "[" * 200 + "]" * 200),
        (parsed_toml, ".".join("a" * 200_000) + " = 1"),
        (parsed_toml, "[" + ".".join(["'a'"] * 200_000) + "]"),
        (parsed_toml, ".".join("a" * 100) + " = 1"),
    ],
)
def test_what_lies_too_deep_is_refused_soon(parse: Parse, text: str) -> None:
    began_s = time.process_time()
    with pytest.raises(ValueError, match="more than 32 deep"):
        parse(text)
    assert time.process_time() - began_s < 10


def test_what_people_need_is_not_too_deep() -> None:
    text = "[" * MAX_DEEP + "]" * MAX_DEEP
    assert parsed_json(text) == json.loads(text)
    assert parsed_toml(f"a = {'.' * 300!r}  # {'.' * 500}\nb = 'e.g. this. ' \n")["b"]


@pytest.mark.parametrize(
    ("parse", "text", "word"),
    [
        (parsed_json, r'{"zones": [{"zone_id": "a\u0000b"}]}', "U+0000 in zones.0.zone_id"),
        (parsed_json, r'{"a\u001b[31m": 1}', "U+001B in the outermost keys"),
        (parsed_json, r'{"a": {"b\u0007": 1}}', "U+0007 in a"),
        (parsed_json, r'["\ud800"]', "U+D800 in 0"),
        (parsed_toml, r'a = "\u202Egnp"', "U+202E in a"),
        (parsed_toml, r'a.b = "\u007F"', "U+007F in a.b"),
        (parsed_toml, "a = '\u200b'", "U+200B in a"),
    ],
)
def test_characters_that_cannot_be_shown_are_named_with_their_place(
    parse: Parse, text: str, word: str
) -> None:
    with pytest.raises(ValueError, match="cannot be shown") as refused:
        refuse_unseen(parse(text))
    assert word in str(refused.value)


@pytest.mark.parametrize(
    "text", ["芜湖市镜湖区", "two\nlines\tand a tab", "é 👨‍👩‍👧", "\u3000全角", "㐀𠀀\ue000"]
)
def test_what_people_write_can_be_shown(text: str) -> None:
    assert unseen(text) is None


@given(st.text(alphabet='[]{}",:1ab \\u0'))
def test_json_is_what_python_reads_or_refused(text: str) -> None:
    try:
        expected = json.loads(text)
    except (ValueError, RecursionError):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever the parser says
            parsed_json(text)
        return
    assert parsed_json(text) == expected


@given(st.text(alphabet="ab.=[]{}\"'\n 1#"))
def test_toml_is_what_python_reads_or_refused(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except (ValueError, RecursionError):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever the parser says
            parsed_toml(text)
        return
    assert parsed_toml(text) == expected


@pytest.mark.parametrize(
    ("file", "text", "word"),
    [
        ("site.toml", "a = " + "[" * 100_000, "site.toml: not readable as TOML: tables or lists are nested"),
        ("site.toml", '[storage]\nrun_dir = "\\u0000"', "storage.run_dir: it contains an invisible character"),
        ("zones.json", "[" * 100_000, "zones.json: not readable as JSON: tables or lists are nested"),
        ("zones.json", '{"zones": [{"kind": "\\u001b"}]}', "zones.0.kind"),
        ("zones.json", '{"zones": [{"\\u202e": 1}]}', "zones.0: it contains an invisible character"),
        ("zones.json", '{"zones": ' + "1" * 5000 + "}", "zones.json: not readable as JSON"),
    ],
)  # fmt: skip
def test_a_site_that_cannot_be_read_is_refused_with_a_word(
    file: str, text: str, word: str, tmp_path: Path
) -> None:
    red_bike_site.write_red_site(tmp_path)
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(faults.ConfigError) as refused:
        loading.load(tmp_path)
    assert word in "\n".join(refused.value.faults)


def test_a_deep_line_in_the_audit_log_ends_no_thread(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path, FakeClock(datetime(2026, 1, 1, tzinfo=UTC)))
    audit.append("first")
    with segments(tmp_path)[0].open("a", encoding="utf-8") as opened:
        opened.write("[" * 60_000 + "\n")
    assert audit.append("second").number == 1
