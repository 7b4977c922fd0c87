"""Delivery side by side with what others do.

    python -m benchmarks.delivery [--only losses] [--events 20000] [--kills 20] [--runs 3]

Needs ``mosquitto`` (apt) and, for the ThingsBoard gateway's storage, ``pip install --no-deps
thingsboard-gateway``; without that it is named as left out. Everything runs on loopback: the figures
tell ratios, not what a pole's link does.
"""

from __future__ import annotations

import importlib.util

import click

from benchmarks.delivery import losses, speed
from benchmarks.machine import headline

PARTS = ("losses", "drain", "live", "pictures", "enqueue")


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Only this part.")
@click.option("--events", default=20_000, show_default=True, help="Events of each loss run.")
@click.option("--kills", default=20, show_default=True, help="Kills of each loss run.")
@click.option("--per-s", default=1000.0, show_default=True, help="Events a second, loss runs.")
@click.option("--way", type=click.Choice(sorted(losses.TITLES)), multiple=True)
@click.option("--scenario", type=click.Choice(losses.SCENARIOS), multiple=True)
@click.option("--runs", default=3, show_default=True, help="How often rates are measured.")
@click.option("--backlog", default=100_000, show_default=True, help="Rows behind the live cases.")
@click.option("--cases", default=200, show_default=True, help="Live cases.")
@click.option("--seed", default=1, show_default=True)
def main(
    only: tuple[str, ...],
    events: int,
    kills: int,
    per_s: float,
    way: tuple[str, ...],
    scenario: tuple[str, ...],
    runs: int,
    backlog: int,
    cases: int,
    seed: int,
) -> None:
    """Measure delivery, beside what others do in the same run."""
    click.echo(headline())
    parts = only or PARTS
    if "losses" in parts:
        click.echo(
            f"\n== losses: {events:,} events, {per_s:.0f} a second, {kills} kills, seed {seed}"
        )
        ways = [each for each in way or losses.TITLES if _installed(each)]
        losses.table(
            ways,
            scenario or losses.SCENARIOS,
            lambda name, when: losses.run(
                name, when, events=events, kills=kills, per_s=per_s, seed=seed
            ),
        )
    if "drain" in parts:
        click.echo(f"\n== drain: {events:,} events waiting, a subscriber at the broker")
        speed.drain(events, runs)
    if "live" in parts:
        click.echo("\n== live: 2 Mbit/s, 100 ms there and back")
        speed.live(backlog, cases, seed)
    if "pictures" in parts:
        for waiting, pace_per_s in ((backlog, None), (backlog, 100.0), (0, None)):
            pace = "as fast as it goes" if pace_per_s is None else f"{pace_per_s:.0f} events/s"
            click.echo(f"\n== live beside pictures: 2 Mbit/s, 100 ms, {waiting:,} waiting, {pace}")
            speed.live(waiting, cases, seed, pictures=True, per_s=pace_per_s)
    if "enqueue" in parts:
        click.echo("\n== enqueue: this disk, which is far kinder than an SD card")
        speed.enqueue(events, 2000.0)


def _installed(way: str) -> bool:
    if way != "thingsboard" or importlib.util.find_spec("thingsboard_gateway"):
        return True
    click.echo("left out: thingsboard (pip install --no-deps thingsboard-gateway)")
    return False


if __name__ == "__main__":
    main()
