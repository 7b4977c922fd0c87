"""The table at the end of a run, for a terminal, for machines and for the page."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tests.faults.table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.suite import Size
    from tests.platform.faults.suite import Fault, Found

_HEAD = (
    "fault",
    "times",
    "events",
    "numbers",
    "named",
    "conflicts",
    "receipts",
    "recover s",
    "result",
)


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one fault.

    Attributes:
        broken: Which promise was broken; empty: none.
        skipped: Why it was not run; empty: it was.
    """

    fault: Fault
    seed: int
    took_s: float = 0.0
    found: Found | None = None
    broken: str = ""
    skipped: str = ""

    @property
    def result(self) -> str:
        if self.skipped:
            return f"SKIPPED: {self.skipped}"
        if self.broken:
            return f"BROKEN: {self.broken}"
        return f"held; {self.found.notes}" if self.found and self.found.notes else "held"

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "fault": self.fault.name,
            "seed": self.seed,
            "took_s": round(self.took_s, 1),
            "result": "skipped" if self.skipped else "broken" if self.broken else "held",
            "reason": self.skipped or self.broken or None,
            **(asdict(self.found) if self.found else {}),
        }


def table(lines: Sequence[Line]) -> str:
    """One line a fault; ``recover s`` is median / longest."""
    return aligned([_HEAD, *(_cells(line) for line in lines)])


def document(lines: Sequence[Line], headline: str, size: Size) -> str:
    """The same, and on what it was measured."""
    told = {"machine": headline, "size": size, "faults": [line.document() for line in lines]}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def recovered(seconds: Sequence[float]) -> str:
    """Median and longest."""
    return f"{statistics.median(seconds):.1f} / {max(seconds):.1f}" if seconds else "–"


def _cells(line: Line) -> tuple[str, ...]:
    found = line.found
    if found is None:
        return (line.fault.name, *["–"] * 7, line.result)
    counts = (
        found.times,
        found.events,
        found.numbers,
        found.named,
        found.conflicts,
        found.receipts,
    )
    return (line.fault.name, *map(str, counts), recovered(found.recover_s), line.result)
