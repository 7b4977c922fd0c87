"""A database that somebody, or the card, has let disappear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults import stored
from tests.faults.corner import busy
from tests.faults.lives import lives
from tests.faults.suite import fault, wait_for

if TYPE_CHECKING:
    from tests.faults.suite import Outcome, Run


@fault(
    "database-deleted", group="disk", short=0, reduced=3, full=30, needs=("unshare", "mosquitto")
)
def database_deleted(run: Run) -> Outcome:
    """A device whose database is gone sees, begins a new epoch, and reports what had waited as lost."""
    unknown = 0
    with lives(run, run.folder / "state", [busy()]) as device:
        here = device.here
        for index in range(run.times):
            with device.boot() as agent:
                agent.sees()
                device.accept()
                device.delivers(agent)
                device.broker_is(away=True)
                device.run_on(agent, run.random.uniform(0.5, 2))
            before = stored.of_a_copy(device.corner.database)
            for each in device.corner.database.parent.glob(f"{device.corner.database.name}*"):
                each.unlink()
            unknown += sum(not here.platform.has({each}) for each in before.ids)
            device.cut_short |= set(before.open_cases)
            device.cut_short |= {
                event["body"]["case_id"]
                for event in before.events.values()
                if "case_id" in event["body"]
            }
            with device.boot() as agent:
                here.recover_s.append(agent.sees())
                device.broker_is(away=False)
                wait_for(
                    lambda: here.platform.types["device.storage"] > index,  # noqa: B023
                    "that it was gone is told",
                )
            run.progress()
        return device.last_boot(f"{unknown} events were lost with their databases")
