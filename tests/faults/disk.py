"""Databases that are damaged."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from tests.faults import stored
from tests.faults.lives import lives
from tests.faults.suite import Outcome, Run, fault, require, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.lives import Lives
    from tests.faults.platform import Storing

_AGENT = ("unshare", "mosquitto")


@fault("bit-flips", group="disk", short=1, reduced=10, full=80, needs=_AGENT)
def bit_flips(run: Run) -> Outcome:
    """Of a damaged database all that can be read arrives; what cannot is named, or reported as unknown."""
    unknown = aside = 0
    with lives(run, run.folder / "state") as device:
        platform = device.here.platform
        for _ in range(run.times):
            device.broker_is(away=True)
            with device.boot() as agent:
                agent.sees()
                device.run_on(agent, run.random.uniform(0.5, 2))
            _checkpoint(device.corner.database)
            before, kept = stored.of_a_copy(device.corner.database), _kept(device)
            damage = run.random.choice([_flip_bit, _flip_in_event, _garble_sector])
            damage(run, device.corner.database)
            with device.unit() as unit:
                device.here.recover_s.append(wait_for(device.corner.analysed, "it sees"))
                device.broker_is(away=False)
                device.accept()
                wait_for(lambda: platform.has(device.here.accepted), "all arrives")
                put_aside = _kept(device) - kept
                gone = {key for key, each in before.numbered.items() if not platform.has({each})}
                if put_aside:
                    aside, unknown = aside + 1, unknown + len(gone)
                    wait_for(partial(_told_of, platform, aside), "that it was put aside is told")
                    now_open = stored.beside(device.corner.database).open_cases
                    device.cut_short |= set(before.open_cases) - set(now_open)
                else:
                    wait_for(
                        partial(_named, platform, gone), f"{damage.__name__}: losses are named"
                    )
                bodies = [before.events[number]["body"] for _, number in gone]
                device.cut_short |= {body["case_id"] for body in bodies if "case_id" in body}
                require(not unit.ends, f"{damage.__name__}: it ended {unit.ends}")
            run.progress()
        told = f"{aside} put aside, {unknown} events with them" if aside else "none put aside"
        return device.last_boot(told)


def _kept(device: Lives) -> set[str]:
    """The damaged databases that are kept."""
    folder = device.corner.state / "quarantine"
    return {each.name for each in folder.iterdir()} if folder.exists() else set()


def _told_of(platform: Storing, times: int) -> bool:
    return platform.types["device.storage"] == times


def _named(platform: Storing, numbers: set[tuple[str, int]]) -> bool:
    return all(number in platform.named(epoch) for epoch, number in numbers)


def _checkpoint(database: Path) -> None:
    """Bring the journal's pages into the file, as the agent does from time to time."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _flip_bit(run: Run, database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[run.random.randrange(len(content))] ^= 1 << run.random.randrange(8)
    database.write_bytes(content)


def _flip_in_event(run: Run, database: Path) -> None:
    """In the text of an event that waits, wherever the file has a copy of it."""
    content = bytearray(database.read_bytes())
    event = run.random.choice(list(stored.of_a_copy(database).events.values()))
    into, bit = run.random.randrange(150), 1 << run.random.randrange(8)
    for found in re.finditer(b'"event_id":"%b"' % event["event_id"].encode(), bytes(content)):
        content[found.start() + into] ^= bit
    database.write_bytes(content)


def _garble_sector(run: Run, database: Path) -> None:
    content = bytearray(database.read_bytes())
    at = run.random.randrange(len(content) // 512) * 512
    content[at : at + 512] = run.random.choice([bytes(512), run.random.randbytes(512)])
    database.write_bytes(content)
