"""The check's report: one page to print, to keep with the device or to send to the city's IT."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from provisioning.check.findings import SEVERITIES
from provisioning.check.names import name_of
from provisioning.console.local_time import local
from provisioning.rendering.paper import Paper
from provisioning.wording import in_words, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provisioning.check.findings import Device, Finding

_FACTS_MM, _ROWS_MM = (35, 140), (16, 24, 68, 67)


def page(device: Device, findings: Sequence[Finding]) -> bytes:
    """The page, as PDF: what is wrong first, with what to do; what is in order in a few lines.

    Raises:
        NoFontError: There is no font with Chinese on this machine.
        MissingGlyphError: It lacks a character of a finding.
    """
    paper = Paper(say("Kerbwatch: check of a device"))
    paper.table(_facts(device, findings), _FACTS_MM)
    wrong = [each for each in findings if each.severity != "ok"]
    wrong.sort(key=lambda each: -SEVERITIES.index(each.severity))
    if wrong:
        paper.heading(say("What was found"))
        paper.table((_head(), *map(_row, wrong)), _ROWS_MM)
    paper.heading(say("In order"))
    good = [each for each in findings if each.severity == "ok"]
    for each in good:
        paper.paragraph(say("{check}: {what}", check=name_of(each.check), what=each.what), 7)
    return paper.content()


def _facts(device: Device, findings: Sequence[Finding]) -> list[tuple[str, str]]:
    now = local(datetime.now(UTC), device.timezone)
    facts = [(say("Checked at"), now), (say("Software"), f"Kerbwatch {version('kerbwatch')}")]
    if device.configuration is not None:
        site = device.configuration.site
        facts = [
            (say("Device"), f"{site.tenant}/{site.device_id}"),
            (say("Address"), site.address),
            *facts,
            (say("Configuration"), device.configuration.sha256()),
        ]
    count = {name: sum(each.severity == name for each in findings) for name in SEVERITIES}
    result = say(
        "{faults} fault(s), {warnings} warning(s).",
        faults=count["fault"],
        warnings=count["warning"],
    )
    return [*facts, (say("Result"), result)]


def _head() -> tuple[str, ...]:
    return say("Severity"), say("Check"), say("Found"), say("To do")


def _row(finding: Finding) -> tuple[str, ...]:
    severities = {"fault": say("fault"), "warning": say("warning"), "note": say("note")}
    found = in_words(finding.what)
    if finding.meaning:
        found += f"\n{in_words(finding.meaning)}"
    check = in_words(name_of(finding.check))
    return (
        severities[finding.severity],
        f"{check}\n{finding.code}",
        found,
        in_words(finding.remedy) or "-",
    )
