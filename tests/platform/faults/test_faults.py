"""The short part of the platform's fault suite, and the suite's own promises."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.page import between
from tests.faults.suite import SIZES, BrokenError, Run
from tests.faults.table import Line, table
from tests.platform.faults.page import PAGES, listing, proofs
from tests.platform.faults.proofs import PROOFS, judged
from tests.platform.faults.server import Server
from tests.platform.faults.suite import Fault, Found, faults
from tests.platform.faults.workers import run_command, write_settings
from tests.support.programs import MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT = [each for each in faults() if each.counts["short"]]


@pytest.mark.faults
@pytest.mark.parametrize("fault", SHORT, ids=[each.name for each in SHORT])
def test_every_promise_is_proven_by_sql_after(fault: Fault) -> None:
    folder = Path(tempfile.mkdtemp(prefix="kerbwatch-faults-"))
    print(f"again: python -m tests.platform.faults --size short {fault.name}")
    try:
        fault.run("short", 1, folder)
    except MissingError as error:
        pytest.skip(str(error))
    finally:
        shutil.rmtree(folder)


def test_every_fault_says_what_it_promises_and_strikes_more_often_the_larger_the_size() -> None:
    for each in faults():
        assert each.promise, each.name
        counts = [each.counts[size] for size in SIZES]
        assert counts == sorted(counts), each.name
        assert counts[-1] > 0, each.name


def test_a_promise_that_is_not_kept_is_no_pass(tmp_path: Path) -> None:
    def strike(run: Run) -> Found:
        return Found(run.times, 1, 1, 0, 0, 0, [], {"every event is there once": ["corner-1 e 2"]})

    bad = Fault("bad", {"short": 1, "reduced": 1, "full": 1}, (), strike)
    with pytest.raises(BrokenError, match="every event is there once: corner-1 e 2"):
        bad.run("short", 1, tmp_path)


def test_what_cannot_be_done_here_is_shown_as_skipped_never_as_held(tmp_path: Path) -> None:
    def strike(run: Run) -> Found:
        raise AssertionError(run)

    never = Fault("never", {"short": 1, "reduced": 1, "full": 1}, ("no-such-tool",), strike)
    with pytest.raises(MissingError, match="no-such-tool"):
        never.run("short", 1, tmp_path)
    shown = table([Line(never, 1, skipped="no no-such-tool here")])
    assert "SKIPPED: no no-such-tool here" in shown
    assert "held" not in shown


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("platform")
    try:
        server = Server()
    except MissingError as error:
        pytest.skip(f"no PostgreSQL here (apt package postgresql): {error}")
    with server:
        run_command(write_settings(folder, server.database, "mqtt://127.0.0.1"), "migrate")
        yield server.database


def test_each_proof_reads_the_tables_of_this_version_and_finds_nothing_in_empty_ones(
    database: str,
) -> None:
    found = judged(database, [], ahead=[], receipts=0, times=1, recover_s=[])
    assert found.broken == {}
    assert found.events == 0


def test_a_receipt_that_was_ahead_breaks_its_promise(database: str) -> None:
    found = judged(database, [], ahead=["corner-1 e 7-7"], receipts=1, times=1, recover_s=[])
    assert found.broken == {"no receipt was ahead of the store": ["corner-1 e 7-7"]}


@pytest.mark.parametrize("language", PAGES)
def test_the_page_lists_the_faults_and_the_proofs_of_the_suite(language: str) -> None:
    text = PAGES[language].read_text(encoding="utf-8")
    told = "bring it up to date: python -m tests.platform.faults.page"
    assert between(text, "faults") == listing(language), told
    assert between(text, "proofs") == proofs(language), told


def test_the_page_tells_of_no_fault_that_does_not_exist() -> None:
    text = PAGES["en"].read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
    assert named == {each.name for each in faults()}


def test_a_seed_gives_the_same_strikes_alone_and_among_others(tmp_path: Path) -> None:
    seen: list[float] = []

    def strike(run: Run) -> Found:
        seen.append(run.random.random())
        return Found(run.times, 0, 0, 0, 0, 0, [])

    one = Fault("one", {"short": 1, "reduced": 1, "full": 1}, (), strike)
    for state, size, seed in ((5, "short", 7), (6, "full", 7), (6, "full", 8)):
        random.seed(state)
        one.run(size, seed, tmp_path)  # type: ignore[arg-type]
    assert seen[0] == seen[1] != seen[2]


def test_every_proof_has_a_promise_of_its_own() -> None:
    assert len(set(PROOFS.values())) == len(PROOFS) > 8
