"""The platform's word: lost, late, repeated, false; and a database that is no longer what it was."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from agent.protocol.downlink import Receipt
from tests.faults.platform import Storing
from tests.faults.street import Street, street
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.topics import DEVICE, TENANT

if TYPE_CHECKING:
    from tests.support.delivering_device import Device

_NEEDS = ("mosquitto",)
_HERE = f"{TENANT}/{DEVICE}"


@fault("receipts-lost", group="receipts", short=0, reduced=10, full=60, needs=_NEEDS)
def receipts_lost(run: Run) -> Outcome:
    """Three in four receipts are lost: what none has named comes again, and is known again."""
    forgetful = partial(Storing, silent=0.75, die=run.random)
    with street(run, store=forgetful, receipt_timeout_s=0.3) as here:
        return _deliver_and_forget(here, 40)


class Muddling(Storing):
    """Says its receipts in any order, some of them again and again, and some much later."""

    def __init__(self, *arguments: Any, die: random.Random, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._shuffle, self._told = die, list[tuple[str, Receipt]]()

    def tell(self) -> None:
        self._told += self.receipts()
        for device, receipt in self._shuffle.choices(self._told, k=3):
            self.say(device, "receipts", receipt)


@fault("receipts-muddled", group="receipts", short=1, reduced=10, full=60, needs=_NEEDS)
def receipts_muddled(run: Run) -> Outcome:
    """Receipts that come late, twice, or after newer ones confirm what they name and nothing else."""
    with street(run, store=partial(Muddling, die=run.random), receipt_timeout_s=0.5) as here:
        return _deliver_and_forget(here, 40)


class Slow(Storing):
    """Has time for twenty messages in a quarter of a second."""

    commit_every_s, most_at_once = 0.25, 20


@fault("platform-slow", group="receipts", short=0, reduced=4, full=30, needs=_NEEDS)
def platform_slow(run: Run) -> Outcome:
    """A platform that falls far behind is not sent everything again and again until it drowns."""
    with street(run, store=Slow, receipt_timeout_s=0.3, pack_backlog=False) as here:
        with here.device(backlog_events_per_message=1).connect() as device:
            for _ in range(run.times):
                here.open_cases(device, 300)
                here.recover_s.append(
                    wait_for(
                        lambda: not device.waiting(), "the device knows that it is stored", 300
                    )
                )
                run.progress()
        return here.outcome("recovery: until the device knows of 300 events")


def _deliver_and_forget(here: Street, count: int) -> Outcome:
    """Deliver until the device has let go of everything: then each number must be stored."""
    with here.device().connect() as device:
        for _ in range(here.run.times):
            here.open_cases(device, here.run.random.randint(1, count))
            here.recover_s.append(
                wait_for(lambda: not device.waiting(), "the device knows that it is stored", 300)
            )
            require(here.platform.has(here.accepted), "what the device let go of is stored")
            here.run.progress()
    return here.outcome("recovery: until the device knows")


@fault("receipts-false", group="receipts", short=8, reduced=60, full=600, needs=_NEEDS)
def receipts_false(run: Run) -> Outcome:
    """What is no receipt of ours, or names what was never sent, confirms nothing and is counted."""
    mute = partial(Storing, receipts=False)
    with street(run, store=lambda folder, port, **_: mute(folder, port)) as here:
        with here.device(receipt_timeout_s=600).connect() as device:
            here.open_cases(device, 20)
            here.arrives()
            before = device.waiting()
            for index in range(run.times):
                _say(here, _false_receipt(run.random, index, device.outbox.epoch))
                wait_for(
                    lambda: device.uplink.figures.refused == index + 1,  # noqa: B023
                    "what is false is counted",
                )
                require(device.waiting() == before, "it confirms nothing")
                run.progress()
            require(device.uplink.figures.connected_since, "the connection stands")
            here.platform.tell()
            here.recover_s.append(wait_for(lambda: not device.waiting(), "a true one is heeded"))
        return here.outcome()


def _say(here: Street, text: str | bytes) -> None:
    here.platform.say(_HERE, "receipts", text)


def _false_receipt(die: random.Random, index: int, epoch: str) -> str | bytes:
    whole = {"contract": 2, "epoch": epoch, "contiguous_through": 3, "ranges": [[5, 9]]}
    text = json.dumps(whole)
    makers = (
        lambda: text[: die.randrange(len(text))],
        lambda: die.randbytes(die.randrange(1, 3000)),
        lambda: json.dumps(whole | {"epoch": f"{die.getrandbits(64):016x}"}),
        lambda: json.dumps(whole | {"contract": die.choice([0, 1, "2", None])}),
        lambda: json.dumps(whole | {"contiguous_through": die.choice([-1, 2.5, "three", None])}),
        lambda: json.dumps(whole | {"ranges": [[9, 5]]}),
        lambda: json.dumps(whole | {"ranges": [[1, 2]] * 1001}),
        lambda: json.dumps(whole | {"conflicts": die.choice([[[0, 1]], [[2]], 7])}),
    )
    return makers[index % len(makers)]()


@fault("receipt-ahead", group="receipts", short=0, reduced=6, full=40, needs=_NEEDS)
def receipt_ahead(run: Run) -> Outcome:
    """A receipt for what was never given begins one new epoch, however often it is said."""
    with street(run) as here:
        epochs = set()
        for _ in range(run.times):
            with here.device().connect() as device:
                epochs |= {device.outbox.epoch, _is_told_of_what_was_never_given(here, device)}
                _forget_the_wait(device)  # no restart does
        require(len(epochs) == run.times + 1, f"{len(epochs)} epochs of {run.times} receipts")
        return here.outcome()


def _forget_the_wait(device: Device) -> None:
    """As if a wait and a day had passed since the platform's word began an epoch."""
    device.database.write(
        lambda connection: connection.execute("DELETE FROM state WHERE name = 'uplink.epoch_limit'")
    ).result()


