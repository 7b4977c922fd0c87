"""From the start of the process to the first analysed frame, with events waiting in the outbox.

    python -m benchmarks.start [--runs 5] [--rows 100000]

The example street is watched with the models that are shipped; the broker is away. The rows are
copies of the street's own events. A fresh process each time; the operating system's cache is warm,
which it is not after a power cut.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from agent.config import loading
from agent.config.schema import Configuration
from agent.domain.ids import RandomIds
from agent.protocol.events import Draft, Event
from agent.runtime.device import run
from agent.runtime.replay import replay
from agent.storage.database import Database
from agent.storage.outbox import Outbox
from agent.storage.outbox_queries import Lane
from agent.storage.paths import DATABASE
from benchmarks.machine import headline, spread

STREET = Path(__file__).parents[1] / "examples" / "street"
ROWS_AT_ONCE = 1000
NOBODY = "mqtt://127.0.0.1:9"
"""The discard port: nothing listens there."""


def _site(state: Path) -> Configuration:
    site = loading.load(STREET)
    return site.model_copy(
        update={
            "storage": site.storage.model_copy(update={"state_dir": state}),
            "uplink": site.uplink.model_copy(update={"broker": NOBODY}),
        }
    )


def _fill(state: Path, rows: int) -> None:
    """Put so many events of the street into the outbox."""
    site, ids = _site(state), RandomIds()
    events: list[Event] = replay(site, base=STREET).events
    with Database(state / DATABASE) as database:
        outbox = Outbox(
            database,
            tenant=site.site.tenant,
            device_id=site.site.device_id,
            purpose=site.site.purpose,
            timezone=ZoneInfo(site.site.timezone),
        )
        for begin in range(0, rows, ROWS_AT_ONCE):
            drafts = [
                Draft(
                    event_id=ids.new(each.occurred_at),
                    type=each.type,
                    occurred_at=each.occurred_at,
                    clock=each.clock,
                    body=each.body,
                )
                for each in (events[(begin + k) % len(events)] for k in range(ROWS_AT_ONCE))
            ]
            database.write(
                lambda connection, drafts=drafts: [  # type: ignore[misc]
                    outbox.add(connection, draft, Lane.CASE) for draft in drafts
                ]
            ).result()


def _watch(state: Path) -> None:
    """Run the agent until it has analysed a frame; in a process of its own."""
    stop = threading.Event()
    run(_site(state), base=STREET, stop=stop, on_progress=lambda *_: _tell(stop))


def _tell(stop: threading.Event) -> None:
    if not stop.is_set():
        click.echo(repr(time.time()))
        stop.set()


@click.command()
@click.option("--runs", default=5, show_default=True, help="How often the agent is started.")
@click.option("--rows", default=100_000, show_default=True, help="Events that wait.")
@click.option("--watch", type=click.Path(path_type=Path), hidden=True)
def main(runs: int, rows: int, watch: Path | None) -> None:
    """Measure how soon the agent sees after a start."""
    if watch is not None:
        return _watch(watch)
    click.echo(headline())
    for waiting in (0, rows):
        with tempfile.TemporaryDirectory() as folder:
            if waiting:
                _fill(Path(folder), waiting)
            taken = [started(Path(folder)) for _ in range(runs)]
        click.echo(f"  {waiting:7d} rows waiting: first analysed frame {spread(taken, 's')}")
    return None


def started(state: Path) -> float:
    began_at = time.time()
    command = [sys.executable, "-m", "benchmarks.start", "--watch", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return float(done.stdout.split()[0]) - began_at


if __name__ == "__main__":
    main()
