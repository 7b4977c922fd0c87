"""What a day of heartbeats costs on the wire: bytes through a TLS connection to Mosquitto, both ways.

    python -m benchmarks.heartbeats [--days 1] [--seed 1]

The day is played: the gauges of the contract's example, with counters that go on, a processor whose temperature
follows the hours and wavers, and a few things that happen; each minute is told and confirmed before the next one
begins. Bytes are those of TCP's streams, without the headers of TCP and IP. Each run counts a device that tells
everything every minute, too.
"""

from __future__ import annotations

import asyncio
import math
import random
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.domain.ids import RandomIds
from agent.protocol.field_examples import example_of
from agent.protocol.heartbeat import CameraHealth, Looking
from agent.telemetry.heartbeat import HeartbeatSender, Intervals
from benchmarks.delivery.forwarder import Link
from benchmarks.machine import headline
from drivers.testing import FakeClock
from tests.support.broker import Broker
from tests.support.delivering_device import Device
from tests.support.gauges import as_in_the_example
from tests.support.programs import program

if TYPE_CHECKING:
    from agent.config.schema import UplinkSection

DAY_S, LOOK_S = 86_400, 60
_PIECE_BYTES = 65_536


class CountingLink(Link):
    """Passes connections on as they are, and counts what goes through, both ways. Use as a context."""

    def __init__(self, to_port: int) -> None:
        super().__init__(to_port)
        self.passed_bytes = 0

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE_BYTES):
                self.passed_bytes += len(piece)
                writer.write(piece)
                await writer.drain()


class Day:
    """How a device is, minute by minute."""

    def __init__(self, clock: FakeClock, seed: int) -> None:
        self._clock, self._die = clock, random.Random(seed)  # noqa: S311  a simulation
        self.open_cases = 0

    def temperature_c(self) -> float:
        """Warm at three in the afternoon; it wavers by a degree or two."""
        hour = self._clock.monotonic_s() / 3600
        return round(50 + 8 * math.sin((hour - 9) / 24 * 2 * math.pi) + self._die.gauss(0, 0.8), 1)

    def looking(self) -> Looking:
        return example_of(Looking).model_copy(
            update={"network_runs_per_s": round(self._die.uniform(0.2, 1.5), 3)}
        )

    def camera_health(self) -> dict[str, CameraHealth]:
        shown_s = self._clock.monotonic_s()
        changes = {"for_s": shown_s, "frames": int(5 * shown_s), "brightness": 90.0}
        return {"street": example_of(CameraHealth).model_copy(update=changes)}

    def gauges(self) -> Any:
        return as_in_the_example(
            uptime_s=self._clock.monotonic_s,
            frames=lambda: int(5 * self._clock.monotonic_s()),
            inferences=lambda: int(self._clock.monotonic_s()),
            temperature_c=self.temperature_c,
            looking=self.looking,
            camera_health=self.camera_health,
            open_cases=lambda: self.open_cases,
            memory_rss_bytes=lambda: 200_000_000 + self._die.randrange(4_000_000),
        )

    def pass_on(self) -> None:
        """A minute; about eighty times a day a case opens or clears."""
        self._clock.advance(LOOK_S)
        if self._die.random() < 80 / (DAY_S / LOOK_S):
            self.open_cases = 1 - self.open_cases


def cost(
    settings: UplinkSection, passed: CountingLink, folder: Path, days: float, seed: int
) -> tuple[int, int]:
    """Bytes on the wire after the connection was made, and how many events that were."""
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    day = Day(clock, seed)
    with Device(folder, settings) as device:
        health = HeartbeatSender(
            device.database,
            device.outbox,
            clock=clock,
            ids=RandomIds(),
            gauges=day.gauges(),
            session=lambda: "the one",
            intervals=Intervals(
                look_s=LOOK_S,
                full_s=settings.heartbeat_full_s,
                silence_s=settings.heartbeat_silence_s,
            ),
        )
        device.connect()
        device.wait_until_online()
        device.wait_until_drained()
        before, told = passed.passed_bytes, 0
        for _ in range(round(days * DAY_S / LOOK_S)):
            told += health.beat() is not None
            device.wait_until_drained()
            day.pass_on()
        return passed.passed_bytes - before, told


@click.command()
@click.option("--days", default=1.0, show_default=True, help="How long the device runs.")
@click.option("--seed", default=1, show_default=True, help="What varies follows from it.")
def main(days: float, seed: int) -> None:
    """Count what the health of a device costs a day."""
    click.echo(headline())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Broker(program("mosquitto"), folder / "broker")
        broker.start()
        try:
            for called, full_s in (("everything, every minute", 0), ("news, and all hourly", 3600)):
                with broker.platform(), CountingLink(broker.port) as passed:
                    settings = broker.settings(heartbeat_full_s=full_s, acknowledge_timeout_s=30)
                    settings = settings.model_copy(
                        update={"broker": f"mqtts://127.0.0.1:{passed.port}"}
                    )
                    place = folder / str(full_s)
                    place.mkdir()
                    size, told = cost(settings, passed, place, days, seed)
                    click.echo(
                        f"{called}: {size / days / 1e6:.2f} MB a day, {told / days:.0f} events"
                    )
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
