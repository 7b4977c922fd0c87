"""The table at the end of a run, for a terminal and for machines: of this suite and of the platform's."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.faults.suite import Size


class Found(Protocol):
    """What a fault of a suite has found: a dataclass.

    Attributes:
        COLUMNS: Head of a column → what stands in it.
        recover_s: How long each return took.
        notes: What else there is to say.
    """

    COLUMNS: ClassVar[Mapping[str, str]]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def recover_s(self) -> list[float]: ...

    @property
    def notes(self) -> str: ...


class Fault(Protocol):
    """One fault of a suite; ``found`` is what its strikes give."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def counts(self) -> Mapping[Size, int]: ...

    @property
    def found(self) -> type[Found]: ...

    @property
    def run(self) -> Callable[[Size, int, Path, Callable[[], object]], Found]: ...


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
            **self.fault.labels,
            "seed": self.seed,
            "took_s": round(self.took_s, 1),
            "result": "skipped" if self.skipped else "broken" if self.broken else "held",
            "reason": self.skipped or self.broken or None,
            **(asdict(self.found) if self.found else {}),
        }


def table(lines: Sequence[Line]) -> str:
    """One line a fault of a suite; ``recover s`` is median / longest. Empty: nothing struck."""
    if not lines:
        return ""
    columns = lines[0].fault.found.COLUMNS
    head = (*lines[0].fault.labels, *columns, "recover s", "result")
    return aligned([head, *(_cells(line, columns) for line in lines)])


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


def recovered(seconds: Sequence[float]) -> str:
    """Median and longest."""
    return f"{statistics.median(seconds):.1f} / {max(seconds):.1f}" if seconds else "–"


def _cells(line: Line, columns: Mapping[str, str]) -> tuple[str, ...]:
    found, labels = line.found, line.fault.labels.values()
    if found is None:
        return (*labels, *["–"] * (len(columns) + 1), line.result)
    counts = (str(getattr(found, name)) for name in columns.values())
    return (*labels, *counts, recovered(found.recover_s), line.result)
