"""The Chinese texts use one term for each thing, the one that technicians of 城管 use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support import catalogue
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = [ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("**/*.zh-CN.md"))]

TERMS = {
    "网络运行": "模型推理",
    "单元(?!网格)": "系统服务",
    "弃权|暂不判断": "暂停判定",
    "角点": "顶点",
    "降速": "降频",
    "室内": "库房（有网络处）",
    "代理程序|设备程序|设备端程序": "监测程序",
    "设备 ?ID|设备标识": "设备编号",
    "须为表": "须写成 { … }",
    "答复|回应": "应答",
    "走测": "走动测试",
    "工单": "任务号",
}
"""What is not said → what is said in its place."""


def strays(text: str) -> Iterator[str]:
    """Each wrong term in a text, with the right one."""
    for wrong, right in TERMS.items():
        for found in re.finditer(wrong, text):
            yield f"{found.group()} → {right}: …{text[max(0, found.start() - 20) : found.end() + 20]}…"


def test_the_catalogue_uses_one_term_for_each_thing() -> None:
    texts = [message.string or "" for message in catalogue.translated()]
    flat = [each for text in texts for each in ([text] if isinstance(text, str) else text)]
    assert len(flat) > 1000
    assert [found for text in flat for found in strays(text)] == []


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_pages_use_the_same_terms(page: Path) -> None:
    assert list(strays(page.read_text(encoding="utf-8"))) == []


def test_a_wrong_term_is_found_and_a_right_one_is_not() -> None:
    assert len(list(strays("区域弃权；请查看服务单元"))) == 2
    assert list(strays("单元网格；暂停判定；系统服务")) == []
