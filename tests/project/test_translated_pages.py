"""Pages in two languages: the Chinese page is the English one, not an older or a shorter one."""

from __future__ import annotations

import re
from pathlib import Path

import polib
import pytest

from tests.support import catalogue
from tests.support.paths import ROOT

PAGES = {
    page: page.with_name(page.name.replace(".md", ".zh-CN.md"))
    for page in (
        ROOT / "README.md",
        ROOT / "examples" / "platform" / "README.md",
        ROOT / "docs" / "at-rest.md",
        ROOT / "docs" / "cameras.md",
        ROOT / "docs" / "card.md",
        ROOT / "docs" / "certificates.md",
        ROOT / "docs" / "commands.md",
        ROOT / "docs" / "delivery.md",
        ROOT / "docs" / "drawing-zones.md",
        ROOT / "docs" / "dry-run.md",
        ROOT / "docs" / "evidence-and-law.md",
        ROOT / "docs" / "evidence.md",
        ROOT / "docs" / "explain.md",
        ROOT / "docs" / "figures.md",
        ROOT / "docs" / "install.md",
        ROOT / "docs" / "keeping.md",
        ROOT / "docs" / "models.md",
        ROOT / "docs" / "moving.md",
        ROOT / "docs" / "page.md",
        ROOT / "docs" / "privacy-impact.md",
        ROOT / "docs" / "privacy.md",
        ROOT / "docs" / "signals.md",
        ROOT / "docs" / "site-files.md",
        ROOT / "docs" / "recovery.md",
        ROOT / "docs" / "removing.md",
        ROOT / "docs" / "technician.md",
        ROOT / "docs" / "units.md",
        *(page for page in (ROOT / "docs" / "platform").glob("*.md") if ".zh-CN" not in page.name),
    )
}
_CODE = re.compile(r"^```(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECOND_NAMES = re.compile(
    r"代理程序|设备程序|网络运行|弃权|暂不判断|角点|降速|答复|摄像机|代理服务器|单元(?!网格)"
)
"""Other names of what has one: docs/wording.md says which."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

each_page = pytest.mark.parametrize(
    ("english", "chinese"), PAGES.items(), ids=[page.stem for page in PAGES]
)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def headings(page: Path) -> list[str]:
    """The level of each heading, in order."""
    return re.findall(r"^(#+) ", _CODE.sub("", text(page)), re.MULTILINE)


def code(page: Path) -> list[tuple[str, str]]:
    """Each block of code with its mark, without what its comments say."""
    return [(mark, re.sub(r"[ \t]*#.*", "", block)) for mark, block in _CODE.findall(text(page))]


def tables(page: Path) -> list[list[str]]:
    """The rows of all tables, each as its cells."""
    rows = re.findall(r"^\| .* \|$", _CODE.sub("", text(page)), re.MULTILINE)
    return [row.strip("| ").split(" | ") for row in rows]


@pytest.mark.parametrize(
    "page",
    sorted(
        [
            *ROOT.glob("*.zh-CN.md"),
            *ROOT.glob("docs/**/*.zh-CN.md"),
            *ROOT.glob("examples/platform/*.zh-CN.md"),
        ]
    ),
    ids=lambda page: page.name,
)
def test_a_chinese_page_has_one_word_for_one_thing(page: Path) -> None:
    assert _SECOND_NAMES.findall(text(page)) == []


def test_the_catalogue_has_one_word_for_one_thing() -> None:
    for entry in polib.pofile(str(catalogue.PATH)):
        assert _SECOND_NAMES.findall(entry.msgstr) == [], entry.msgid


@each_page
def test_both_pages_have_the_same_headings(english: Path, chinese: Path) -> None:
    assert headings(chinese) == headings(english)


@each_page
def test_both_pages_show_the_same_code(english: Path, chinese: Path) -> None:
    assert code(chinese) == code(english)


@each_page
def test_both_pages_have_the_same_rows_with_the_same_figures(english: Path, chinese: Path) -> None:
    for ours, theirs in zip(tables(chinese), tables(english), strict=True):
        # In Chinese "4 of 10" is "10 … 4": the figures are the same, their order is not.
        figures = [[sorted(_NUMBER.findall(cell)) for cell in row] for row in (ours, theirs)]
        assert figures[0] == figures[1], (ours, theirs)


@each_page
def test_the_pages_lead_to_each_other(english: Path, chinese: Path) -> None:
    assert f"]({chinese.name})" in text(english)
    assert f"]({english.name})" in text(chinese)
