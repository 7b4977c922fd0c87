"""The soak's curves as a picture, from what it wrote.

    python -m benchmarks.soak_chart soak/soak.csv --out docs/soak.svg

Needs matplotlib (extra ``bench``).
"""

from __future__ import annotations

import csv
from pathlib import Path

import click
import matplotlib.pyplot as plt
from matplotlib import rc_context

PANELS = {
    "resident memory, MiB": ("resident_mib",),
    "disk, MiB": ("database_mib", "journal_mib", "evidence_mib", "other_mib"),
    "events that wait": ("waiting",),
    "threads and open files": ("threads", "open_files"),
}


@click.command(help=__doc__)
@click.argument("samples", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("soak.svg"), show_default=True)
def main(samples: Path, out: Path) -> None:
    """Draw the curves over hours of the street's time, a panel for each kind of count."""
    with samples.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    if not rows:
        raise click.ClickException(f"{samples}: no sample in it")
    hours = [float(row["hours"]) for row in rows]
    # Text stays text, and the same samples give the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "soak"}):
        figure, panels = plt.subplots(len(PANELS), sharex=True, figsize=(9, 8), layout="tight")
        for panel, (title, names) in zip(panels, PANELS.items(), strict=True):
            for name in names:
                values = [float(row[name]) for row in rows]
                label = name.removesuffix("_mib").replace("_", " ")
                panel.plot(hours, values, linewidth=0.8, label=label)
            panel.set_title(title, loc="left", fontsize="medium")
            panel.set_ylim(bottom=0)
            panel.grid(alpha=0.3)
            if len(names) > 1:
                panel.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
        panels[-1].set_xlabel("hours of the street")
        figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
