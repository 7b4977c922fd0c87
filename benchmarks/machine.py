"""Says on what a figure was measured."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path


def headline() -> str:
    """The machine, the interpreter and the command."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith(("model name", "Model"))
        ),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    started = Path(sys.argv[0]).with_suffix("")
    if started.name == "__main__":  # a package's
        started = started.parent
    return (
        f"{os.cpu_count()} × {model}, {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}, load {load:.1f}\n"
        f"command: python -m {started.parent.name}.{started.name}"
        f" {' '.join(sys.argv[1:])}".rstrip()
    )


def spread(values: Sequence[float], unit: str, digits: int = 2) -> str:
    """Median and range of several runs."""
    middle = statistics.median(values)
    low, high = min(values), max(values)
    return f"{middle:.{digits}f} {unit} ({low:.{digits}f}–{high:.{digits}f}, n={len(values)})"
