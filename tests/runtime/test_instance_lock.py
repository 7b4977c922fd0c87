"""One agent per state folder: the second is refused in words, and nobody leaves another user's files behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.runtime.instance_lock import ForeignStateError, NotAloneError, alone, refuse_foreign
from agent.telemetry.status_file import FILE
from drivers.files.folder_lock import Holder, holder_of, lock_folder
from provisioning.cli import main
from tests.support.paths import ROOT
from tests.support.red_bike_model import write_model
from tests.support.sites import standing_bike_site, write_site
from tests.support.waiting import wait_until

Start = Callable[..., subprocess.Popen[str]]
RUNNING = ("agent",), ("provisioning.cli", "run")
"""Both ways in which an agent is started."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_model(tmp_path / "models")
    return write_site(tmp_path, standing_bike_site())


@pytest.fixture
def start(site: Path) -> Iterator[Start]:
    """Start ``python -m MODULE … SITE``; whatever still runs at the end is ended."""
    started: list[subprocess.Popen[str]] = []

    def run(*module: str, language: str = "en", **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *module, str(site)],
            env={
                **os.environ,
                "KERBWATCH_MODELS": str(site / "models"),
                "KERBWATCH_LANGUAGE": language,
            },
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=120)


def up(site: Path) -> None:
    wait_until((site / "run" / FILE).exists)


@pytest.mark.slow
@pytest.mark.parametrize("first", RUNNING)
@pytest.mark.parametrize("second", RUNNING)
def test_a_second_agent_is_refused_and_told_who_is_there(
    site: Path, start: Start, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    running = start(*first)
    up(site)
    before = (site / "state" / "recovery.json").read_bytes()
    for language, words in (("en", "Only one agent"), ("zh_CN", "只能有一个")):
        refused = start(*second, language=language if second != ("agent",) else "en")
        _, told = refused.communicate(timeout=120)
        assert refused.returncode == 1
        assert f"{running.pid}" in told
        assert "kerbwatch watch" in told
        assert words in told or second == ("agent",)
        assert "Traceback" not in told
    assert (site / "state" / "recovery.json").read_bytes() == before
    assert running.poll() is None


@pytest.mark.slow
def test_whatever_became_of_the_one_before_the_next_one_starts(site: Path, start: Start) -> None:
    killed = start("agent")
    up(site)
    killed.kill()
    killed.wait(120)
    (site / "run" / FILE).unlink()
    again = start("provisioning.cli", "run")
    up(site)
    again.send_signal(signal.SIGTERM)
    assert again.wait(120) == 0


@pytest.mark.slow
def test_what_cannot_be_done_beside_an_agent_is_refused(site: Path, start: Start) -> None:
    running = start("agent")
    up(site)
    (site / "run" / FILE).unlink()  # one that says nothing is there all the same
    environment = {"KERBWATCH_LANGUAGE": "en", "KERBWATCH_MODELS": str(site / "models")}
    for words in (
        ["decommission", str(site), "--confirm", "corner-7"],
        ["replay", str(site), "--state", str(site / "state"), "--until", "1"],
    ):
        done = CliRunner(env=environment).invoke(main, words)
        assert done.exit_code == 1, done.output
        assert str(running.pid) in done.output, words
    assert (site / "state" / "kerbwatch.sqlite3").exists()


def test_a_lock_ends_with_its_block_and_names_its_process(tmp_path: Path) -> None:
    with alone(tmp_path):
        holder = holder_of(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()
        with pytest.raises(NotAloneError, match=str(os.getpid())), alone(tmp_path):
            pass
    assert holder_of(tmp_path) is None
    with alone(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_where_the_state_cannot_be_had_what_stands_in_for_it_is_locked(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with alone(tmp_path / "gone", tmp_path / "run"), pytest.raises(BlockingIOError):
        lock_folder(tmp_path / "run")
    with alone(tmp_path / "gone"):  # nothing can be locked: watching goes on
        pass


def test_the_unit_of_a_process_is_named(tmp_path: Path) -> None:
    status = tmp_path.stat()
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    locks = tmp_path / "locks"
    locks.write_text(
        f"1: POSIX  ADVISORY  WRITE 7 {place} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 4242 {place} 0 EOF\n"
        f"2: -> FLOCK  ADVISORY  WRITE 4243 {place} 0 EOF\n",
        encoding="ascii",
    )
    process = tmp_path / "4242"
    process.mkdir()
    (process / "comm").write_text("python\n")
    (process / "cgroup").write_text("0::/system.slice/kerbwatch.service\n")
    assert holder_of(tmp_path, locks, tmp_path) == Holder(4242, "python", "kerbwatch.service")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.slow
@pytest.mark.parametrize("module", RUNNING)
def test_root_leaves_no_file_of_its_own_in_anothers_state(
    site: Path, start: Start, module: tuple[str, ...]
) -> None:
    state = site / "state"
    state.mkdir()
    os.chown(state, 12345, 12345)
    refused = start(*module)
    _, told = refused.communicate(timeout=120)
    assert refused.returncode == 1
    assert "belongs to 12345" in told
    assert "sudo -u 12345" in told
    assert list(state.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_who_may_not_write_the_state_is_told_so_and_its_owner_is_not() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        state = Path(folder, "state")
        state.mkdir(mode=0o700)
        os.chown(state, 12345, 12345)
        refuse_foreign(Path(folder, "none"))
        for user, allowed in ((0, False), (12346, False), (12345, True)):
            os.seteuid(user)
            try:
                with nullcontext() if allowed else pytest.raises(ForeignStateError):
                    refuse_foreign(state)
            finally:
                os.seteuid(0)
