"""The platform's own: workers that die, PostgreSQL that stops or is set back, receipts that nobody hears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.suite import require, wait_for
from tests.platform.faults.city import on_mosquitto
from tests.platform.faults.suite import fault

if TYPE_CHECKING:
    from tests.faults.suite import Run
    from tests.platform.faults.city import City
    from tests.platform.faults.suite import Found


@fault("workers-killed", short=0, reduced=2, full=20)
def workers_killed(run: Run) -> Found:
    """Workers are killed, one or both, whatever they are about: what they had not committed comes again."""
    with on_mosquitto(run) as city:
        for _ in range(run.times):
            city.goes_on()
            struck = run.random.sample(city.workers, run.random.randint(1, len(city.workers)))
            for each in struck:
                each.kill()
            city.goes_on()
            for each in struck:
                each.start()
            city.recovers()
        return city.judged()


@fault("workers-die-at-acknowledging", short=1, reduced=2, full=20)
def workers_die_at_acknowledging(run: Run) -> Found:
    """A worker dies between its commit and its acknowledgement: what it stored comes again, and is there once."""
    with on_mosquitto(run) as city:
        for _ in range(run.times):
            city.goes_on()
            _dies_at_acknowledging(city)
            city.recovers()
        return city.judged()


def _dies_at_acknowledging(city: City) -> None:
    """One after the other, so that what comes again goes to the other."""
    for each in city.workers:
        each.kill()
    for each in city.workers:
        each.start(dies_at_acknowledging=True)
        each.wait_until_dead()
    for each in city.workers:
        each.start()


@fault("postgresql-stopped", short=0, reduced=2, full=20)
def postgresql_stopped(run: Run) -> Found:
    """PostgreSQL stops from one moment to the next: the workers wait for it, and what was committed is there."""
    with on_mosquitto(run) as city:
        for _ in range(run.times):
            city.goes_on()
            city.server.stop_at_once()
            city.goes_on()
            city.server.start()
            city.recovers()
        return city.judged()


@fault("postgresql-restored", short=1, reduced=1, full=10)
def postgresql_restored(run: Run) -> Found:
    """An old backup takes the place of the database: what it lacks is asked for again, of every device, by itself."""
    with on_mosquitto(run) as city:
        asked = 0
        for _ in range(run.times):
            copy = city.server.back_up()
            city.goes_on()
            lost = {each.name: each.know() for each in city.devices}
            city.arrives()  # so that the devices believe it to be stored
            for each in city.workers:
                each.kill()
            city.watcher.catch_up()
            city.server.stop_at_once()
            city.server.restore(copy)
            city.watcher.forget()
            city.server.start()
            asked += city.lacks(lost)
            for each in city.workers:
                each.start()
            city.recovers()
        require(asked, "the backups lacked something")
        return city.judged(notes=f"{asked} events were not in the backups")


@fault("receipts-cut", short=0, reduced=1, full=10)
def receipts_cut(run: Run) -> Found:
    """The platform may send no receipts for a while: the devices keep all, send it again, and nothing is there twice."""
    with on_mosquitto(run) as city:
        for _ in range(run.times):
            city.cut_receipts(cut=True)
            city.goes_on()
            wait_for(
                lambda: all(each.waiting() for each in city.devices), "events wait on each device"
            )
            wanted = {each.name: each.know() for each in city.devices}
            wait_for(lambda: not city.lacks(wanted), "what waits is stored all the same")  # noqa: B023
            city.cut_receipts(cut=False)
            city.recovers()
        return city.judged()
