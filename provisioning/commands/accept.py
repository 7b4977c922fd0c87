"""``kerbwatch accept``: checks, tests and records the acceptance of a device, and makes the form (装机验收单)."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import click

from agent.config.in_force import look
from agent.config.site_files import site_folder
from agent.control.client import call
from agent.control.errors import ControlError
from agent.control.messages.pictures import AskReference
from agent.control.messages.service import (
    AskAcceptance,
    AskTestCase,
    AskTestCaseState,
    RecordAcceptance,
)
from drivers.files.privileges import acting_for
from drivers.programs import python
from provisioning.acceptance.findings import rows_of, words_of_findings
from provisioning.acceptance.form import STAGES, form_of
from provisioning.console.exit_codes import FAULT
from provisioning.rendering.paper import Paper
from provisioning.wording import in_words, read_in, say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agent.config.schema import Configuration
    from agent.control.client import Call
    from agent.control.messages.service import AcceptanceReply, State, TearOffReply

ASK_EVERY_S, ANSWERS_WITHIN_S, CHECKED_WITHIN_S = 0.25, 60.0, 600.0
FACTS_MM, ZONES_MM, CHECKS_MM, PICTURE_MM = (42, 132), (30, 44, 32, 34, 34), (18, 40, 30, 86), 60


class NotCheckedError(RuntimeError):
    """The check of the device could not be carried out."""


def accept(
    site: Path,
    *,
    role: Any,
    person_id: str | None,
    name: str | None,
    walked: Mapping[str, State],
    wait_s: float | None,
    form: Path | None,
    language: str,
) -> int:
    """Check, test, record and sign; write the form.

    Args:
        site: As given on the command line.
        role: Who accepts.
        person_id: His id in somebody's register; it is sent.
        name: His name, for the paper alone.
        walked: What came of the walk test, by zone.
        wait_s: For so long the ticket of the test case is waited for; None: no test case.
        form: Where the form is written; None: nowhere.
        language: Of the form.

    Returns:
        0 if it is accepted, else 1.

    Raises:
        ControlError: The agent does not answer, or refused.
        NotCheckedError: The check did not come to an end.
    """
    configuration, base = look(site).configuration, site_folder(site)
    click.echo(say("Checking the device …"))
    findings = checked(site)
    with call(base / configuration.storage.run_dir) as agent:
        test_case = None if wait_s is None else _tested(agent, wait_s)
        done, _ = agent.ask(
            RecordAcceptance(
                role=role,
                person_id=person_id,
                checks=rows_of(findings),
                walked=dict(walked),
                case_id=None if test_case is None else test_case.case_id,
            ),
            timeout_s=ANSWERS_WITHIN_S,
        )
        pictures = pictures_of(agent, configuration)
    if form is not None:
        words = words_of_findings(findings, language)
        pdf = form_pdf(configuration, done, test_case, name, words, pictures, language)
        with acting_for(form.absolute().parent):
            form.write_bytes(pdf)
        click.echo(say("The form: {path}", path=form))
    _tell(done)
    return FAULT if done.state == "refused" else 0


def show(site: Path, *, as_json: bool) -> int:
    """Say how far the acceptance is.

    Returns:
        0 if it is complete, else 1.
    """
    configuration = look(site).configuration
    with call(site_folder(site) / configuration.storage.run_dir) as agent:
        done, _ = agent.ask(AskAcceptance())
    if as_json:
        click.echo(done.model_dump_json(indent=2))
    else:
        _tell(done)
    return 0 if done.state == "complete" else FAULT


def checked(site: Path) -> list[dict[str, Any]]:
    """What ``kerbwatch check`` finds, in a process of its own: as root it goes on with the agent's rights for good.

    Raises:
        NotCheckedError: It did not come to an end.
    """
    command = python("-m", "provisioning.cli", "check", str(site.absolute()), "--json")
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, check=False, timeout=CHECKED_WITHIN_S
        )
        findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise NotCheckedError(say("`kerbwatch check` did not come to an end.")) from error
    return findings


def _tested(agent: Call, wait_s: float) -> TearOffReply:
    """A test case, and how far it came when its number was there or the time was over."""
    state, _ = agent.ask(AskTestCase())
    until_s = time.monotonic() + wait_s
    while state.ticket is None and state.refused_at is None and time.monotonic() < until_s:
        time.sleep(ASK_EVERY_S)
        state, _ = agent.ask(AskTestCaseState(case_id=state.case_id))
    return state


def pictures_of(agent: Call, configuration: Configuration) -> list[bytes]:
    """The commissioning pictures that can be shown, redacted; two at most, as there is room for no more."""
    found = []
    for camera in configuration.cameras[:2]:
        try:
            _, jpeg = agent.ask(AskReference(camera_id=camera.camera_id))
        except ControlError:
            continue
        found.append(jpeg)
    return found


def form_pdf(
    configuration: Configuration,
    acceptance: AcceptanceReply,
    test_case: TearOffReply | None,
    name: str | None,
    words: Mapping[tuple[str, str | None], str],
    pictures: list[bytes],
    language: str,
) -> bytes:
    """The form as PDF, on one page.

    Raises:
        NoFontError: There is no font with Chinese on this machine.
        MissingGlyphError: It lacks a character of the address or the person's name. Of a zone's name or a finding,
            which an acceptance has fixed, it is printed by its number.
    """
    with read_in(language):
        told = form_of(configuration, acceptance, test_case=test_case, name=name, words=words)
        paper = Paper(told.title)
        paper.table(told.facts, FACTS_MM)
        paper.heading(say("Zones"))
        paper.table(told.zones, ZONES_MM, written_out=True)
        paper.heading(say("Checks"))
        if len(told.checks) > 1:
            paper.table(told.checks, CHECKS_MM, written_out=True)
        paper.paragraph(told.passed, 7)
        if pictures:
            paper.heading(say("Commissioning pictures"))
        for jpeg in pictures:
            paper.picture(jpeg, PICTURE_MM)
        paper.heading(say("Signed"))
        paper.table(told.signatures, FACTS_MM)
        return paper.content()


def _tell(done: AcceptanceReply) -> None:
    click.echo(say("Acceptance: {state}", state=STAGES[done.state]))
    if done.state == "provisional":
        click.echo(
            say(
                "The first night: {seen} of {needed} minutes seen.",
                seen=done.night_minutes,
                needed=done.night_needed,
            )
        )
    if not done.as_configured:
        click.echo(say("It was accepted with another configuration than the one that holds now."))
    for each in done.checks:
        if each.state == "failed":
            click.echo(f"✗ {in_words(each.code)} {each.subject or ''}".rstrip())
