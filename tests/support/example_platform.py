"""The platform of ``examples/platform``, as its files are: imported from where a reader would start them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.paths import ROOT
from tests.support.topics import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import Broker

PLATFORM = ROOT / "examples" / "platform"
CONTRACT = PLATFORM / "kerbwatch_platform" / "contract"


def module(name: str) -> Any:
    """One of the files, imported with the others beside it."""
    if str(PLATFORM) not in sys.path:
        sys.path.append(str(PLATFORM))
    return importlib.import_module(name)


@contextmanager
def example_platform(broker: Broker, database: Path) -> Iterator[None]:
    """The consumer, as it is started, at a broker; what it stores lies in a database."""
    program = [sys.executable, str(PLATFORM / "consumer.py"), broker.url, str(database)]
    running = subprocess.Popen([*program, "--topic", f"{PREFIX}/+/+/events"])
    try:
        yield
    finally:
        running.terminate()
        running.wait(60)
