"""``kerbwatch test``: sends a test case from the pole to the platform, and waits for its ticket number."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from agent.config.loading import load
from agent.config.site_files import site_folder
from agent.control.client import call
from agent.control.messages.service import AskTestCase, AskTestCaseState
from provisioning.console.exit_codes import FAULT
from provisioning.console.local_time import local
from provisioning.wording import in_words
from provisioning.wording.recovered import recovered
from provisioning.wording.vocabulary import kind_in_words
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from agent.control.client import Call
    from agent.control.messages.service import TearOffReply

ASK_EVERY_S = 0.25


def send_test(site: Path, *, wait_s: float, as_json: bool) -> int:
    """Send a test case, show each step with its time, and say how far it came.

    Args:
        site: As given on the command line.
        wait_s: For so long the ticket is waited for.
        as_json: Print the last state as JSON, and nothing else.

    Returns:
        0 if the ticket number came back, else 1.

    Raises:
        ConfigError: The site cannot be read.
        ControlError: The agent does not answer, or refused.
    """
    configuration = load(site)
    with call(site_folder(site) / configuration.storage.run_dir) as agent:
        state, _ = agent.ask(AskTestCase())
        told = _Told(configuration.site.timezone, quiet=as_json)
        state = _followed(agent, state, told, wait_s)
    if as_json:
        reached = {"reached": state.reached}
        click.echo(
            json.dumps(reached | state.model_dump(mode="json"), ensure_ascii=False, indent=2)
        )
    else:
        click.echo(in_words(outcome(state)))
    return 0 if state.ticket is not None else FAULT


def _followed(agent: Call, state: TearOffReply, told: _Told, wait_s: float) -> TearOffReply:
    """Ask again and again until nothing more is to come."""
    until_s = time.monotonic() + wait_s
    told.show(state)
    while state.ticket is None and state.refused_at is None and time.monotonic() < until_s:
        time.sleep(ASK_EVERY_S)
        state, _ = agent.ask(AskTestCaseState(case_id=state.case_id))
        told.show(state)
    return state


class _Told:
    """Shows each step once, with its time and how long after the beginning it was."""

    def __init__(self, timezone: str, *, quiet: bool) -> None:
        self._timezone, self._quiet = timezone, quiet
        self._shown: set[str] = set()

    def show(self, state: TearOffReply) -> None:
        """Show what is new."""
        if self._quiet:
            return
        for name, at, what in steps_of(state):
            if name not in self._shown:
                self._shown.add(name)
                self._line(state, at, what)

    def _line(self, state: TearOffReply, at: datetime, what: str) -> None:
        after_s = (at - state.stored_at).total_seconds()
        click.echo(f"{local(at, self._timezone)}  +{after_s:5.1f} s  {in_words(what)}")


def steps_of(state: TearOffReply) -> Iterator[tuple[str, datetime, str]]:
    """Every step that has happened: its name, when, and what it is, in the order of the way."""
    stored = said(
        "stored on the device: a test case, {kind}, zone {zone}",
        kind=kind_in_words(state.kind),
        zone=state.zone_id,
    )
    steps = (
        ("stored", state.stored_at, stored),
        ("sent", state.sent_at, said("sent to the broker")),
        ("acknowledged", state.acknowledged_at, said("the broker has it (PUBACK)")),
        ("receipted", state.receipted_at, said("the platform has stored it (receipt)")),
        ("refused", state.refused_at, said("the platform will not store it (receipt)")),
        ("ticket", state.ticket_at, said("the platform's number: {ticket}", ticket=state.ticket)),
    )
    for name, at, what in steps:
        if at is not None:
            yield name, at, what


def outcome(state: TearOffReply) -> str:
    """How far it came, and what to do if that is not all the way."""
    if state.ticket is not None:
        return said("The way works in both directions: ticket {ticket}.", ticket=state.ticket)
    if state.refused_at is not None:
        return said(
            "The platform will not store it: ask its operators, with the case's id {case_id}.",
            case_id=state.case_id,
        )
    if state.receipted_at is not None:
        return said(
            "The platform has it, and gave no number: it does not answer test cases, or this device may not read its commands."
        )
    if state.acknowledged_at is not None and state.with_receipts:
        return said("The broker has it, and the platform sent no receipt: ask whether it runs.")
    if state.acknowledged_at is not None:
        return said(
            "The broker has it. No number came: the platform does not answer test cases, or this device may not read its commands."
        )
    if state.trouble is not None:
        return said("The broker does not have it: {reason}", reason=recovered(state.trouble.said()))
    if state.sent_at is not None:
        return said("It was sent, and the broker did not acknowledge it: look at the broker's log.")
    return said("It is stored and not sent: there is no connection to the broker.")
