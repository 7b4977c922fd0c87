"""Two languages: every text has its Chinese, says the same, and is as wide as it looks."""

from __future__ import annotations

import ast
import copy
import importlib
import json
import os
import pickle
import re
import string
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agent.config.faults import ConfigError
from agent.config.loading import from_tables, load
from agent.inference.manifest import ModelError, load_manifest
from drivers.cameras import CameraError, load_driver
from provisioning import wording
from provisioning.cli import main
from provisioning.console.help_format import wrapped
from provisioning.wording import error_in_words, in_words, say, say_many
from provisioning.wording.width import display_width, padded
from tests.support import catalogue, red_bike_model, red_bike_site
from tests.support.command_line import kerbwatch
from tests.support.paths import ROOT
from wording.known_errors import reason_of, recognised
from wording.messages import Said, itemised, said, said_many

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NAMES = re.compile(
    r"[fF]?'[^']*'|\"[^\"]*\"|[\w./:\[\]<>@-]*[_./:\[\]@-][\w./:\[\]<>@-]*|\b[A-Z]{2,}\b"
)
"""What stays as it is in any language: what is quoted, paths, keys, placeholders, acronyms."""
_ENGLISH = re.compile(r"\b(?:the|is|are|should|must|no|not|of|a|it|Input|give|there|missing|and)\b")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERBWATCH_LANGUAGE", "zh_CN")


# --- the catalogue


def forms(text: Any) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, tuple | list) else (text,)


