"""Processes that are killed: the device's, the broker's, both; and a broker that was long away."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from drivers.testing import FakeClock
from tests.faults.street import street
from tests.faults.suite import Outcome, Run, fault, wait_for
from tests.support.drafts import case_opened


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


_DAY_S, _EVENTS, _AT_ONCE = 86_400, 100_000, 1000


@fault("broker-away-a-day", group="delivery", short=0, reduced=1, full=3, needs=("mosquitto",))
def broker_away_a_day(run: Run) -> Outcome:
    """A day's 100,000 events wait for the broker and arrive when it is back, live ones first."""
    with street(run, receipt_timeout_s=60) as here:
        notes = []
        for _ in range(run.times):
            here.broker.stop()
            clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
            with here.device(clock) as device:
                device.connect()
                for _ in range(_EVENTS // _AT_ONCE):
                    here.accept(device, [case_opened(clock) for _ in range(_AT_ONCE)])
                    clock.advance(_DAY_S * _AT_ONCE / _EVENTS)
                here.broker.start()
                took_s = here.arrives("the day's events")
                wait_for(lambda: device.outbox.figures().rows == 0, "the outbox is empty")
            here.recover_s.append(took_s)
            notes.append(f"{_EVENTS / took_s:.0f}/s")
            run.progress()
        return here.outcome(f"drained at {', '.join(notes)}, stored and receipted")
