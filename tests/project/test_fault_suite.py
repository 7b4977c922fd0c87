"""The short part of the fault suite, and the suite's own promises; see ``tests/faults``."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from tests.faults.page import PAGE, between, listing
from tests.faults.suite import SIZES, BrokenError, Fault, Outcome, Run, faults
from tests.faults.table import Line, document, table
from tests.support.paths import ROOT
from tests.support.programs import MissingError

SHORT = [
    pytest.param(
        each,
        id=each.name,
        marks=pytest.mark.booted if each.group == "units" else pytest.mark.faults,
    )
    for each in faults()
    if each.counts["short"]
]


@pytest.mark.parametrize("fault", SHORT)
def test_everything_is_delivered_or_named_as_lost_after(fault: Fault, tmp_path: Path) -> None:
    seed = 1
    print(f"again: python -m tests.faults --size short --seed {seed} {fault.name}")
    try:
        fault.run("short", seed, tmp_path)
    except MissingError as error:
        pytest.skip(str(error))


def test_every_fault_says_what_it_promises_and_strikes_more_often_the_larger_the_size() -> None:
    for each in faults():
        assert each.promise, each.name
        counts = [each.counts[size] for size in SIZES]
        assert counts == sorted(counts), each.name
        assert counts[-1] > 0, each.name


def test_a_seed_gives_the_same_strikes_alone_and_among_others(tmp_path: Path) -> None:
    seen: list[float] = []

    def strike(run: Run) -> Outcome:
        seen.append(run.random.random())
        return Outcome(run.times)

    one = Fault("one", "g", {"short": 1, "reduced": 1, "full": 1}, (), strike)
    random.seed(5)
    one.run("short", 7, tmp_path)
    random.seed(6)
    one.run("full", 7, tmp_path)
    one.run("full", 8, tmp_path)
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(1, unexplained_gaps=1),
        Outcome(1, conflicts=2),
        Outcome(1, double_cases=1),
    ],
)
def test_an_outcome_that_breaks_the_criterion_is_no_pass(outcome: Outcome, tmp_path: Path) -> None:
    bad = Fault("bad", "g", {"short": 1, "reduced": 1, "full": 1}, (), lambda _: outcome)
    with pytest.raises(BrokenError, match=r"\d"):
        bad.run("short", 1, tmp_path)


def test_what_cannot_be_done_here_is_shown_as_skipped_never_as_held(tmp_path: Path) -> None:
    never = Fault("never", "g", {"short": 1, "reduced": 1, "full": 1}, ("no-such-tool",), Outcome)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match="no-such-tool"):
        never.run("short", 1, tmp_path)
    line = Line(never, 1, skipped=never.missing())
    assert "SKIPPED: no no-such-tool here" in table([line])
    assert "held" not in table([line])
    [told] = json.loads(document([line], "here", "short"))["faults"]
    assert told["result"] == "skipped"


def test_the_page_lists_the_faults_of_the_suite() -> None:
    listed = between(PAGE.read_text(encoding="utf-8"), "faults")
    assert listed == listing(), "bring it up to date: python -m tests.faults.page"


def test_the_page_on_delivery_names_only_faults_and_tests_that_exist() -> None:
    text = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
    known = {each.name for each in faults()}
    named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", text))
    assert named <= known, named - known
    delivering = {"broker", "network", "delivery", "receipts", "rights", "tls", "cluster"}
    ours = [each.name for each in faults() if each.group in delivering]
    assert [name for name in ours if f"`{name}`" not in text] == []
    written = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py"))
    tests = re.findall(r"`(test_[a-z0-9_]+)`", text)
    assert tests
    assert [each for each in tests if f"def {each}(" not in written] == []
