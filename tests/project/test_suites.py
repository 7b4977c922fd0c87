"""What ``./check`` runs: every test is in the plain run or in one suite, and ``--all`` is both."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SLOW = "slow"


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "check", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def run_by(*arguments: str) -> list[str]:
    """The command line that a call of check would end with."""
    done = check("--dry-run", *arguments)
    assert done.returncode == 0, done.stderr
    return shlex.split(done.stdout)


def chosen_by(*arguments: str) -> str:
    """The expression over markers by which a call of check chooses tests; empty: it takes them all."""
    command = run_by(*arguments)
    pytest_at = command.index("pytest") + 1
    options = dict(zip(command[pytest_at:], command[pytest_at + 1 :], strict=False))
    return options.get("-m", "")


def takes(expression: str, marks: set[str]) -> bool:
    """Whether pytest would run a test with such marks."""
    if not expression:
        return True
    words = re.findall(r"\w+", expression)
    assert set(words) - {"and", "or", "not"} <= {SLOW, *suites()}, expression
    return bool(eval(expression, {word: word in marks for word in words}))  # ours, of names alone


def suites() -> list[str]:
    """Those that the help names."""
    told = check("--help").stdout
    listed = told[told.index("--suite NAME") : told.index("--all  ")]
    return re.findall(r"^ {20}(\w+) ", listed, re.MULTILINE)


def test_every_test_is_in_the_plain_run_or_in_one_suite_and_all_runs_every_one() -> None:
    assert len(suites()) >= 3
    everything = chosen_by("--all")
    for suite, slow in product([None, *suites()], [False, True]):
        marks = ({suite} if suite else set()) | ({SLOW} if slow else set())
        runs = [each for each in suites() if takes(chosen_by("--suite", each), marks)]
        assert runs == ([suite] if suite else [])
        assert takes(chosen_by(), marks) == (suite is None)
        assert takes(chosen_by("--fast"), marks) == (suite is None and not slow)
        assert takes(everything, marks)


def test_each_suite_is_a_marker_and_each_marker_but_slow_a_suite() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    told = re.findall(r'^  "(\w+): a suite; ', text, re.MULTILINE)
    assert sorted(told) == sorted(suites())
    ours = re.findall(r"pytest\.mark\.(\w+)", _all_tests())
    known = {"parametrize", "skipif", "usefixtures", "filterwarnings"}
    assert set(ours) - known == {SLOW, *suites()}


def _all_tests() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/*.py"))


@pytest.mark.slow
def test_a_test_that_is_in_two_suites_stops_the_run(tmp_path: Path) -> None:
    file = tmp_path / "test_both.py"
    marks = "".join(f"@pytest.mark.{name}\n" for name in suites()[:2])
    file.write_text(f"import pytest\n\n{marks}def test_both() -> None: ...\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest"]
    done = subprocess.run(
        [*command, "--collect-only", file], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_both is in more than one suite" in done.stderr


def test_what_cannot_be_meant_is_refused_at_once() -> None:
    for arguments, complaint in (
        (["--suite", "nonsense"], "there is no suite 'nonsense'; there are: booted"),
        (["--suite"], "--suite needs a name; there are: booted"),
        (["--fast", "--all"], "--fast and --all do not go together"),
        (["--suite=booted", "--faults"], "--suite and --faults do not go together"),
        (["--all=yes"], "there is no option '--all=yes'"),
        (["--faults=some"], "--faults or --faults=full"),
    ):
        done = check(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert complaint in done.stderr


def test_a_file_that_is_named_is_run_whole_whatever_suite_its_tests_are_in() -> None:
    file = "tests/project/test_arm64.py"
    assert run_by(file)[1:] == ["-m", "pytest", file]
    assert run_by("--faults=full", "--seed", "7")[1:] == [
        *("-m", "tests.faults", "--size", "full"),
        *("--seed", "7"),
    ]
