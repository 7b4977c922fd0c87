"""The walls between the rooms hold: each is broken here on purpose, and the check sees it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.example_platform import CONTRACT
from tests.support.paths import HOUSES, ROOT

FLOORS = [
    row.split(" | ")
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    if contract["name"] == "agent, from the top down"
    for row in contract["layers"]
]
JUDGING = ("domain", "perception", "scenarios")
IMPURE = [
    "asyncio",
    "concurrent",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "queue",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "timeit",
    "urllib",
    "ctypes",
    "drivers.clock",
    "agent.storage.checksum",
    "agent.protocol.base",
    "agent.concurrency.backoff",
]
UPWARDS = [
    *(
        (f"agent.{lower}", f"agent.{upper}")
        for above, below in pairwise(FLOORS)
        for upper in above
        for lower in below
    ),
    *(
        (f"agent.{one}", f"agent.{other}")
        for floor in FLOORS
        for one in floor
        for other in floor
        if one != other
    ),
    ("agent.storage", "agent.telemetry"),
    ("agent.delivery", "agent.analysis"),
    ("agent.delivery", "agent.perception"),
    ("agent.runtime", "provisioning.console"),
    ("drivers.files", "agent.domain"),
    ("wording", "drivers.files"),
    ("provisioning.wording", "provisioning.console"),
    ("provisioning.commands", "provisioning.check"),
]
"""(who imports, what); each of them is forbidden."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code, to be spoilt."""
    for house in HOUSES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / house, tmp_path / house, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> str:
    """What the check of the imports says; without the places of wrapped lines."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert (done.returncode == 0) == ("0 broken" in told), told
    return re.sub(r"\s+", " ", told)


def spoil(tree: Path, module: str, line: str) -> None:
    """Put a line into a package's own file."""
    path = tree.joinpath(*module.split("."), "__init__.py")
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")


def test_the_walls_stand_as_the_tree_is(tree: Path) -> None:
    assert "0 broken" in lint(tree)


def test_no_room_imports_one_above_or_beside_it(tree: Path) -> None:
    for number, (lower, upper) in enumerate(UPWARDS):
        (tree / upper.replace(".", "/") / f"planted_{number}.py").write_text("")
        spoil(tree, lower, f"from {upper} import planted_{number}")
    told = lint(tree)
    for number, (lower, upper) in enumerate(UPWARDS):
        arrow = f"{lower} -> {upper}.planted_{number} "
        assert arrow in told, arrow


def test_types_alone_are_imports_too(tree: Path) -> None:
    spoil(
        tree,
        "agent.storage",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from agent.runtime import device",
    )
    assert "agent.storage -> agent.runtime.device" in lint(tree)


def test_a_room_that_is_not_named_fails(tree: Path) -> None:
    (tree / "agent" / "attic").mkdir()
    (tree / "agent" / "attic" / "__init__.py").write_text("")
    assert "attic" in lint(tree)


def test_the_platform_imports_nothing_of_the_device_and_no_room_above(tree: Path) -> None:
    shutil.copytree(CONTRACT.parent, tree / "kerbwatch_platform")
    for other in ("agent.domain", "drivers.clock", "provisioning.cli", "wording.harmless"):
        spoil(tree, "kerbwatch_platform.contract", f"import {other}")
    spoil(tree, "kerbwatch_platform.store", "from kerbwatch_platform import web")
    told = lint(tree)
    for other in ("agent.domain", "drivers.clock", "provisioning.cli", "wording.harmless"):
        assert f"kerbwatch_platform.contract -> {other} " in told, other
    assert "kerbwatch_platform.store -> kerbwatch_platform.web " in told


@pytest.mark.parametrize("room", JUDGING)
def test_judging_touches_no_clock_thread_file_network_process_or_log(tree: Path, room: str) -> None:
    for each in IMPURE:
        spoil(tree, f"agent.{room}", f"import {each}")
    told = lint(tree)
    for each in IMPURE:
        assert f"agent.{room} -> {each} " in told, each


def test_nor_through_others(tree: Path) -> None:
    spoil(tree, "agent.domain", "from wording import harmless")
    path = tree / "wording" / "harmless.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nimport sqlite3\n", encoding="utf-8")
    told = lint(tree)
    assert "agent.domain is not allowed to import sqlite3" in told
    assert "wording.harmless -> sqlite3" in told


@pytest.mark.parametrize("room", JUDGING)
@pytest.mark.parametrize(
    ("imported", "call"),
    [
        ("from datetime import datetime, UTC", "datetime.now(UTC)"),
        ("import datetime", "datetime.datetime.utcnow()"),
        ("from datetime import date", "date.today()"),
        ("import cv2", "cv2.imread('x')"),
        ("import numpy as np", "np.load('x')"),
        ("import cv2", "cv2.getTickCount()"),
        ("import uuid", "uuid.uuid4()"),
        ("import sys", "sys.stderr.write('x')"),
        ("", "print('x')"),
    ],
)
def test_judging_asks_no_clock_and_opens_no_file_without_an_import(
    room: str, imported: str, call: str
) -> None:
    def found(file: str) -> bool:
        command = ["ruff", "check", "--select", "TID251,T20", "--stdin-filename", file, "-"]
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            input=f"{imported}\n{call}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        return "TID251" in done.stdout or "T201" in done.stdout

    assert found(f"agent/{room}/planted.py")
    assert not found("agent/runtime/planted.py")


def test_every_logger_is_named_after_its_module_so_that_one_configuration_governs_all() -> None:
    other = [
        f"{path.relative_to(ROOT)}: {name}"
        for house in HOUSES
        for path in (ROOT / house).rglob("*.py")
        for name in re.findall(r"getLogger\((.*?)\)", path.read_text(encoding="utf-8"))
        if name != "__name__"
    ]
    assert other == []


def test_what_is_installed_imports_nothing_that_is_not(tree: Path) -> None:
    for number, each in enumerate(
        ("tests.support.paths", "training.datasets", "benchmarks.machine")
    ):
        spoil(
            tree,
            ("agent.runtime", "drivers.files", "provisioning.console")[number],
            f"import {each}",
        )
    told = lint(tree)
    for each in ("tests", "training", "benchmarks"):
        assert f"-> {each} " in told, each
