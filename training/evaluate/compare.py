"""Models beside one another on the pictures that none of them was made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.evaluate.__main__ import judged
from training.evaluate.judging import opened
from training.evaluate.labels import KNOWN
from training.evaluate.latency import RUNS, processor, speed
from training.evaluate.sources import read_folder
from training.model_folder import table

MIN_TRUTHS = 10
SECTIONS = """
## Held-out figures

Both in one run on pictures that were neither trained nor tuned on, whole, by `./evaluate`; in brackets
the 95 % interval of a bootstrap over groups.

{figures}

## Cost

One thread on {machine}, both files in turn, {runs} runs each; median (fastest to slowest). A figure
of that machine: `kerbwatch models bench` tells what it costs on the device.

{speed}
"""


def sections(data: Path, folders: Mapping[str, Path], figures: Sequence[str]) -> str:
    """What a card says of two models beside one another: how good each is, and what it costs.

    Args:
        data: Picture sets; what a model was trained or tuned on is left out.
        folders: The models, by what their column is headed.
        figures: Names as in the report of ``./evaluate``.
    """
    files = {head: folder / "model.onnx" for head, folder in folders.items()}
    return SECTIONS.format(
        figures=compared(data, folders, figures),
        machine=processor(),
        runs=RUNS,
        speed=speed(files),
    ).strip()


def compared(data: Path, folders: Mapping[str, Path], figures: Sequence[str]) -> str:
    """A table of held-out figures by set and task, each with its 95 % interval."""
    sets = read_folder(data)
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for head, folder in folders.items():
        report, _ = judged(sets, opened([str(folder)]), KNOWN, everything=False)
        for row in report["results"]:
            told = row["figures"]
            if told.get("truths", MIN_TRUTHS) < MIN_TRUTHS:
                continue
            for name in told.keys() & set(figures):
                key = row["set"], f"{row['task']}, {name.replace('_', ' ')}"
                cells.setdefault(key, {})[head] = _told(told[name])
    rows = [
        [*key, *(mine.get(head, "–") for head in folders)] for key, mine in sorted(cells.items())
    ]
    return table(("set", "task, figure", *folders), rows)


def _told(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "–"
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"
