"""Power that goes at any moment, and what a card that lied about its writes leaves of a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults import stored
from tests.faults.images import NEEDS, Disk
from tests.faults.lives import lives
from tests.faults.suite import Outcome, Run, fault, require

if TYPE_CHECKING:
    from pathlib import Path


@fault(
    "power-cut",
    group="power",
    short=2,
    reduced=12,
    full=100,
    needs=(*NEEDS, "unshare", "mosquitto"),
)
def power_cut(run: Run) -> Outcome:
    """Whenever the power goes, what was accepted or told is there at the next boot, pictures too, and arrives."""
    with Disk(run.folder / "card") as disk, lives(run, disk.path / "state") as device:
        starting = 0
        for _ in range(run.times):
            away = run.random.random() < 0.5
            device.broker_is(away=away)
            in_the_start = run.random.random() < 0.25
            with device.boot() as agent:
                if in_the_start:  # before it sees anything; the first 2 s are the start here
                    device.run_on(agent, run.random.uniform(0, 2))
                    starting += 1
                else:
                    device.here.recover_s.append(agent.sees())
                    device.run_on(agent, run.random.uniform(0, 3))
                accepted = device.accept()
                if not away:  # the power takes the network along: it tells nothing after the cut
                    agent.freeze()
                image = disk.cut()  # else in the middle of whatever it writes
                told = device.here.platform.ids - device.here.accepted
            disk.boot_from(image)
            found = stored.of_a_copy(device.corner.database)
            require(not found.damage, f"the database after the cut: {found.damage[:1]}")
            missing = accepted.ids - found.ids
            require(not missing, f"{len(missing)} of {len(accepted.ids)} accepted are not there")
            require(told <= found.ids, f"{len(told - found.ids)} told are not there")
            faults = found.picture_faults(disk.path / "state" / "evidence")
            require(not faults, f"after the cut {', '.join(faults[:3])}")
            device.know(found)
            run.progress()
        with device.boot() as agent:
            device.here.recover_s.append(agent.sees())
            return device.finish(agent, f"{starting} of them while it started")


@fault("torn-journal", group="power", short=0, reduced=8, full=60, needs=("unshare", "mosquitto"))
def torn_journal(run: Run) -> Outcome:
    """A journal whose end is cut off or garbled costs what it held from there on, and nothing else."""
    given = torn = 0
    with lives(run, run.folder / "state") as device:
        for _ in range(run.times):
            device.broker_is(away=True)  # what a card forgets must not have been told to anybody
            with device.boot() as agent:
                device.here.recover_s.append(agent.sees())
                device.run_on(agent, run.random.uniform(0.5, 2))
            before = stored.of_a_copy(device.corner.database)
            _tear(run, device.corner.database)
            found = stored.of_a_copy(device.corner.database)
            given, torn = given + len(before.ids), torn + len(before.ids - found.ids)
            # What had arrived and was let go, as when an epoch ended, is there again: it was given.
            given_ever = before.ids | device.here.accepted
            require(found.ids <= given_ever, "an event that nobody gave")
            device.know(found)
            with device.boot() as agent:
                agent.sees()
                device.delivers(agent)
                device.accept()
            run.progress()
        return device.last_boot(f"{torn} of {given} events went with the torn ends")


def _tear(run: Run, database: Path) -> None:
    """Cut the journal off, or write over a part of what follows."""
    journal = database.with_name(database.name + "-wal")
    content = bytearray(journal.read_bytes())
    at = run.random.randrange(32, len(content))
    if run.random.random() < 0.5:
        del content[at:]
    else:
        content[at : at + 512] = run.random.randbytes(min(512, len(content) - at))
    journal.write_bytes(content)
