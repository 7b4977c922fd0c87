"""How much memory the agent holds: a process of its own on the example street, default models.

    python -m benchmarks.memory [--runs 3] [--seconds 25]

The street is a video shown in real time, so its decoder is counted as well; a Pi's camera has
none, but has libcamera. The environment is the unit's. Resident size is read once the clip has run
for a while.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.machine import headline, spread

ROOT = Path(__file__).parents[1]
STREET = ROOT / "examples" / "street"
UNIT = ROOT / "systemd" / "kerbwatch.service"


def _environment() -> dict[str, str]:
    """What the agent's unit sets."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    words = [
        word
        for line in lines
        if line.startswith("Environment=")
        for word in shlex.split(line.removeprefix("Environment="))
    ]
    return dict(word.split("=", 1) for word in words)


def _site(folder: Path) -> Path:
    text = (STREET / "site.toml").read_text(encoding="utf-8")
    settings = f'{{ path = "{STREET / "clip.mp4"}", pace = "real_time" }}'
    text = text.replace('{ path = "clip.mp4" }', settings)
    text += '\n[storage]\nstate_dir = "state"\nrun_dir = "run"\n'
    (folder / "site.toml").write_text(text, encoding="utf-8")
    zones = (STREET / "zones.json").read_text(encoding="utf-8")
    (folder / "zones.json").write_text(zones, encoding="utf-8")
    return folder


def _resident_mib(process_id: int) -> float:
    text = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    row = next(line for line in text.splitlines() if line.startswith("VmRSS:"))
    return int(row.split()[1]) / 1024


@click.command()
@click.option("--runs", default=3, show_default=True, help="How often the agent is started.")
@click.option("--seconds", default=25.0, show_default=True, help="How long it watches each time.")
def main(runs: int, seconds: float) -> None:
    """Measure the agent's memory."""
    click.echo(headline())
    found = [_watched(seconds) for _ in range(runs)]
    click.echo(f"  resident: {spread(found, 'MiB', 0)}")


def _watched(seconds: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "agent", str(_site(Path(folder)))]
        with subprocess.Popen(
            command, stderr=subprocess.DEVNULL, env=os.environ | _environment()
        ) as agent:
            time.sleep(seconds)
            held_mib = _resident_mib(agent.pid)
            agent.terminate()
    return held_mib


if __name__ == "__main__":
    main()
