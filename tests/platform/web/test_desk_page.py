"""The page about the desk shows the desk as it is, and its figures are those of the code."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from argon2.profiles import RFC_9106_LOW_MEMORY
from kerbwatch_platform.settings import Web
from kerbwatch_platform.web import accounts, guard, limiting, passwords, sessions

from tests.support.desk import DESKTOP
from tests.support.desk_pictures import FOLDER, MAX_BYTES, SHOTS
from tests.support.paths import DOCS
from tests.support.phone import SIZE

PAGES = [DOCS / "platform" / name for name in ("desk.md", "desk.zh-CN.md")]
FIGURES = [
    accounts.FIRST_HOURS,
    accounts.LINK_HOURS,
    Web().port,
    RFC_9106_LOW_MEMORY.memory_cost // 1024,
    RFC_9106_LOW_MEMORY.time_cost,
    passwords.SHORTEST,
    passwords.LONGEST,
    sessions.IDLE_MINUTES,
    sessions.LONGEST_HOURS,
    guard.FORM_BYTES,
    limiting.SIGN_IN_HERE.amount,
    limiting.SIGN_IN_NAME.amount,
    limiting.SIGN_IN_KNOWN.amount,
    limiting.DID.amount,
    limiting.SAW.amount,
    limiting.VISITED.amount,
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_figures_are_those_of_the_code(page: Path) -> None:
    told = {
        int(figure.replace(",", ""))
        for figure in re.findall(r"(?<![\d.])\d[\d,]*", page.read_text("utf-8"))
    }
    assert set(FIGURES) <= told


def test_each_of_its_pictures_is_made_by_the_program() -> None:
    for page in PAGES:
        shown = set(re.findall(r"\]\((desk-[\w-]+)\.png\)", page.read_text("utf-8")))
        assert shown
        assert shown <= set(SHOTS)
    assert {path.stem for path in FOLDER.glob("desk-*.png")} == set(SHOTS)


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_is_as_large_as_its_screen_and_small_enough_for_a_page(name: str) -> None:
    content = (FOLDER / f"{name}.png").read_bytes()
    size = SIZE if SHOTS[name].phone else DESKTOP
    assert struct.unpack(">II", content[16:24]) == (size["width"], size["height"])
    assert len(content) <= MAX_BYTES
