"""Days at a street corner in an hour: memory, disk and delivery must stay as they are.

    python -m benchmarks.soak [--hours 72] [--minutes 60] [--out soak]

The agent's own process watches a drawn street whose frames come as fast as they are analysed: the
frames' clock runs at five a second of the street's time, so 72 hours are 1,296,000 frames. Every ten
minutes of that time something red stands in the zone long enough for a case, and the broker is
stopped or killed and started again. A platform stores what comes and sends receipts. What is timed by
the wall clock (heartbeats, the daily chores) is not accelerated: heartbeats come every half second
instead, so that there are more of them than in three days. What is kept is kept for minutes
instead of months, and within 10 MB of pictures, so that the end of growth comes within the run.

Memory, files and counters are written to ``soak.csv``; ``python -m benchmarks.soak_chart`` draws
them. The network is a small one made up for the purpose, run by the real runtime; a Pi's camera and card are not measured.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from agent.storage.database import Database
from agent.storage.outbox_queries import last_sequence
from agent.storage.paths import DATABASE
from agent.storage.state_table import load_state
from agent.telemetry.status_file import Status
from benchmarks.machine import headline
from benchmarks.soak_platform import SoakPlatform
from benchmarks.soak_samples import Sample, Samples, flatness
from tests.support.broker import Broker
from tests.support.red_bike_model import write_model
from tests.support.sites import (
    Table,
    drawn_camera,
    red_thing,
    site_of,
    uplink_table,
    write_site,
    zone,
)
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[1]
MOSQUITTO = Path("/usr/sbin/mosquitto")
FRAMES_PER_S = 5
CYCLE_S = 600.0
"""Of the street's time: one case, and one loss of the broker."""
COMES_S, GOES_S = 30.0, 400.0
SAMPLE_EVERY_S = 2.0
HEARTBEAT_S = 0.5
KEPT_DAYS = 0.003
"""Four minutes of the wall clock, some sixteen hours of the street's time."""
STALLED_S = 300.0
DRAIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Soak:
    """What is watched and where."""

    hours: float
    limit_s: float
    folder: Path

    @property
    def frames(self) -> int:
        return int(self.hours * 3600 * FRAMES_PER_S)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def write_site(self, broker: Broker) -> Path:
        """Write site and model; gives the site's file."""
        write_model(self.folder / "models")
        write_site(self.folder, self._site(broker))
        return self.folder / "site.toml"

    def _site(self, broker: Broker) -> Table:
        chance = random.Random(1)  # noqa: S311
        things = [
            red_thing(
                from_s=begin + COMES_S,
                to_s=begin + GOES_S,
                left=round(chance.uniform(0.2, 0.65), 3),
                top=round(chance.uniform(0.2, 0.6), 3),
            )
            for begin in np.arange(0.0, self.hours * 3600 - CYCLE_S + 1, CYCLE_S).tolist()
        ]
        camera = drawn_camera(
            width=640,
            height=360,
            seconds=self.hours * 3600,
            frames_per_s=FRAMES_PER_S,
            things=things,
        )
        kept = {f"{name}_days": KEPT_DAYS for name in ("cases", "letters", "losses")}
        uplink = broker.settings(
            confirm="platform", reconnect_max_s=0.5, heartbeat_s=HEARTBEAT_S, keep_arrived=500
        )
        return site_of(
            site={"address": "soak"},
            cameras=[camera],
            zones=[zone()],
            scenarios={"misparked_bikes": {}},
            analysis={"frames_per_s": FRAMES_PER_S},
            retention={"pictures_mb": 10, "every_s": 10, **kept},
            uplink=uplink_table(uplink),
        )

    def status(self) -> Status | None:
        """What the agent says of itself; None before it has said anything."""
        try:
            text = (self.folder / "run" / "status.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return Status.model_validate_json(text)


class Outages:
    """The broker comes and goes with the street's time: ended in order or killed, by turns."""

    def __init__(self, broker: Broker) -> None:
        self._broker, self._chance = broker, random.Random(2)  # noqa: S311
        self._next_s = CYCLE_S / 2
        self._back_at_s: float | None = None
        self.count = 0

    def see(self, street_s: float, now_s: float) -> None:
        """Take the broker away or bring it back, if it is time."""
        if self._back_at_s is None and street_s >= self._next_s:
            self._next_s += CYCLE_S
            self.count += 1
            (self._broker.kill if self.count % 2 else self._broker.stop)()
            self._back_at_s = now_s + self._chance.uniform(0.5, 3.0)
        elif self._back_at_s is not None and now_s >= self._back_at_s:
            self.restore()

    def restore(self) -> None:
        if self._back_at_s is not None:
            self._broker.start()
            self._back_at_s = None


@click.command()
@click.option("--hours", default=72.0, show_default=True, help="Of the street's time.")
@click.option("--minutes", default=1e9, help="End after so long, and say how far it came.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("soak"), show_default=True)
def main(hours: float, minutes: float, out: Path) -> None:
    """Watch a drawn street for days of its own time, and say what grew."""
    if not MOSQUITTO.exists():
        raise click.ClickException("no mosquitto here: apt-get install mosquitto")
    out.mkdir(parents=True, exist_ok=True)
    click.echo(headline())
    soak = Soak(hours, minutes * 60, out.absolute())
    broker = Broker(str(MOSQUITTO), out.absolute() / "broker")
    broker.start()
    try:
        with SoakPlatform(broker) as platform:
            _watch(soak, broker, platform)
    finally:
        broker.kill()


def _watch(soak: Soak, broker: Broker, platform: SoakPlatform) -> None:
    site = soak.write_site(broker)
    command = [sys.executable, "-m", "agent", str(site)]
    environment = {"KERBWATCH_MODELS": str(soak.folder / "models"), "PATH": "/usr/bin:/bin"}
    outages = Outages(broker)
    with (soak.folder / "agent.log").open("w", encoding="utf-8") as log:
        agent = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log)
    try:
        with Samples(soak.folder / "soak.csv") as samples:
            began_s = time.monotonic()
            _sample_until_done(soak, agent, platform, outages, samples)
            took_s = time.monotonic() - began_s
        outages.restore()
        drained = _drained(soak, platform)
        agent.terminate()
        agent.wait(60)
    finally:
        if agent.poll() is None:
            agent.kill()
    _tell(soak, samples.taken, platform, outages, took_s, drained=drained)


def _sample_until_done(
    soak: Soak,
    agent: subprocess.Popen[bytes],
    platform: SoakPlatform,
    outages: Outages,
    samples: Samples,
) -> None:
    frames, moved_s, sampled_s = 0, time.monotonic(), 0.0
    until_s = moved_s + soak.limit_s
    with tqdm(total=soak.frames, unit="frame", mininterval=5, smoothing=0.01) as bar:
        while frames < soak.frames and time.monotonic() < until_s:
            if agent.poll() is not None:
                raise click.ClickException(f"the agent ended with {agent.returncode}")
            status, now_s = soak.status(), time.monotonic()
            if status is not None:
                seen = status.cameras["street"].analysed
                if seen > frames:
                    bar.update(seen - frames)
                    frames, moved_s = seen, now_s
                elif status.cameras["street"].state == "ended":
                    return
                outages.see(frames / FRAMES_PER_S, now_s)
                if now_s - sampled_s >= SAMPLE_EVERY_S:
                    samples.take(soak.state, agent.pid, status, platform, frames, outages.count)
                    sampled_s = now_s
            if now_s - moved_s > STALLED_S:
                raise click.ClickException(f"no frame was analysed for {STALLED_S:g} s")
            time.sleep(0.1)


def _drained(soak: Soak, platform: SoakPlatform) -> bool:
    """Whether every case that waits was delivered in the end; heartbeats go on coming."""

    def empty() -> bool:
        status = soak.status()
        return status is not None and not status.waiting.get("case", 0)

    try:
        wait_until(empty, timeout_s=DRAIN_S)
    except AssertionError:
        return False
    return not platform.invalid


def _tell(
    soak: Soak,
    taken: list[Sample],
    platform: SoakPlatform,
    outages: Outages,
    took_s: float,
    *,
    drained: bool,
) -> None:
    lines = [
        f"{taken[-1].hours:.1f} h of street in {took_s / 60:.0f} min"
        f" ({taken[-1].hours * 3600 / took_s:.0f} times as fast)",
        f"frames analysed {taken[-1].frames}, cases opened {platform.count('case.opened')},"
        f" cleared {platform.count('case.cleared')} (one in {CYCLE_S / 60:g} min),"
        f" heartbeats {platform.count('device.heartbeat')}, broker lost {outages.count} ×,"
        f" connections {platform.count('device.birth')}",
        _delivery(soak, platform, drained=drained),
        *flatness(taken),
    ]
    text = "\n".join(lines)
    click.echo(text)
    (soak.folder / "soak.txt").write_text(headline() + "\n" + text + "\n", encoding="utf-8")


def _delivery(soak: Soak, platform: SoakPlatform, *, drained: bool) -> str:
    with Database(soak.state / DATABASE) as database, closing(database.read()) as reader:
        epoch = load_state(reader, "outbox.epoch") or ""
        through = last_sequence(reader)
        [waiting] = reader.execute("SELECT count(*) FROM outbox WHERE arrived = 0").fetchone()
        unsent = {s for (s,) in reader.execute("SELECT sequence FROM outbox WHERE arrived = 0")}
    gaps = platform.missing(epoch, through) - unsent
    return (
        f"sequence numbers given {through}, still waiting {waiting}, named as lost"
        f" {platform.named_lost}, unexplained gaps {len(gaps)}, duplicates absorbed"
        f" {platform.duplicates}, invalid messages {len(platform.invalid)},"
        f" drained {'yes' if drained else 'NO'}"
    )


if __name__ == "__main__":
    main()