def messages() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Each message: its English forms, its Chinese forms."""
    for message in catalogue.translated():
        if message.id:
            yield forms(message.id), forms(message.string)


def facts_of(template: str) -> set[str]:
    named = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    return named | set(re.findall(r"%\((\w+)\)s", template))


class Anything:
    """A fact that takes every way of showing it."""

    def __format__(self, form: str) -> str:
        return "fact"


def test_every_text_of_the_code_has_its_chinese() -> None:
    """If this fails: ``python -m tests.support.catalogue``, then translate what it names."""
    assert catalogue.PATH.read_bytes() == catalogue.brought_up(catalogue.translated())
    assert [message.id for message in catalogue.untranslated(catalogue.translated())] == []


def test_every_text_stands_where_it_is_said() -> None:
    """A text that is put together or named elsewhere would never be found for the catalogue."""
    elsewhere = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for house in ("provisioning", "agent", "drivers")
        for path in (ROOT / house).rglob("*.py")
        if path.parent.name != "wording" and path.name != "wording.py"
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in {"say", "said", "say_many", "said_many"}
        and not isinstance(call.args[0], ast.Constant)
    ]
    assert elsewhere == []


def test_no_translation_is_a_guess_or_a_leftover() -> None:
    translated = catalogue.translated()
    assert [message.id for message in translated if message.fuzzy and message.id] == []
    assert not translated.obsolete


def test_every_translation_says_the_same_facts() -> None:
    for english, chinese in messages():
        # What the singular leaves out, as "no argument" does, the plural says.
        assert facts_of(chinese[0]) == facts_of(english[-1]), english


def test_every_text_can_be_filled_in() -> None:
    for english, zh in messages():
        for text in (*english, *zh):
            if "%(" not in text:
                assert text.format_map({name: Anything() for name in facts_of(text)})


def test_the_chinese_is_written_with_chinese_punctuation() -> None:
    for _, zh in messages():
        for text in zh:
            wrong = re.search(r"[\u4e00-\u9fff][,;?!]|[\u4e00-\u9fff]\.(?!\w)", text)
            assert wrong is None, text


# --- the language


@pytest.mark.parametrize(
    ("told", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_TW.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LC_ALL": "zh_CN.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "zh_CN"),
        ({"LANGUAGE": "de:zh:en", "LC_ALL": "en_GB.UTF-8"}, "zh_CN"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "KERBWATCH_LANGUAGE": "en"}, "en"),
        ({"LANG": "en_GB.UTF-8", "KERBWATCH_LANGUAGE": "zh-CN"}, "zh_CN"),
    ],
)
def test_the_language_is_found_as_gettext_finds_it(
    told: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KERBWATCH_LANGUAGE", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert wording.language() == language


# --- texts that remember


def test_a_text_that_was_said_is_the_string_it_is() -> None:
    text = said("no camera {camera_id!r}; there are: {known}", camera_id="sky", known=["a", "b"])
    assert text == "no camera 'sky'; there are: a, b"
    assert hash(text) == hash("no camera 'sky'; there are: a, b")
    assert json.dumps([text]) == json.dumps([str(text)])


@pytest.mark.parametrize(
    "text",
    [
        said("missing"),
        said("{where}: {message}", where="a", message=said("missing")),
        said_many("{count} bike", "{count} bikes", 3),
        itemised([said("missing"), "plain"]),
        itemised([]),
    ],
)
def test_a_text_is_still_remembered_after_it_was_copied_or_pickled(text: Said) -> None:
    for again in (copy.copy(text), copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert (again, again.template, again.facts, again.many) == (
            text,
            text.template,
            text.facts,
            text.many,
        )


@pytest.mark.usefixtures("chinese")
def test_facts_that_were_said_are_translated_too() -> None:
    inner = said("{where}: {message}", where="zones.0", message=said("missing"))
    assert in_words(said("{file}: {reason}", file="a", reason=inner)) == "a：zones.0：缺少此项"
    assert in_words(itemised([said("missing"), "plain"])) == "  - 缺少此项\n  - plain"
    assert say("no camera {camera_id!r}; there are: {known}", camera_id="x", known=["a", "b"]) == (
        "没有摄像头 'x'；现有：a、b"
    )
    assert say_many("{count} bike", "{count} bikes", 3) == "3 辆自行车"
    assert in_words("what nobody said") == "what nobody said"


@pytest.mark.usefixtures("chinese")
def test_an_error_is_shown_as_it_was_raised() -> None:
    error = CameraError("street", said("there is no picture in the file"))
    assert str(error) == "camera 'street': there is no picture in the file"
    assert error_in_words(error) == "摄像头 'street'：文件中没有画面"
    assert error_in_words(RuntimeError("unknown to us")) == "unknown to us"
    with pytest.raises(ModuleNotFoundError) as missing:
        importlib.import_module("kerbwatch_of_tomorrow")
    assert error_in_words(missing.value) == "缺少软件包 kerbwatch_of_tomorrow：请安装"
    with pytest.raises(IsADirectoryError) as folder:
        ROOT.open()
    assert error_in_words(folder.value) == f"{ROOT}：是文件夹，不是文件"


@given(st.lists(st.text(), max_size=4))
def test_texts_below_each_other_keep_every_character(texts: list[str]) -> None:
    assert str(itemised(texts)) == "\n".join(f"  - {text}" for text in texts)


@pytest.mark.usefixtures("chinese")
def test_what_the_system_says_is_translated_where_it_is_known(tmp_path: Path) -> None:
    with pytest.raises(OSError) as missing:  # noqa: PT011 - its text is what is tested
        (tmp_path / "nothing").read_text()
    assert in_words(reason_of(missing.value)) == "文件或文件夹不存在"
    assert in_words(recognised("Expecting value: line 3 column 1 (char 9)")) == (
        "第 3 行第 1 列：此处应有值"
    )
    assert in_words(recognised("never heard of")) == "never heard of"


# --- what a technician reads

_FAULTY: dict[str, Any] = {
    "site": {
        "tenant": "a b",
        "device_id": 7,
        "address": "",
        "timezone": "Mars/Base",
        "codes_profile": "invented",
        "grid_code": "x",
        "coordinates": {"longitude": 500, "latitude": 0, "crs": "WGS84"},
        "surprise": 1,
    },
    "cameras": [
        {"camera_id": "one", "driver": "telescope"},
        {"camera_id": "two", "driver": "video_file", "settings": {"speed": 1}},
        {"camera_id": "two", "driver": "synthetic", "settings": {"seconds": float("inf")}},
    ],
    "models": {"threads": 1.5},
    "analysis": {"frames_per_s": 31, "runs_per_s": "many"},
    "evidence": {"jpeg_quality": 20},
    "uplink": {"broker": "http://x", "certificate_file": "a", "keepalive_s": 1},
    "scenarios": {"misparked_bikes": {"allowed_s": 0}, "flying": {}},
    "zones": [
        {"zone_id": "a", "camera_id": "one", "kind": "moon", "polygon": [[0, 0], [1, 1]]},
        {"zone_id": "b", "camera_id": "x", "kind": "bin", "polygon": [[0, 0], [2, 0], [1, 1]]},
        {"zone_id": "c", "camera_id": "one", "kind": "bin", "polygon": "round"},
        {
            "zone_id": "d",
            "camera_id": "one",
            "kind": "bin",
            "polygon": [[0, 0], [0, 0], [0, 0]],
            "in_force": [{"days": [8], "from": "soon", "to": "08:00+08:00"}],
        },
    ],
}


def is_chinese(line: str) -> bool:
    """Whether a line is Chinese but for names."""
    rest = _NAMES.sub("", line)
    return bool(_CHINESE.search(rest)) and not _ENGLISH.search(rest)


@pytest.mark.usefixtures("chinese")
def test_every_fault_of_a_configuration_is_shown_in_chinese() -> None:
    with pytest.raises(ConfigError) as refused:
        from_tables(_FAULTY)
    assert len(refused.value.faults) > 20
    shown = error_in_words(refused.value).splitlines()
    assert shown[0] == f"site.toml：{len(refused.value.faults)} 处错误"
    assert [line for line in shown[1:] if not is_chinese(line)] == []


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("site", "fault"),
    [
        ("x = ]", "第 1 行第 5 列：值无效"),
        ("x = ", "值无效（在文件末尾）"),
        ("[[cameras]", "第 1 行第 10 列：表数组的声明末尾应有“]]”"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_explained_in_chinese(
    tmp_path: Path, site: str, fault: str
) -> None:
    (tmp_path / "site.toml").write_text(site, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    assert f"site.toml：不是有效的 TOML：{fault}" in error_in_words(refused.value)


@pytest.mark.usefixtures("chinese")
def test_every_fault_of_a_model_is_shown_in_chinese(tmp_path: Path) -> None:
    red_bike_model.write_model(tmp_path)
    manifest = tmp_path / "street" / "manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    for old, new in (("yolox", "oracle"), ("[input]", "[input]\nextra = 1")):
        assert old in text
        text = text.replace(old, new)
    manifest.write_text(text, encoding="utf-8")
    (tmp_path / "street" / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelError) as refused:
        load_manifest(tmp_path / "street")
    assert len(refused.value.faults) == 3
    shown = error_in_words(refused.value).splitlines()
    assert [line for line in shown if not is_chinese(line)] == []


@pytest.mark.usefixtures("chinese")
def test_a_camera_that_cannot_be_used_is_explained_in_chinese(tmp_path: Path) -> None:
    driver = load_driver("video_file")
    settings = driver.Settings.model_validate({"path": tmp_path / "film.mp4"})
    with pytest.raises(CameraError) as refused:
        driver.open_camera("street", settings)
    assert is_chinese(error_in_words(refused.value))


@pytest.mark.usefixtures("chinese")
def test_what_programs_read_is_the_same_in_any_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    red_bike_site.write_red_site(tmp_path)
    text = (tmp_path / "site.toml").read_text(encoding="utf-8")
    (tmp_path / "site.toml").write_text(f"surprise = 1\n{text}", encoding="utf-8")
    command = ["config", "validate", str(tmp_path), "--json"]
    shown = CliRunner().invoke(main, command).stdout
    monkeypatch.setenv("KERBWATCH_LANGUAGE", "en")
    assert CliRunner().invoke(main, command).stdout == shown
    assert "surprise: no such key" in shown


# --- the command

_ALL_HELP = """
import json, sys
import click
from provisioning.cli import main

