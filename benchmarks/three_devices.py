"""An hour of three devices and one platform, of which one part after the other is killed; SQL is the judge.

    python -m benchmarks.three_devices [--minutes 60] [--seed 1] [--out three-devices]

In real time: three agents, each a process that watches a drawn street of its own; one Mosquitto with TLS, client
certificates and the rights of ``examples/brokers``; ``examples/platform/consumer.py`` with its database. At seeded
moments the worker is killed, dies between its commit and its acknowledgements, the broker is killed, or an older
backup of the database takes the place of the newer one. In the end the events and numbers of the platform are held
against the devices' own databases, and the desk's five questions against the timetable that the streets were drawn
by. Two things are made up so that a day's summary is sent within the hour: the devices' time zone, whose midnight falls
into it, and that a time source has set their clock, whether or not this machine has one.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.telemetry.status_file import Status
from benchmarks.desk import Hour, judged_numbers, judged_questions
from benchmarks.machine import headline
from benchmarks.three_streets import FRAMES_PER_S, TENANT, Street, streets
from tests.faults.clocks import PretendedClock
from tests.support.broker import Broker
from tests.support.coloured_bikes_model import write_coloured_bikes_model
from tests.support.corner_with_past import PlatformProcess
from tests.support.paths import ROOT
from tests.support.programs import program
from tests.support.sites import write_site
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_ENDS_BEFORE_S = 480.0
"""The devices' midnight, before the end: the summary is sent some minutes after it."""
SHORTEST_MIN = 12.0
BACK_UP_EVERY_S = 100.0
TROUBLE_EVERY_S = (20.0, 90.0)
GONE_S = (0.0, 20.0)
ASK_AGAIN = 5
ZONE = "Drawn/Street"


