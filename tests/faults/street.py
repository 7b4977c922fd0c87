"""What most faults strike: a device, a broker, and a platform that stores."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.platform import Storing
from tests.faults.suite import Outcome, Run, require, wait_for
from tests.support.broker import Broker
from tests.support.delivering_device import Device
from tests.support.delivering_process import Process
from tests.support.drafts import case_opened
from tests.support.ports import free_port, listens
from tests.support.programs import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.config.schema import UplinkSection
    from agent.protocol.events import Draft
    from drivers.clock import Clock

SETTLE_S = 30.0


@dataclass(slots=True, kw_only=True)
class Way:
    """A platform that stores, how a device reaches it, and what the device was told is accepted."""

    run: Run
    platform: Storing
    settings: UplinkSection
    accepted: set[str] = field(default_factory=set)
    recover_s: list[float] = field(default_factory=list)
    moved: dict[tuple[str, int], str] = field(default_factory=dict)
    """(epoch, number) → event, of what waited when its epoch ended."""

    def start(self, **changes: Any) -> Process:
        """A device in a process of its own that opens cases as fast as it can."""
        return Process(self.run.folder, self.settings.model_copy(update=changes))

    def device(self, clock: Clock | None = None, folder: str = ".", **changes: Any) -> Device:
        """A device in this process; connect it."""
        place = self.run.folder / folder
        place.mkdir(exist_ok=True)
        return Device(place, self.settings.model_copy(update=changes), clock=clock)

    def accept(self, device: Device, drafts: list[Draft]) -> None:
        device.add(drafts)
        self.accepted |= {draft.event_id for draft in drafts}

    def open_cases(self, device: Device, count: int) -> None:
        self.accept(device, [case_opened(device.clock) for _ in range(count)])

    def arrives(self, what: str = "all that was accepted") -> float:
        """Wait until everything is stored; how long that took, in seconds."""
        return wait_for(lambda: self.platform.has(self.accepted), f"{what} arrives", 300)

    def recover(self) -> None:
        """The fault is over: take the time until everything is stored."""
        self.recover_s.append(self.arrives())
        self.run.progress()

    def end(self, process: Process) -> None:
        process.kill()
        self.accepted |= set(process.accepted.values())

    def drained(self, notes: str = "") -> Outcome:
        """Let a last device deliver what waits, and hold it against what was accepted."""
        with Device(self.run.folder, self.settings) as device:
            device.connect()
            self.arrives()
            wait_for(lambda: device.outbox.figures().rows == 0, "the outbox is empty", 300)
            self._settle()
            buried = len(device.dead_letters())
        require(not buried, f"{buried} events were put aside")
        return self.outcome(notes)

    def _settle(self) -> None:
        """An outbox may be empty while the broker still holds the last: give them time to be stored.

        What is missing after that is missing, and the ledger says so.
        """
        until_s = time.monotonic() + SETTLE_S
        while self.platform.ledger(self.moved).unexplained_gaps and time.monotonic() < until_s:
            time.sleep(0.05)

    def outcome(self, notes: str = "") -> Outcome:
        found = self.platform.ledger(self.moved)
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


@dataclass(slots=True, kw_only=True)
class Street(Way):
    """The way over a broker of our own."""

    broker: Broker


@contextmanager
def street(
    run: Run,
    *options: str,
    tls: bool = False,
    store: Callable[..., Storing] = Storing,
    **changes: Any,
) -> Iterator[Street]:
    """Start a broker and a platform. A receipt that is late is not waited for long.

    Args:
        run: Whose folder and seed are used.
        options: Further lines for the broker.
        tls: Whether the device needs a certificate; the platform has a listener of its own.
        store: Another kind of platform.
        changes: Of the device's settings.
    """
    port = free_port()
    own = (f"listener {port} 127.0.0.1", "allow_anonymous true")
    broker = Broker(program("mosquitto"), run.folder / "broker", *options, *own, tls=tls)
    told: dict[str, Any] = {"confirm": "platform", "receipt_timeout_s": 2, **changes}
    settings = broker.settings(**told)
    with ExitStack() as stack:
        stack.callback(broker.kill)
        broker.start()
        wait_for(lambda: listens(port), "the platform's listener is there")
        receipts = settings.confirm == "platform"
        platform = stack.enter_context(store(run.folder, port, receipts=receipts))
        yield Street(run=run, broker=broker, platform=platform, settings=settings)
