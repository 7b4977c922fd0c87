"""./desk as somebody starts it: everything real, and the agent before its drawn street."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
import uuid
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from kerbwatch_platform.evidence import signing
from kerbwatch_platform.exports.fiware import on_street_parking, waste_containers
from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.local.postgresql_programs import programs
from kerbwatch_platform.web.queries.cases import CaseId
from kerbwatch_platform.web.queries.decisions import Verdict, judge

from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
BEGUN = (
    "SELECT 1 FROM evidence_named n JOIN evidence_file f USING (tenant, device, sha256)"
    " WHERE n.role = 'begin' AND f.state = 'verified'"
)
"""A picture of how a case began is here: devices send it when they are asked for it, and not before."""
LINK = re.compile(r"http://127\.0\.0\.1:\d+/first/\S+")


@pytest.fixture(autouse=True)
def _there_is_what_it_needs(place: Path, mosquitto: str) -> None:
    try:
        programs(place / "none", None, _never)
    except DeskError as error:
        pytest.skip(f"no PostgreSQL here (apt package postgresql): {error}")


def _never(line: str) -> None:
    raise DeskError(line)


class Desk:
    """One that runs; what it says is in a file."""

    def __init__(self, place: Path, port: int, *options: str) -> None:
        self.place, self.port = place, port
        self._said = place.parent / f"{place.name}.said"
        command = [sys.executable, "-m", "kerbwatch_platform", "desk", "--data", str(place)]
        with self._said.open("wb") as lines:
            self.process = subprocess.Popen(
                [*command, "--port", str(port), *options],
                stdout=lines,
                stderr=lines,
                cwd=ROOT,
                env={**os.environ, "KERBWATCH_LANGUAGE": "en", "PYTHONUNBUFFERED": "1"},
            )
        wait_until(lambda: "Ctrl-C ends it" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.said

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    @property
    def database(self) -> str:
        return f"host={self.place}/postgresql user=desk dbname=desk"

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(psycopg.connect(self.database)) as connection:
            return connection.execute(query.encode()).fetchall()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@contextmanager
def desk(place: Path, *options: str) -> Iterator[Desk]:
    running = Desk(place, free_port(), *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end()
        (place.parent / f"{place.name}.said").unlink()


def pids(folder: Path) -> set[int]:
    """Processes that were started for this folder."""
    found = set()
    for each in Path("/proc").glob("[0-9]*"):
        try:
            command = each.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in command:
            found.add(int(each.name))
    return found


def test_cases_with_redacted_pictures_are_there_and_stay_and_nothing_is_left_running(
    place: Path,
) -> None:
    with desk(place) as running:
        [link] = LINK.findall(running.said)
        assert httpx.get(link).status_code == 200
        wait_until(lambda: running.ask("SELECT 1 FROM case_now LIMIT 1"), 600)
        wait_until(lambda: running.ask("SELECT 1 FROM evidence_file WHERE kind = 'picture'"), 600)
        wait_until(lambda: running.ask(BEGUN), 600)
        with closing(psycopg.connect(running.database)) as connection:
            assert [each["name"]["value"] for each in waste_containers(connection).entities]
            assert [each["name"]["value"] for each in on_street_parking(connection).entities]
        cases = {case_id for (case_id,) in running.ask("SELECT case_id FROM case_now")}
        assert running.end() == 0
    wait_until(lambda: not pids(place))
    with desk(place, "--no-demo") as again:
        kept = {case_id for (case_id,) in again.ask("SELECT case_id FROM case_now")}
        assert cases <= kept


def test_a_verdict_of_the_desk_is_confirmed_by_its_device_whatever_sets_the_machine_s_clock(
    place: Path,
) -> None:
    with desk(place) as running:
        wait_until(lambda: running.ask("SELECT 1 FROM case_now LIMIT 1"), 600)
        settings = tomllib.loads((place / "settings.toml").read_text("utf-8"))
        key = signing.key(place / settings["signing_key_file"])
        verdict = Verdict(uuid.uuid4(), "valid", None, 0)
        with closing(psycopg.connect(running.database, autocommit=True)) as connection:
            [case] = running.ask("SELECT tenant, device, case_id FROM case_now LIMIT 1")
            judge(connection, key, CaseId(*case), verdict, account="zhangsan")
        answered = (
            "SELECT answer->>'status', answer->>'code' FROM outgoing WHERE answer IS NOT NULL"
        )
        wait_until(lambda: running.ask(answered), 120)
        assert running.ask(answered) == [("done", None)]
        assert running.end() == 0


def test_a_second_desk_on_the_folder_is_refused_and_the_first_goes_on(place: Path) -> None:
    with desk(place, "--no-demo") as running:
        second = subprocess.run(
            [sys.executable, "-m", "kerbwatch_platform", "desk", "--data", str(place)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KERBWATCH_LANGUAGE": "en"},
        )
        assert second.returncode == 1
        assert f"already runs on {place} (process {running.process.pid})" in second.stderr
        assert httpx.get(f"http://127.0.0.1:{running.port}/", follow_redirects=True).is_success
