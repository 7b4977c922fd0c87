"""``kerbwatch simulate``: many devices against a broker, what each costs, and what has arrived."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from provisioning.console.exit_codes import FAULT, INTERRUPTED
from provisioning.simulation import fleet
from provisioning.simulation.plan import (
    DISK_BYTES,
    FILES_PER_DEVICE,
    MEMORY_BYTES,
    Plan,
    plan_of,
)
from provisioning.wording import say
from provisioning.wording.case_sentences import position
from wording.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provisioning.simulation.fleet import Progress
    from provisioning.simulation.plan import Wanted

_LINE_EVERY_S = 10.0
_MB = 1_000_000


def simulate(wanted: Wanted, *, as_json: bool) -> int:
    """Simulate, and say what arrived.

    Args:
        wanted: What somebody asked for.
        as_json: Whether the result is printed as JSON; progress goes to stderr all the same.

    Returns:
        0; 1 if something was not delivered or not written; 130 if it was interrupted.

    Raises:
        PlanError: It cannot be done so.
        FleetError: A process ended by itself.
    """
    plan = plan_of(wanted)
    _tell_the_price(plan)
    shown = _Shown(plan)
    with _interruptible() as stop:
        ended = fleet.run(plan, shown.take, stop)
        is_interrupted = stop.is_set()
    click.echo(_document(plan, ended) if as_json else _in_words(plan, ended))
    if is_interrupted:
        click.echo(say("Interrupted."), err=True)
        return INTERRUPTED
    kept = ended.kept
    return FAULT if kept.waiting or kept.set_aside or kept.lost or ended.failed else 0


def _tell_the_price(plan: Plan) -> None:
    click.echo(
        say(
            "{devices} devices in {processes} process(es). One takes up to {memory:.1f} MB of memory, 2 threads, "
            "{files} open files and {disk} MB of disk; all of them {memory_all:.0f} MB and {disk_all:.0f} MB.",
            devices=plan.devices,
            processes=plan.processes,
            memory=MEMORY_BYTES / _MB,
            files=FILES_PER_DEVICE,
            disk=DISK_BYTES // _MB,
            memory_all=plan.devices * MEMORY_BYTES / _MB,
            disk_all=plan.devices * DISK_BYTES / _MB,
        ),
        err=True,
    )


class _Shown:
    """Says on stderr how far it is."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._said_s = 0.0
        self._is_measured = False

    def take(self, progress: Progress) -> None:
        """A line now and then."""
        if progress.state == "drawing" and not self._is_measured:
            self._is_measured = True
            click.echo(_measured(progress), err=True)
        elif time.monotonic() - self._said_s < _LINE_EVERY_S:
            return
        self._said_s = time.monotonic()
        if progress.state in {"making", "ready"}:
            text = say(
                "{made} of {devices} devices are there",
                made=progress.made,
                devices=self._plan.devices,
            )
        else:
            text = say(
                "{at} of {whole}: {drawn} events drawn, {confirmed} confirmed, births included; {connected} of "
                "{devices} devices connected",
                at=position(progress.at_s),
                whole=position(self._plan.for_s),
                drawn=progress.drawn,
                confirmed=progress.confirmed,
                connected=progress.connected,
                devices=self._plan.devices,
            )
        click.echo(text, err=True)


def _measured(progress: Progress) -> str:
    return say(
        "measured: one takes {memory:.2f} MB, {threads} threads, {files} open files; {cpu:.0f} ms of a processor to "
        "begin",
        memory=progress.each.memory_bytes / _MB,
        threads=progress.each.threads,
        files=progress.each.files,
        cpu=progress.each.cpu_s * 1000,
    )


def _in_words(plan: Plan, ended: Progress) -> str:
    kept = ended.kept
    lines = [
        say(
            "{events} events, births included: {arrived} delivered, {waiting} not delivered",
            events=kept.events,
            arrived=kept.arrived,
            waiting=kept.waiting,
        )
    ]
    if kept.waiting:
        lines.append(
            say(
                "What is not delivered waits in {folder}: simulate there again.", folder=plan.folder
            )
        )
    counted = (
        (kept.refused, say("{count} that the platform will not store", count=kept.refused)),
        (kept.set_aside, say("{count} that the broker refuses", count=kept.set_aside)),
        (kept.lost, say("{count} lost", count=kept.lost)),
        (ended.failed, say("{count} could not be written", count=ended.failed)),
    )
    lines += [text for count, text in counted if count]
    if ended.error is not None and kept.waiting:
        lines.append(say("A device says: {reason}", reason=harmless(ended.error)))
    if ended.late_s >= 1:
        lines.append(
            say(
                "This machine was too slow: events were drawn up to {seconds:.0f} s late.",
                seconds=ended.late_s,
            )
        )
    lines.append(
        say(
            "{cpu:.0f} s of a processor, {memory:.0f} MB of memory, {disk:.0f} MB of disk",
            cpu=ended.cpu_s,
            memory=ended.memory_bytes / _MB,
            disk=ended.disk_bytes / _MB,
        )
    )
    return "\n".join(lines)


def _document(plan: Plan, ended: Progress) -> str:
    told: dict[str, Any] = ended.as_json()
    del told["state"], told["made"], told["connected"]
    outage = plan.outage
    told |= {
        "devices": plan.devices,
        "processes": plan.processes,
        "tenant": plan.tenant,
        "seed": plan.seed,
        "rate_per_h": plan.rate_per_h,
        "for_s": plan.for_s,
        "confirm": plan.uplink.confirm,
        "outage": outage
        and {
            "at_s": outage.at_s,
            "for_s": outage.for_s,
            "hours": outage.hours,
            "devices": plan.in_region,
        },
    }
    return json.dumps(told, ensure_ascii=False, indent=2)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """A flag that Ctrl-C and SIGTERM set; a second Ctrl-C ends it at once."""
    stop = threading.Event()

    def end(*_: object) -> None:
        if not stop.is_set():
            click.echo(say("ending: the devices hang up and close their outboxes …"), err=True)
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