def pages(command, context):
    yield context.command_path, command.get_help(context)
    for name, child in getattr(command, "commands", {}).items():
        yield from pages(child, click.Context(child, info_name=name, parent=context))

json.dump(dict(pages(main, click.Context(main, info_name="kerbwatch"))), sys.stdout)
"""


def in_chinese(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"KERBWATCH_LANGUAGE": "zh_CN", "PYTHONUTF8": "1", "COLUMNS": "80"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=False
    )


def test_every_page_of_help_is_chinese_and_fits_the_terminal() -> None:
    ran = in_chinese("-c", _ALL_HELP)
    assert ran.returncode == 0, ran.stderr
    pages = json.loads(ran.stdout)
    assert "kerbwatch config validate" in pages
    for path, page in pages.items():
        assert _CHINESE.search(page), path
        assert not re.search(r"Usage|Options|Commands|Show", page), page
        assert not re.search(r"(?<!\])\.\.\.$", page, re.MULTILINE), f"cut off: {page}"
        assert max(display_width(line) for line in page.splitlines()) <= 80, page


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["fly"], "没有命令 'fly'。"),
        (["replay"], "缺少参数 '点位'"),
        (["replay", "nowhere"], "'点位' 的值无效：路径 'nowhere' 不存在。"),
        (["replay", ".", "--fps", "-1"], "'--fps' 的值无效：-1.0 不在范围"),
        (["replay", ".", "--fps"], "选项 '--fps' 需要 1 个值。"),
    ],
)
def test_a_wrong_call_is_explained_in_chinese(arguments: list[str], fault: str) -> None:
    ran = in_chinese("-m", "provisioning.cli", *arguments)
    assert ran.returncode == 2
    assert f"错误：{fault}" in ran.stderr


def test_the_command_refuses_in_chinese_and_with_the_same_code(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("[site]\n", encoding="utf-8")
    ran = in_chinese("-m", "provisioning.cli", "config", "validate", str(tmp_path))
    assert ran.returncode == 3
    headline, *facts = ran.stderr.splitlines()
    assert headline == "kerbwatch: 配置被拒绝。"
    assert "    - site.tenant：缺少此项" in facts


def test_a_replay_lines_its_columns_up_in_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chinese: None
) -> None:
    red_bike_model.write_model(tmp_path / "models")
    red_bike_site.write_red_site(tmp_path / "site")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    shown = kerbwatch("replay", tmp_path / "site").stdout
    events, _, summary = shown.partition("汇总\n")
    zones = [display_width(line.partition("区域")[0]) for line in events.splitlines() if line]
    assert len(zones) == 2
    assert len(set(zones)) == 1, events
    assert len({display_width(line) for line in summary.splitlines()}) == 1, summary


# --- width


@pytest.mark.parametrize(
    ("text", "columns"),
    [("kerb", 4), ("区域", 4), ("区域 kerb", 9), ("，", 2), ("…", 1), ("e\u0301", 1), ("", 0)],
)
def test_a_text_is_as_wide_as_a_terminal_shows_it(text: str, columns: int) -> None:
    assert display_width(text) == columns


@given(st.text("ab 区域，"), st.integers(0, 30), st.booleans())
def test_a_padded_text_fills_its_room(text: str, columns: int, right: bool) -> None:
    room = padded(text, columns, right=right)
    assert display_width(room) == max(columns, display_width(text))
    assert room.startswith(text) or right
    assert room.endswith(text) or not right


@given(st.text("ab 区域，。）"), st.integers(8, 20))
def test_wrapping_loses_nothing_and_begins_no_line_with_a_comma(text: str, columns: int) -> None:
    lines = list(wrapped(text, columns))
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert line == line.strip()
        assert line
        if not re.search(r"[，。）]{3,}|[ab]{4,}", line):
            assert display_width(line) <= columns
    if not re.search(r"(?:^|\s)[，。）]", text):
        assert not any(line[0] in "，。）" for line in lines), lines
