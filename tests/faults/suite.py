"""What a fault is, and what has to hold after it.

The criterion is the same everywhere: every sequence number was delivered or is named in a loss
report, and nothing came twice that its ``event_id`` does not absorb. A fault that finds otherwise
says so in its :class:`Outcome`; whatever else it promises it checks with :func:`require`.
"""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import random
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from tests.support.programs import MissingError, program

MEMORY_GROUPS = (Path("/sys/fs/cgroup/memory"),)
"""Where the kernel's memory controller is, of the first version of control groups."""
Size = Literal["short", "reduced", "full"]
SIZES: tuple[Size, ...] = ("short", "reduced", "full")


class BrokenError(AssertionError):
    """A promise was broken."""


def require(condition: object, promise: str) -> None:
    """Stop here if a promise does not hold."""
    if not condition:
        raise BrokenError(promise)


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 120) -> float:
    """Wait for something that is bound to happen.

    Returns:
        How long it took, in seconds. It decides nothing.
    """
    began_s = time.monotonic()
    while not condition():
        require(time.monotonic() - began_s < timeout_s, f"within {timeout_s:g} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - began_s


@dataclass(frozen=True, slots=True)
class Run:
    """What a fault is given.

    Attributes:
        times: How often it is to strike.
        random: Seeded; everything that varies comes from it.
        folder: Empty, and the fault's own; kept if a promise is broken.
        progress: Called after each strike.
    """

    times: int
    random: random.Random
    folder: Path
    progress: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault found.

    Attributes:
        times: How often it struck.
        sent: How many events the device had accepted.
        lost: How many of them are named in loss reports.
        unexplained_gaps: How many were neither delivered nor named: must be 0.
        duplicates_absorbed: How many came again and were known by their ``event_id``.
        conflicts: How many came under the number of another event: must be 0.
        double_cases: How many street problems have more than one open case: must be 0.
        recover_s: How long each return took.
        notes: What else there is to say, in a few words.
    """

    COLUMNS: ClassVar[Mapping[str, str]] = {
        "times": "times",
        "sent": "sent",
        "lost": "lost",
        "gaps": "unexplained_gaps",
        "duplicates": "duplicates_absorbed",
    }

    times: int
    sent: int = 0
    lost: int = 0
    unexplained_gaps: int = 0
    duplicates_absorbed: int = 0
    conflicts: int = 0
    double_cases: int = 0
    recover_s: list[float] = field(default_factory=list)
    notes: str = ""

    @property
    def broken(self) -> str:
        """Which promises were not kept; empty: all were."""
        counts = {
            "unexplained gaps": self.unexplained_gaps,
            "conflicts": self.conflicts,
            "double cases": self.double_cases,
        }
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: ``short``, ``reduced`` and ``full`` say how often; 0: not at that size."""

    name: str
    group: str
    counts: dict[Size, int]
    needs: tuple[str, ...]
    strike: Callable[[Run], Outcome]
    found: ClassVar[type[Outcome]] = Outcome

    @property
    def labels(self) -> dict[str, str]:
        """What it is known by in a table."""
        return {"fault": self.name, "group": self.group}

    @property
    def promise(self) -> str:
        """The first line of its docstring."""
        return (self.strike.__doc__ or "").strip().partition("\n")[0]

    def missing(self) -> str:
        """What this machine lacks for it; empty: nothing."""
        return ", ".join(filter(None, map(_lacking, self.needs)))

    def run(
        self, size: Size, seed: int, folder: Path, progress: Callable[[], object] = lambda: None
    ) -> Outcome:
        """Let it strike, from its own seed: alone it does what it does among others.

        Raises:
            MissingError: It cannot be done here.
            BrokenError: A promise was broken.
        """
        if reason := self.missing():
            raise MissingError(reason)
        own = random.Random(f"{seed}:{self.name}")
        outcome = self.strike(Run(self.counts[size], own, folder, progress))
        require(not outcome.broken, outcome.broken)
        return outcome


_registry: dict[str, Fault] = {}


def fault(
    name: str,
    *,
    group: str,
    short: int,
    reduced: int,
    full: int,
    needs: tuple[str, ...] = (),
) -> Callable[[Callable[[Run], Outcome]], Callable[[Run], Outcome]]:
    """Make the function below a fault of the suite.

    Args:
        name: What it is called on the command line.
        group: What it belongs to.
        short: How often in ``./check --suite faults`` (in ``--suite booted`` what boots); 0: not there.
        reduced: How often in ``./check --faults``.
        full: How often in ``./check --faults=full``.
        needs: Commands that it starts, or ``root``, ``netns``, ``loop`` or ``memcg``.
    """

    def register(strike: Callable[[Run], Outcome]) -> Callable[[Run], Outcome]:
        if name in _registry:
            raise ValueError(f"two faults are called {name}")
        counts: dict[Size, int] = {"short": short, "reduced": reduced, "full": full}
        _registry[name] = Fault(name, group, counts, needs, strike)
        return strike

    return register


def faults() -> list[Fault]:
    """Every fault, by group and in the order of its module."""
    package = importlib.import_module("tests.faults")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "__main__":
            importlib.import_module(f"tests.faults.{module.name}")
    return list(_registry.values())


def _lacking(need: str) -> str:
    if need == "root":
        return "" if os.geteuid() == 0 else "needs root"
    if need in {"netns", "loop", "memcg"}:
        return "" if _can(need) else f"{need} not allowed here"
    with suppress(MissingError):
        program(need)
        return ""
    return f"no {need} here"


@functools.cache
def _can(need: str) -> bool:
    """Whether this machine lets us make a network namespace, or has loop devices or memory groups."""
    if os.geteuid() != 0:
        return False
    if need == "memcg":
        return any(folder.is_dir() for folder in MEMORY_GROUPS)
    if need == "loop":
        return Path("/dev/loop-control").exists()
    try:
        done = subprocess.run([program("unshare"), "-n", "true"], capture_output=True, check=False)
    except MissingError:
        return False
    return done.returncode == 0
