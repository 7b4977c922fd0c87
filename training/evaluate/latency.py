"""What one picture costs with several files of a network, in turn and on one thread."""

from __future__ import annotations

import platform
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from training.model_folder import table

RUNS = 80


def times_ms(files: Sequence[Path]) -> list[list[float]]:
    """Times of one picture on one thread, in milliseconds; the files take turns."""
    sessions = []
    for file in files:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        spec = session.get_inputs()[0]
        sessions.append((session, {spec.name: np.zeros(spec.shape, np.float32)}))
    found: list[list[float]] = [[] for _ in files]
    for _ in range(RUNS):
        for (session, fed), mine in zip(sessions, found, strict=True):
            began_s = time.perf_counter()
            session.run(None, fed)
            mine.append((time.perf_counter() - began_s) * 1000)
    return found


def latency_ms(file: Path) -> float:
    """The median time of one picture on one thread, in milliseconds."""
    return statistics.median(times_ms([file])[0])


def speed(files: Mapping[str, Path]) -> str:
    """A table of what one picture costs with each file, and how large it is."""
    rows = []
    for (name, file), mine in zip(files.items(), times_ms(list(files.values())), strict=True):
        spread = f"{statistics.median(mine):.2f} ms ({min(mine):.2f}–{max(mine):.2f})"
        rows.append([name, spread, f"{file.stat().st_size / 1e6:.1f} MB"])
    return table(("file", "one picture", "size"), rows)


def processor() -> str:
    """What the machine calls its processor."""
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found.group(1) if found else platform.machine()
