"""Processes that are killed: the device's, the broker's, both."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.broker import Broker
from tests.faults.platform import Storing
from tests.faults.suite import Outcome, Run, fault, program, require, wait_for
from tests.test_uplink import Device, Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config import Uplink as UplinkSettings


@dataclass(slots=True)
class Street:
    """A broker, a platform that stores, and what the device was told is accepted."""

    run: Run
    broker: Broker
    platform: Storing
    settings: UplinkSettings
    accepted: set[str] = field(default_factory=set)
    recover_s: list[float] = field(default_factory=list)

    def start(self, **changes: Any) -> Process:
        """A device in a process of its own that opens cases as fast as it can."""
        return Process(self.run.folder, self.settings.model_copy(update=changes))

    def end(self, process: Process) -> None:
        process.kill()
        self.accepted |= set(process.accepted.values())

    def drained(self, notes: str = "") -> Outcome:
        """Let a last device deliver what waits, and hold it against what was accepted."""
        with Device(self.run.folder, self.settings) as device:
            device.connect()
            wait_for(lambda: self.platform.has(self.accepted), "all that was accepted arrives", 300)
            wait_for(lambda: device.outbox.figures().rows == 0, "the outbox is empty", 300)
            buried = len(device.dead_letters())
        require(not buried, f"{buried} events were put aside")
        return self.outcome(notes)

    def outcome(self, notes: str = "") -> Outcome:
        found = self.platform.ledger()
        return Outcome(
            times=self.run.times,
            sent=len(self.accepted),
            lost=found.lost,
            unexplained_gaps=found.unexplained_gaps,
            duplicates_absorbed=found.duplicates,
            conflicts=found.conflicts,
            recover_s=self.recover_s,
            notes=notes,
        )


@contextmanager
def street(run: Run, *options: str, **changes: Any) -> Iterator[Street]:
    """A street whose broker listens without TLS; a receipt that is late is not waited for long."""
    broker = Broker(program("mosquitto"), run.folder / "broker", *options, tls=False)
    told: dict[str, Any] = {"confirm": "platform", "receipt_timeout_s": 2, **changes}
    settings = broker.settings(**told)
    with ExitStack() as stack:
        stack.callback(broker.kill)
        broker.start()
        receipts = settings.confirm == "platform"
        platform = stack.enter_context(Storing(run.folder, broker.port, receipts=receipts))
        yield Street(run, broker, platform, settings)


@fault("sigkill-agent", group="delivery", short=2, reduced=40, full=200, needs=("mosquitto",))
def sigkill_agent(run: Run) -> Outcome:
    """What was accepted arrives, however often and whenever the device's process is killed."""
    with street(run, confirm="broker") as here:
        for _ in range(run.times):
            began_s = time.monotonic()
            process = here.start()
            wait_for(lambda: process.accepted, "the process accepts events")  # noqa: B023
            here.recover_s.append(time.monotonic() - began_s)
            time.sleep(run.random.uniform(0, 0.3))
            here.end(process)
            run.progress()
        return here.drained()


@fault("sigkill-broker", group="delivery", short=1, reduced=15, full=50, needs=("mosquitto",))
def sigkill_broker(run: Run) -> Outcome:
    """What a killed Mosquitto had acknowledged and forgot is sent again: receipts decide."""
    with street(run) as here:
        process = here.start()
        try:
            for _ in range(run.times):
                before = len(process.accepted)
                wait_for(lambda: len(process.accepted) > before, "events are accepted")  # noqa: B023
                time.sleep(run.random.uniform(0, 0.5))
                here.broker.kill()
                here.broker.start()
                last = list(process.accepted.values())[-1]
                here.recover_s.append(
                    wait_for(lambda: here.platform.has([last]), "the last before it arrives")  # noqa: B023
                )
                run.progress()
        finally:
            here.end(process)
        return here.drained()


@fault("sigkill-both", group="delivery", short=1, reduced=12, full=50, needs=("mosquitto",))
def sigkill_both(run: Run) -> Outcome:
    """Device and broker killed at the same time lose nothing that was accepted."""
    with street(run) as here:
        for _ in range(run.times):
            process = here.start()
            began_s = time.monotonic()
            wait_for(lambda: process.accepted, "the process accepts events")  # noqa: B023
            here.recover_s.append(time.monotonic() - began_s)
            time.sleep(run.random.uniform(0, 0.5))
            here.broker.kill()
            here.end(process)
            here.broker.start()
            run.progress()
        return here.drained()
