"""``kerbwatch check``: runs all checks of a device, and shows what they found.

A check is a function that gives findings, named in the ``CHECKS`` of one file of this folder.
"""

from __future__ import annotations

import grp
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from agent.config import in_force, last_known_good
from agent.config.faults import ConfigError
from agent.config.loading import load
from agent.config.site_files import site_folder
from drivers.files.privileges import acting_for, become_keeper_of
from provisioning.check import (
    applied,
    broker,
    broker_rights,
    cameras,
    machine,
    rights,
    running_agent,
    seeding,
    software,
    speed,
    storage,
    systemd,
    this_device,
    versions,
)
from provisioning.check.findings import Device, Finding, carry_out, worst
from provisioning.check.names import name_of
from provisioning.check.report import page as report_page
from provisioning.console.exit_codes import FAULT
from provisioning.wording import CHINESE, ENGLISH, in_language, in_words, say
from wording.harmless import harmless_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from provisioning.check.findings import Check

CHECKS: Sequence[Check] = (
    *software.CHECKS,
    *applied.CHECKS,
    *versions.CHECKS,
    *seeding.CHECKS,
    *running_agent.CHECKS,
    *speed.CHECKS,
    *rights.CHECKS,
    *machine.CHECKS,
    *systemd.CHECKS,
    *storage.CHECKS,
    *cameras.CHECKS,
    *broker.CHECKS,
    *broker_rights.CHECKS,
)
_MARKS = {"ok": "✓", "note": "·", "warning": "!", "fault": "✗"}
_COLOURS = {"ok": "green", "note": None, "warning": "yellow", "fault": "red"}


def check(site: Path, *, as_json: bool, strict: bool, report: Path | None = None) -> int:
    """Carry out all checks and show what they found, as it is found.

    Args:
        site: As given on the command line.
        as_json: Print the findings as JSON.
        strict: A warning counts as a fault.
        report: Where to write a page to print (PDF); None: nowhere.

    Returns:
        0 if the device can do its work, 1 if there is a fault (or, if ``strict``, a warning).
    """
    file = None
    if report is not None:  # opened while root may still write there, with its keeper's rights
        with acting_for(report.absolute().parent):
            file = report.open("wb")
    device = device_of(site)
    findings: list[Finding] = []
    for each in CHECKS:
        found = carry_out(each, device)
        findings += found
        if not as_json:
            for finding in found:
                _show(finding)
    if file is not None:
        with file:
            file.write(report_page(device, findings))
    severity = worst(findings)
    passed = severity in {"ok", "note"} or (severity == "warning" and not strict)
    if as_json:
        _print(findings, passed=passed)
    else:
        counts = {name: sum(each.severity == name for each in findings) for name in _MARKS}
        click.echo("")
        click.echo(
            say(
                "{faults} fault(s), {warnings} warning(s).",
                faults=counts["fault"],
                warnings=counts["warning"],
            )
        )
    return 0 if passed else FAULT


def device_of(site: Path) -> Device:
    """What is to be checked, with the agent's own rights from here on.

    Root could do what the agent cannot, and would follow whatever the agent's user put into his folders.
    """
    base = site_folder(site)
    configuration, refused = None, None
    try:
        configuration = load(site)
        places = [base / configuration.storage.state_dir]
    except ConfigError as error:
        refused, places = error, list(last_known_good.places(site))
    groups = [*_groups_of_unit(), site.stat().st_gid]
    for place in places:
        become_keeper_of(place, groups)
    if configuration is not None:
        try:
            last_known_good.refuse_lost_drawing(site, configuration)
        except ConfigError as error:
            refused = error
    applied = None
    try:
        found = in_force.look(site)  # what was applied last, or what the agent kept
        configuration, applied = found.configuration, found.number
    except ConfigError as error:
        configuration, refused = None, refused or error
    agent = None if configuration is None else this_device.look(site, base, configuration)
    return Device(site, base, configuration, agent, refused, applied)


def _groups_of_unit() -> Iterator[int]:
    """Those that own cameras and pins, as the unit has them."""
    for name in ("video", "gpio"):
        with suppress(KeyError):
            yield grp.getgrnam(name).gr_gid


def _show(finding: Finding) -> None:
    mark = click.style(_MARKS[finding.severity], fg=_COLOURS[finding.severity])
    what = say("{check}: {what}", check=check_in_words(finding.check), what=finding.what)
    click.echo(f"{mark} {what}")
    if finding.meaning:
        click.echo(f"    {in_words(finding.meaning)}")
    if finding.remedy:
        click.echo("    " + say("To do: {remedy}", remedy=finding.remedy))
    if finding.fix:
        click.echo("    " + say("`kerbwatch check SITE --fix {name}` does it.", name=finding.fix))


def check_in_words(name: str) -> str:
    """A check's name for people."""
    return in_words(name_of(name))


def _print(findings: list[Finding], *, passed: bool) -> None:
    rows = [
        {
            "check": each.check,
            "severity": each.severity,
            # Programs read the same in any language.
            "what": each.what,
            "meaning": each.meaning,
            "remedy": each.remedy,
            "code": each.code,
            "subject": each.subject,
            "fix": each.fix,
            # And for people, whose page may be in another language than this process.
            "words": {
                wanted: {
                    "check": in_language(name_of(each.check), wanted),
                    "what": in_language(each.what, wanted),
                    "meaning": in_language(each.meaning, wanted),
                    "remedy": in_language(each.remedy, wanted),
                }
                for wanted in (CHINESE, ENGLISH)
            },
        }
        for each in findings
    ]
    told = json.dumps({"passed": passed, "findings": rows}, ensure_ascii=False, indent=2)
    click.echo(harmless_json(told))