class Agent:
    """One device: the agent's own process."""

    def __init__(self, street: Street, folder: Path) -> None:
        self.street, self.folder = street, folder
        self.began_at: datetime | None = None
        """When its street began, by the first status that has a picture."""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str]) -> None:
        with (self.folder / "agent.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agent", str(self.folder)],
                cwd=ROOT,
                env=environment,
                stderr=log,
            )

    def has_begun(self) -> bool:
        """Whether its camera has shown a picture."""
        status = self.status()
        seen = 0 if status is None else status.cameras["street"].captured
        if status is not None and seen and self.began_at is None:
            self.began_at = status.at - timedelta(seconds=seen / FRAMES_PER_S)
        return self.began_at is not None

    def status(self) -> Status | None:
        if self._process is not None and self._process.poll() is not None:
            raise click.ClickException(f"{self.street.device} ended: {self.folder / 'agent.log'}")
        try:
            text = (self.folder / "run" / "status.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return Status.model_validate_json(text)

    def waits(self) -> bool:
        """Whether anything in its outbox has not arrived."""
        status = self.status()
        return status is None or any(status.waiting.values())

    def end(self) -> None:
        """End it in order, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(120)


@dataclass
class Trouble:
    """What befalls the platform, at moments that follow from the seed.

    Attributes:
        done: What befell it, and how often.
        resent: Events that came again after a backup was restored, by the devices' answers.
    """

    platform: PlatformProcess
    broker: Broker
    agents: list[Agent]
    dice: random.Random
    folder: Path
    done: dict[str, int] = field(default_factory=dict)
    resent: int = 0
    _backups: list[tuple[datetime, Path]] = field(default_factory=list)

    def strike(self) -> None:
        """One of them, chosen by the dice."""
        striking: Callable[[], None] = self.dice.choice(
            (self.worker_killed, self.worker_dies_at_acknowledging, self.broker_killed)
            + ((self.database_restored,) if self._backups else ())
        )
        name = striking.__name__.replace("_", " ")
        self.done[name] = self.done.get(name, 0) + 1
        click.echo(f"{datetime.now(UTC):%H:%M:%S} {name}")
        striking()

    def back_up(self) -> None:
        path = self.folder / f"backup-{len(self._backups)}.db"
        self._backups.append((datetime.now(UTC), path))
        self.platform.back_up(path)

    def worker_killed(self) -> None:
        self.platform.kill()
        self._pause()
        self.platform.start()

    def worker_dies_at_acknowledging(self) -> None:
        self.platform.kill()
        self.platform.start(dies_at_acknowledging=True)
        self.platform.wait_until_dead()
        self._pause()
        self.platform.start()

    def broker_killed(self) -> None:
        self.broker.kill()
        self._pause()
        self.broker.start()

    def database_restored(self) -> None:
        """Any backup may be the one; what it lacks is asked for by time, of every device."""
        made_at, path = self.dice.choice(self._backups)
        self.platform.kill()
        self._pause()
        self.platform.restore(path)
        # Those made after it are of a database that is no more.
        self._backups = [each for each in self._backups if each[0] <= made_at]
        self.platform.start()
        until = datetime.now(UTC) + timedelta(seconds=1)
        told = {"command": "resend", "from_at": made_at.isoformat(), "to_at": until.isoformat()}
        for agent in self.agents:
            self._ask(agent, told)

    def ask_for_what_is_missing(self) -> None:
        """Numbers that no resend by time has named, such as of heartbeats on their way when a copy was made."""
        for agent in self.agents:
            query = (
                "SELECT epoch, first, last FROM missing WHERE device = :device AND why = 'awaited'"
            )
            for epoch, first, last in self.platform.ask(query, device=agent.street.device):
                self._ask(agent, {"command": "resend", "epoch": epoch, "ranges": [[first, last]]})

    def _ask(self, agent: Agent, told: dict[str, object]) -> None:
        for _ in range(ASK_AGAIN):  # a broker that was just killed has forgotten who listens
            answer = self.platform.command(agent.street.device, told)
            if answer is not None:
                self.resent += answer.get("count") or 0
                if answer["status"] != "done":
                    click.echo(f"{agent.street.device} answers {answer}")
                return
        raise click.ClickException(f"{agent.street.device} never answered {told}")

    def _pause(self) -> None:
        time.sleep(self.dice.uniform(*GONE_S))


def write_time_zone(folder: Path, midnight: datetime) -> None:
    """Write a time zone whose midnight falls on a whole minute in UTC.

    Source of the format: RFC 8536, 3.1 and 3.2: a header, no transition, one local time type.
    """
    east_s = -(midnight.hour * 3600 + midnight.minute * 60) % 86_400
    if east_s > 14 * 3600:  # as far as the world's zones go
        east_s -= 86_400
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    block = b"TZif2" + bytes(15) + counts + struct.pack(">lBB", east_s, 0, 0) + b"DRW\0"
    path = folder / ZONE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(block + block + b"\n\n")


@click.command()
@click.option("--minutes", default=60.0, show_default=True, type=click.FloatRange(SHORTEST_MIN))
@click.option("--seed", default=1, show_default=True, help="Of streets and troubles.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("three-devices"), show_default=True
)
def main(minutes: float, seed: int, out: Path) -> None:
    """Three devices and a platform for an hour, and whether everything is there in the end."""
    click.echo(headline())
    out = out.absolute()
    out.mkdir(parents=True)
    rights = (
        f"acl_file {ROOT / 'examples' / 'brokers' / 'mosquitto.acl'}",
        "allow_anonymous false",
    )
    broker = Broker(program("mosquitto"), out / "broker", *rights)
    broker.start()
    try:
        lines, ok = _hour(broker, out, minutes * 60, seed)
    finally:
        broker.kill()
    text = "\n".join(lines)
    click.echo(text)
    (out / "three-devices.txt").write_text(f"{headline()}\n{text}\n", encoding="utf-8")
    if not ok:
        raise click.ClickException("not everything is as it should be")


def _hour(broker: Broker, out: Path, seconds: float, seed: int) -> tuple[list[str], bool]:
    write_coloured_bikes_model(out / "models")
    midnight = datetime.now(UTC) + timedelta(seconds=seconds - DAY_ENDS_BEFORE_S)
    midnight = midnight.replace(second=0, microsecond=0)
    write_time_zone(out / "zones", midnight)
    agents = [_agent(street, broker, out, seconds) for street in streets(seconds, seed)]
    clock = PretendedClock(out)
    environment = os.environ | clock.environment
    environment |= {"KERBWATCH_MODELS": str(out / "models"), "PYTHONTZPATH": str(out / "zones")}
    with ExitStack() as stack:
        platform = PlatformProcess(out / "platform.db", broker.url, tenant=TENANT)
        stack.enter_context(platform)
        for agent in agents:
            stack.callback(agent.end)
            agent.start(environment)
        wait_until(lambda: all(agent.has_begun() for agent in agents))
        began_at = datetime.now(UTC)
        trouble = Trouble(platform, broker, agents, random.Random(seed), out)  # noqa: S311
        _trouble_until(trouble, time.monotonic() + seconds)
        settled_s = _settled(trouble)
        now = datetime.now(UTC)
        for agent in agents:
            agent.end()
    hour = Hour(
        platform.file,
        began_at,
        now,
        midnight,
        [(agent.street, agent.began_at or began_at, agent.folder) for agent in agents],
    )
    befell = ", ".join(f"{name} {count} ×" for name, count in sorted(trouble.done.items()))
    lines = [
        f"{(now - began_at).total_seconds() / 60:.0f} min in real time: {befell}",
        f"asked again {trouble.resent} events; settled {settled_s:.0f} s after the last trouble",
    ]
    numbers, questions = judged_numbers(hour), judged_questions(hour)
    found = [*numbers, *questions]
    return [*lines, *(each.line for each in found)], all(each.holds for each in found)


def _agent(street: Street, broker: Broker, out: Path, seconds: float) -> Agent:
    folder = out / street.device
    folder.mkdir()
    certificate_file, key_file = broker.authority.issue(street.device)
    settings = broker.settings(
        certificate_file=certificate_file,
        key_file=key_file,
        confirm="platform",
        receipt_timeout_s=5,
        reconnect_max_s=5,
        heartbeat_s=5,
        heartbeat_full_s=60,
        heartbeat_silence_s=10,
        keep_arrived=100_000,
    )
    write_site(folder, street.site(settings, seconds, ZONE))
    return Agent(street, folder)


def _trouble_until(trouble: Trouble, until_s: float) -> None:
    """Backups and troubles until the time is over, and a minute before it none any more."""
    now_s = time.monotonic()
    backed_up_s, strike_s = now_s, now_s + trouble.dice.uniform(*TROUBLE_EVERY_S)
    while (now_s := time.monotonic()) < until_s:
        for agent in trouble.agents:
            agent.status()  # fails if it has ended
        if now_s - backed_up_s >= BACK_UP_EVERY_S:
            trouble.back_up()
            backed_up_s = now_s
        if strike_s <= now_s < until_s - 60:
            trouble.strike()
            strike_s = time.monotonic() + trouble.dice.uniform(*TROUBLE_EVERY_S)
        time.sleep(0.5)


def _settled(trouble: Trouble) -> float:
    """Wait until nothing waits on any device and nothing is missing; how long that took, in seconds."""
    began_s = time.monotonic()
    trouble.ask_for_what_is_missing()
    for agent in trouble.agents:
        wait_until(lambda: not agent.waits())  # noqa: B023
    return time.monotonic() - began_s


if __name__ == "__main__":
    main()
