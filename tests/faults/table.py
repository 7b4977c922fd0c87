"""The table at the end of a run, and the same for machines."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.suite import Fault, Outcome, Size

_HEAD = ("fault", "group", "times", "sent", "lost", "gaps", "duplicates", "recover s", "result")


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
    outcome: Outcome | None = None
    broken: str = ""
    skipped: str = ""

    @property
    def result(self) -> str:
        if self.skipped:
            return f"SKIPPED: {self.skipped}"
        if self.broken:
            return f"BROKEN: {self.broken}"
        return f"held; {self.outcome.notes}" if self.outcome and self.outcome.notes else "held"

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "fault": self.fault.name,
            "group": self.fault.group,
            "seed": self.seed,
            "took_s": round(self.took_s, 1),
            "result": "skipped" if self.skipped else "broken" if self.broken else "held",
            "reason": self.skipped or self.broken or None,
            **(asdict(self.outcome) if self.outcome else {}),
        }


def table(lines: Sequence[Line]) -> str:
    """One line a fault; ``gaps`` are the unexplained ones, ``recover s`` is median / longest."""
    return aligned([_HEAD, *(_cells(line) for line in lines)])


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows below each other, each column as wide as its widest cell; the last one is as long as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join(
            [*(cell.ljust(wide) for cell, wide in zip(row[:-1], widths, strict=True)), row[-1]]
        )
        for row in rows
    )


def document(lines: Sequence[Line], headline: str, size: Size) -> str:
    """The same, how often they struck, and on what it was measured."""
    told = {"machine": headline, "size": size, "faults": [line.document() for line in lines]}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _cells(line: Line) -> tuple[str, ...]:
    name, found = (line.fault.name, line.fault.group), line.outcome
    if found is None:
        return (*name, *["–"] * 6, line.result)
    recovered = "–"
    if found.recover_s:
        recovered = f"{statistics.median(found.recover_s):.1f} / {max(found.recover_s):.1f}"
    counts = (
        found.times,
        found.sent,
        found.lost,
        found.unexplained_gaps,
        found.duplicates_absorbed,
    )
    return (*name, *map(str, counts), recovered, line.result)
