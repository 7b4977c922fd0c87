"""The log holds a line a record, whatever was said, and no more of them than somebody can keep."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.runtime.log_format import (
    MAX_AT_ONCE,
    MAX_CHARACTERS,
    THEN_EVERY_S,
    LogRateLimit,
    OneLine,
)
from tests.support.broker import Broker
from tests.support.delivering_device import Device
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_EVIL = "x\nERROR agent.delivery.uplink: forged\x1b[2J\u202e\x9b"


@pytest.fixture
def log() -> Iterator[Callable[[], str]]:
    """What the agent's handler writes of everything that is logged meanwhile."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(OneLine("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(LogRateLimit())
    root = logging.getLogger()
    root.addHandler(handler)
    yield written.getvalue
    root.removeHandler(handler)


def assert_harmless(text: str) -> None:
    assert not [each for each in text.replace("\n", "") if not each.isprintable()]
    assert "\nERROR agent.delivery.uplink: forged" not in text


def fail(text: str) -> None:
    raise ValueError(text)


def test_a_record_is_one_short_line(log: Callable[[], str]) -> None:
    logging.getLogger("tests.one").warning("%s and %s", _EVIL, "y" * 100_000)
    [line] = log().splitlines()
    assert line.startswith(
        "WARNING tests.one: x\\nERROR agent.delivery.uplink: forged\\x1b[2J\\u202e\\x9b and y"
    )
    assert len(line) < MAX_CHARACTERS + 100
    assert_harmless(log())


def test_no_line_of_a_traceback_looks_like_a_record(log: Callable[[], str]) -> None:
    try:
        fail(_EVIL + "z" * 3000)
    except ValueError:
        logging.getLogger("tests.two").exception("it failed")
    first, *others = log().splitlines()
    assert first == "ERROR tests.two: it failed"
    assert all(line.startswith("  | ") and len(line) < MAX_CHARACTERS + 10 for line in others)
    assert "test_log_format.py" in log()
    assert_harmless(log())


def test_what_ends_a_thread_is_logged_harmlessly() -> None:
    """In a process of its own: the tests' own log is left as it is."""
    program = (
        "import threading; from agent.runtime import log_format; log_format.begin();"
        f" thread = threading.Thread(target=int, args=({_EVIL!r},), name={_EVIL!r});"
        " thread.start(); thread.join()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    first, *others = ran.stderr.splitlines()
    assert first.startswith(
        "CRITICAL agent.runtime.log_format: the thread x\\nERROR agent.delivery.uplink: forged"
    )
    assert others
    assert all(line.startswith("  | ") for line in others)
    assert_harmless(ran.stderr)


def test_one_logger_writes_so_much_and_says_what_it_left_out() -> None:
    now_s = 0.0
    sparing = LogRateLimit(lambda: now_s)

    def record(name: str) -> logging.LogRecord:
        return logging.LogRecord(name, logging.INFO, "", 0, "told %s", ("it",), None)

    assert sum(sparing.filter(record("loud")) for _ in range(MAX_AT_ONCE + 900)) == MAX_AT_ONCE
    assert sparing.filter(record("another")), "one that is loud silences nobody else"
    now_s += THEN_EVERY_S
    next_one = record("loud")
    assert sparing.filter(next_one)
    assert next_one.getMessage() == "(900 more were left out) told it"
    assert not sparing.filter(record("loud"))
    now_s += 1e6
    assert sum(sparing.filter(record("loud")) for _ in range(1000)) == MAX_AT_ONCE


@pytest.mark.slow
def test_whatever_a_platform_names_the_log_stays_short_and_harmless(
    broker: Broker, tmp_path: Path, log: Callable[[], str]
) -> None:
    with broker.platform() as platform, Device(tmp_path, broker.settings()) as device:
        device.connect()
        wait_until(lambda: platform.events)
        for number in range(1500):
            key = f"{number}{_EVIL}".encode("unicode_escape").decode().replace("\\x", "\\u00")
            order = '"contract": 2, "command": "pace", "command_id": "c", "backlog_events_per_s": 1'
            platform.say("commands", f'{{{order}, "{key}{"k" * 3000}": 1}}')
        wait_until(lambda: device.uplink.figures.refused == 1500)
        told = device.uplink.figures.health.last_refused or ""
        assert "1499x\\nERROR" in told
        assert_harmless(told)
        assert "\n" not in told
    assert_harmless(log())
    assert len(log()) < 60_000


@pytest.mark.parametrize(
    "logger", ["agent.delivery.downlink", "agent.delivery.uplink", "agent.capture.camera_reader"]
)
def test_many_threads_may_log_at_once(log: Callable[[], str], logger: str) -> None:
    def many() -> None:
        for _ in range(99):
            logging.getLogger(logger).error("a\nb")

    threads = [threading.Thread(target=many) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert log().splitlines() == [f"ERROR {logger}: a\\nb"] * MAX_AT_ONCE
