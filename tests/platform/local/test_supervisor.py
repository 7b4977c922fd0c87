"""Programs that are kept running: real processes, killed as they would be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.local.supervisor import Program, Supervisor

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

SLEEPS = (sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()")


def ends_by_itself(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def stop_from_a_thread(condition: object) -> threading.Thread:
    """Send ourselves what Ctrl-C sends, once something holds."""

    def run() -> None:
        try:
            wait_until(condition)  # type: ignore[arg-type]
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_one_that_is_killed_is_started_again_and_whoever_watches_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with Supervisor(tmp_path, told.append) as running:
        running.start(Program("sleeper", SLEEPS))
        first = running.pid_of("sleeper")
        assert first is not None
        running.wait_until(lambda: "up" in running.tail_of("sleeper"), "sleeper")
        os.kill(first, signal.SIGKILL)
        thread = stop_from_a_thread(lambda: running.tail_of("sleeper").count("up") == 2)
        running.run()
        thread.join()
        assert running.pid_of("sleeper") not in {first, None}
    assert len(told) == 1
    assert told[0].startswith("sleeper ended (-9)")


def test_all_are_ended_together_in_their_order(tmp_path: Path) -> None:
    code = "import signal, sys; print('up', flush=True); signal.sigwait([signal.SIGTERM]); print(sys.argv[1], file=open('order', 'a'))"
    masked = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); {code}"
    with Supervisor(tmp_path, print) as running:
        for name, rank in (("database", 0), ("broker", 1), ("worker", 2), ("device", 3)):
            command = (sys.executable, "-c", masked, name)
            running.start(Program(name, command, rank=rank, folder=tmp_path))
            running.wait_until(lambda: "up" in running.tail_of(name), name)  # noqa: B023
    assert (tmp_path / "order").read_text("ascii").split() == [
        "device",
        "worker",
        "broker",
        "database",
    ]


def test_one_that_does_not_end_in_order_is_killed(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    told: list[str] = []
    with Supervisor(tmp_path, told.append) as running:
        running.start(Program("deaf", (sys.executable, "-c", deaf), patience_s=0.1))
        running.wait_until(lambda: "up" in running.tail_of("deaf"), "deaf")
        pid = running.pid_of("deaf")
    assert pid is not None
    assert ends_by_itself(pid)
    assert "is killed" in told[0]


def test_one_that_ends_before_it_is_ready_is_shown_with_the_end_of_what_it_said(
    tmp_path: Path,
) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no such table')")
    with Supervisor(tmp_path, print) as running:
        running.start(Program("web", command))
        with pytest.raises(DeskError, match=r"(?s)web did not start.*no such table"):
            running.wait_until(lambda: False, "web")


def test_those_whose_supervisor_is_killed_end_too(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from kerbwatch_platform.local.supervisor import Program, Supervisor
with Supervisor(Path({str(tmp_path)!r}), print) as running:
    running.start(Program("sleeper", {SLEEPS!r}))
    running.wait_until(lambda: "up" in running.tail_of("sleeper"), "sleeper")
    print(running.pid_of("sleeper"), flush=True)
    running.run()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as desk:
        assert desk.stdout is not None
        pid = int(desk.stdout.readline())
        desk.kill()
    wait_until(lambda: ends_by_itself(pid))
