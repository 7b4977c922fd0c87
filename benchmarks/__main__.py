"""Every benchmark, one after the other, each in a process of its own.

    python -m benchmarks [--runs 3]

The peers' packages are the extra ``bench``; without them their comparison is named as left out.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import click

from provisioning.console.optional_packages import BENCH

PARTS = ("pipeline", "peers", "memory", "start", "stills")
NEEDS = {"peers": ("supervision", "trackers")}
WITHOUT_RUNS = ("stills",)


@click.command()
@click.option("--runs", default=3, show_default=True, help="How often each thing is measured.")
def main(runs: int) -> None:
    """Run every benchmark, and fail if one fails."""
    failed = []
    for part in PARTS:
        click.echo(f"\n== {part}")
        missing = [name for name in NEEDS.get(part, ()) if importlib.util.find_spec(name) is None]
        if missing:
            click.echo(f"left out: {', '.join(missing)} not installed ({BENCH})")
            continue
        command = [sys.executable, "-m", f"benchmarks.{part}"]
        if part not in WITHOUT_RUNS:
            command += ["--runs", str(runs)]
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(part)
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
