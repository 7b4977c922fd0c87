"""What a fault of the platform is, and what SQL has found after it."""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from tests.faults.suite import Run, Size, require
from tests.support.programs import MissingError, program

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Found:
    """What the proofs have found; those in ``broken`` must find nothing.

    Attributes:
        times: How often the fault struck.
        events: How many events the platform has.
        numbers: Under how many numbers.
        named: How many numbers loss reports name.
        conflicts: How many events came under the number of another one.
        receipts: How many receipts were held against the store as they came.
        recover_s: How long each return took, until all that the devices had accepted was stored.
        broken: Proof → the first rows that it found.
        notes: What else there is to say.
    """

    COLUMNS: ClassVar[Mapping[str, str]] = {
        each: each for each in ("times", "events", "numbers", "named", "conflicts", "receipts")
    }

    times: int
    events: int
    numbers: int
    named: int
    conflicts: int
    receipts: int
    recover_s: list[float]
    broken: dict[str, list[str]] = field(default_factory=dict)
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; ``counts`` say how often it strikes at each size, 0: not at that size."""

    name: str
    counts: dict[Size, int]
    needs: tuple[str, ...]
    strike: Callable[[Run], Found]
    found: ClassVar[type[Found]] = Found

    @property
    def labels(self) -> dict[str, str]:
        """What it is known by in a table."""
        return {"fault": self.name}

    @property
    def promise(self) -> str:
        """The first line of its docstring."""
        return (self.strike.__doc__ or "").strip().partition("\n")[0]

    def run(
        self, size: Size, seed: int, folder: Path, progress: Callable[[], object] = lambda: None
    ) -> Found:
        """Let it strike, from its own seed.

        Raises:
            MissingError: It cannot be done here.
            BrokenError: A promise was broken.
        """
        for each in self.needs:
            program(each)
        own = random.Random(f"{seed}:{self.name}")
        found = self.strike(Run(self.counts[size], own, folder, progress))
        told = "; ".join(f"{name}: {', '.join(rows)}" for name, rows in found.broken.items())
        require(not told, told)
        return found


_registry: dict[str, Fault] = {}


def fault(
    name: str, *, short: int, reduced: int, full: int, needs: tuple[str, ...] = ("mosquitto",)
) -> Callable[[Callable[[Run], Found]], Callable[[Run], Found]]:
    """Make the function below a fault of the suite.

    Args:
        name: What it is called on the command line.
        short: How often in ``./check --suite faults``; 0: not there.
        reduced: How often in ``./desk check --faults``.
        full: How often in ``./desk check --faults=full``.
        needs: Programs that it starts.
    """

    def register(strike: Callable[[Run], Found]) -> Callable[[Run], Found]:
        if name in _registry:
            raise ValueError(f"two faults are called {name}")
        counts: dict[Size, int] = {"short": short, "reduced": reduced, "full": full}
        _registry[name] = Fault(name, counts, needs, strike)
        return strike

    return register


def faults() -> list[Fault]:
    """Every fault, in the order of its module."""
    package = importlib.import_module("tests.platform.faults")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("striking_"):
            importlib.import_module(f"tests.platform.faults.{module.name}")
    return list(_registry.values())


__all__ = ["Fault", "Found", "MissingError", "fault", "faults"]
