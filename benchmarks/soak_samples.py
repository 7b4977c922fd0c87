"""What a soak writes down every few seconds, and whether it grew."""

from __future__ import annotations

import csv
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

import numpy as np

from agent.storage.paths import DATABASE, EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.telemetry.status_file import Status
    from benchmarks.soak_platform import SoakPlatform

MIB = 1 << 20
FRAMES_PER_HOUR = 5 * 3600
BLOCKS = 20
_T_975 = 2.101
"""Student's t for 95 %, 18 degrees of freedom: a line through 20 blocks."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment. ``hours`` are of the street's time, ``real_s`` of ours."""

    real_s: float
    hours: float
    frames: int
    resident_mib: float
    threads: int
    open_files: int
    database_mib: float
    journal_mib: float
    evidence_mib: float
    other_mib: float
    waiting: int
    outages: int
    delivered: int
    cases: int


class Samples:
    """Takes samples and writes each to a CSV file at once. Use as a context."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began_s = time.monotonic()
        self._file: TextIO
        self.taken: list[Sample] = []

    def __enter__(self) -> Self:
        self._file = self._path.open("w", encoding="utf-8", newline="")
        self._lines = csv.DictWriter(self._file, [each.name for each in fields(Sample)])
        self._lines.writeheader()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(
        self,
        state: Path,
        process_id: int,
        status: Status,
        platform: SoakPlatform,
        frames: int,
        outages: int,
    ) -> None:
        """Look at the process, its files and what the platform has."""
        process = Path(f"/proc/{process_id}")
        database = _size_mib(state / DATABASE)
        journal = _size_mib(state / "kerbwatch.sqlite3-wal")
        evidence = _size_mib(state / EVIDENCE)
        sample = Sample(
            real_s=round(time.monotonic() - self._began_s, 1),
            hours=round(frames / FRAMES_PER_HOUR, 4),
            frames=frames,
            resident_mib=_resident_mib(process),
            threads=len(list((process / "task").iterdir())),
            open_files=len(list((process / "fd").iterdir())),
            database_mib=database,
            journal_mib=journal,
            evidence_mib=evidence,
            other_mib=round(_size_mib(state) - database - journal - evidence, 3),
            waiting=sum(status.waiting.values()),
            outages=outages,
            delivered=platform.events,
            cases=platform.count("case.opened"),
        )
        self.taken.append(sample)
        self._lines.writerow(asdict(sample))
        self._file.flush()


def _resident_mib(process: Path) -> float:
    text = (process / "status").read_text(encoding="ascii")
    row = next(line for line in text.splitlines() if line.startswith("VmRSS:"))
    return round(int(row.split()[1]) / 1024, 2)


def _size_mib(path: Path) -> float:
    """What a file, or all in a folder, takes on the disk."""
    paths = [path] if path.is_file() else _below(path)
    blocks = 0
    for each in paths:
        try:
            blocks += each.stat().st_blocks
        except FileNotFoundError:
            continue  # gone while we looked
    return round(blocks * 512 / MIB, 3)


def _below(folder: Path) -> Iterator[Path]:
    """Everything in a folder; one that is deleted meanwhile is passed over."""
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))


def slope(hours: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Least squares through the means of 20 blocks: change per hour, and its 95 % half-interval.

    Neighbouring samples are not independent, blocks of minutes nearly are.
    """
    x = np.array([block.mean() for block in np.array_split(hours, BLOCKS)])
    y = np.array([block.mean() for block in np.array_split(values, BLOCKS)])
    spread = x - x.mean()
    rate = float((spread * y).sum() / (spread**2).sum())
    left = y - y.mean() - rate * spread
    error = float(np.sqrt((left**2).sum() / (BLOCKS - 2) / (spread**2).sum()))
    return rate, _T_975 * error


def flatness(taken: list[Sample]) -> list[str]:
    """For each thing that could grow: the slope over the second half, and what that is a day."""
    late = [each for each in taken if each.hours >= taken[-1].hours / 2]
    if len(late) < 2 * BLOCKS:
        return [f"too few samples for a slope: {len(late)}"]
    hours = np.array([each.hours for each in late])
    lines = []
    for name, unit in (
        ("resident_mib", "MiB"),
        ("database_mib", "MiB"),
        ("journal_mib", "MiB"),
        ("evidence_mib", "MiB"),
        ("other_mib", "MiB"),
        ("threads", ""),
        ("open_files", ""),
    ):
        values = np.array([float(getattr(each, name)) for each in late])
        rate, half = slope(hours, values)
        lines.append(
            f"{name.removesuffix('_mib'):10} last {values[-1]:7.2f}, in the second half"
            f" {values.min():.2f}–{values.max():.2f} {unit}, slope {24 * rate:+.3f} ±"
            f" {24 * half:.3f} {unit} a day of the street (95 %)"
        )
    return lines
