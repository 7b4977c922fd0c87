"""The page of commands, typed as it stands there, with a device at the other end."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from agent.config.authorities import AuthoritySection
from agent.identity.authorities import authorities_of
from agent.storage.case_notes import notes_in
from agent.storage.case_table import save_case
from tests.support.cases import OPEN_CASE
from tests.support.delivering_device import uplink_of
from tests.support.example_platform import CONTRACT, PLATFORM
from tests.support.housekeeping import housekeeping_of
from tests.support.page_blocks import blocks, commands
from tests.support.paths import ROOT
from tests.support.state_folder import StateFolder
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.broker import Broker

CASE = "019b7748-8500-7f44-bb3c-d2bb19620535"
REVIEWER = AuthoritySection.model_validate({"role": "reviewer", "key_file": "reviewer.pem"})


@contextmanager
def device(broker: Broker, folder: Path) -> Iterator[StateFolder]:
    """The device of the pages, with their case, whose site names the reviewer's key of the folder."""
    (folder / "state").mkdir()
    state = StateFolder(folder / "state")
    state.clock.step(datetime.now(UTC))
    case = dataclasses.replace(OPEN_CASE, case_id=CASE, place_id=CASE)
    state.database.write(lambda connection: save_case(connection, case)).result()
    housekeeping = housekeeping_of(state, folder)
    uplink = uplink_of(
        broker.settings(),
        state.database,
        state.outbox,
        state.clock,
        tenant="example-city",
        device="example-corner",
        handlers=housekeeping.handlers,
        record=housekeeping.record_order,
        authorities=authorities_of([REVIEWER], folder),
    )
    stop = threading.Event()
    thread = threading.Thread(target=uplink.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: "state" in uplink.figures.codes)
        yield state
    finally:
        stop.set()
        thread.join()
        state.database.close()


def typed_as_on(page: str, mark: str, folder: Path, port: int = 1883) -> None:
    """Each command of a page's blocks prints what the page shows; their broker is that of the test."""
    told = [each for name, text in blocks(mark) if name == page for each in commands(text)]
    assert told
    for command, expected in told:
        line = command.replace("python ", f"{sys.executable} ", 1).replace(":1883", f":{port}")
        done = subprocess.run(
            line, shell=True, cwd=folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr, done.stdout) == (0, "", expected), command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader types."""
    made = tmp_path / "reader"
    made.mkdir()
    for each in ("examples", "contract"):
        (made / each).symlink_to(ROOT / each)
    return made


@pytest.mark.parametrize("page", ["commands.md", "commands.zh-CN.md"])
def test_the_verifier_tries_the_published_vectors_as_the_page_shows(
    page: str, folder: Path
) -> None:
    typed_as_on(page, "console verifies", folder)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["commands.md", "commands.zh-CN.md"])
def test_a_plain_and_a_signed_command_are_answered_as_the_page_shows(
    page: str, start_broker: Callable[..., Broker], folder: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("the page of commands is NOT run here: there is no openssl")
    broker = start_broker(tls=False)
    typed_as_on(page, "console keys", folder, broker.port)
    with device(broker, folder) as state:
        typed_as_on(page, "console orders", folder, broker.port)
        found = notes_in(state.database, CASE).verdict
    assert found is not None
    assert found.verdict == "valid"


def test_the_signer_is_short_and_uses_nothing_of_ours() -> None:
    text = (CONTRACT / "sign.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert "from agent" not in text


@pytest.mark.parametrize(
    ("program", "given"),
    [
        (PLATFORM / "command.py", []),
        (PLATFORM / "command.py", ["mqtt://localhost:1", "city", "corner", "{"]),
        (PLATFORM / "command.py", ["somewhere", "city", "corner", "{}"]),
        (CONTRACT / "sign.py", []),
        (CONTRACT / "sign.py", ["nowhere.key", "city", "corner", "{}"]),
    ],
)
def test_what_cannot_be_sent_or_signed_is_refused_in_words(program: Path, given: list[str]) -> None:
    command = [sys.executable, str(program), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert program.name in done.stderr or done.stderr.startswith("not s")