def _is_told_of_what_was_never_given(here: Street, device: Device) -> str:
    """The new epoch in which all arrives that is added before and after."""
    here.open_cases(device, 20)
    here.arrives()
    old = device.outbox.epoch
    _note_what_waits(here, device)
    ahead = Receipt(epoch=old, contiguous_through=here.run.random.randint(10**3, 10**9))
    for _ in range(3):
        here.platform.say(_HERE, "receipts", ahead)
    wait_for(lambda: device.outbox.epoch != old, "a new epoch begins")
    here.open_cases(device, 5)
    here.recover()
    return device.outbox.epoch


def _note_what_waits(here: Street, device: Device) -> None:
    """What waits may come under another number, in another epoch."""
    with closing(device.database.read()) as connection:
        rows = connection.execute("SELECT sequence, event_id FROM outbox")
        here.moved |= {(device.outbox.epoch, number): event_id for number, event_id in rows}


@fault("rolled-back", group="receipts", short=2, reduced=12, full=60, needs=_NEEDS)
def rolled_back(run: Run) -> Outcome:
    """A database set back to yesterday's copy gives numbers twice: both events of each arrive."""
    with street(run) as here:
        path, copy = run.folder / "device.db", run.folder / "yesterday.db"
        with here.device() as device:
            here.open_cases(device, 5)
        for index in range(run.times):
            shutil.copy(path, copy)
            with here.device().connect() as device:
                here.open_cases(device, run.random.randint(5, 40))
                here.arrives("what yesterday's copy does not know")
                _note_what_waits(here, device)
            shutil.copy(copy, path)
            for journal in run.folder.glob("device.db-*"):
                journal.unlink()
            # Fewer new events than the platform has, or more: then its receipts are not ahead.
            count = run.random.randint(1, 4) if index % 2 else run.random.randint(50, 90)
            with here.device() as device:
                here.open_cases(device, count)
                _note_what_waits(here, device)
            with here.device().connect() as device:  # a restart in between
                here.open_cases(device, 5)
                here.recover()
                _note_what_waits(here, device)
                _forget_the_wait(device)
        return here.drained()


_ODD_RESENDS: tuple[dict[str, Any], ...] = (
    {"ranges": [[9, 3]]},
    {"ranges": [[1, 10**12]]},
    {"epoch": "another"},
    {"ranges": [[10**6, 10**6 + 5]]},
)


@fault("resend-odd", group="receipts", short=0, reduced=12, full=60, needs=_NEEDS)
def resend_odd(run: Run) -> Outcome:
    """Odd and broken requests to send again are answered and counted, and what comes again is known again."""
    with street(run) as here, here.broker.platform("watcher") as watcher:
        with here.device().connect() as device:
            here.open_cases(device, 30)
            here.arrives()
            wait_for(lambda: not device.waiting(), "the device knows that it is stored")
            for index in range(run.times):
                told = {"contract": 2, "command": "resend", "command_id": f"r-{index}"}
                told |= {"epoch": device.outbox.epoch, "ranges": [[1, 20]]}
                odd = {"command_id": f"odd-{index}"} | _ODD_RESENDS[index % len(_ODD_RESENDS)]
                broken = json.dumps(told)[: run.random.randint(1, 60)]
                refused, answered = device.uplink.figures.refused, len(watcher.answers())
                for text in (json.dumps(told | odd), broken, json.dumps(told), json.dumps(told)):
                    here.platform.say(_HERE, "commands", text)
                wait_for(lambda: len(watcher.answers()) == answered + 4, "each is answered")  # noqa: B023
                found = [(each.command_id, each.status) for each in watcher.answers()[answered:]]
                require(
                    found[1:] == [(None, "malformed"), *2 * [(f"r-{index}", "done")]], f"{found}"
                )
                malformed = sum(status == "malformed" for _, status in found)
                counted = device.uplink.figures.refused - refused
                require(counted == malformed, f"{malformed} are none, {counted} are counted")
                here.open_cases(device, 1)
                here.recover()
            wait_for(lambda: not device.waiting(), "nothing waits any more", 300)
        return here.outcome()
