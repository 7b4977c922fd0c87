"""Findings of a check: severity, meaning and remedy; and running one check in bounded time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from wording.known_errors import reason_of
from wording.messages import Said, said

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.faults import ConfigError
    from agent.config.schema import Configuration
    from provisioning.check.this_device import AgentHere

Severity = Literal["ok", "note", "warning", "fault"]
SEVERITIES: tuple[Severity, ...] = ("ok", "note", "warning", "fault")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        check: The check's name, stable for programs.
        severity: ``ok``; ``note``, worth knowing; ``warning``, it will work but not well or not
            for long; ``fault``, the device cannot do its work like this.
        what: What was found.
        meaning: What that means for the device. Empty where all is well.
        remedy: What to do. Empty where nothing need be done.
        code: What was looked at, stable for programs, whatever was found of it; a word of the contract
            (:class:`agent.protocol.service.Check`).
        subject: The camera, model, channel or unit that was looked at; None: the whole device.
        fix: The name of a safe fix that helps (:mod:`provisioning.check.fixes`); None: there is none.
    """

    check: str
    severity: Severity
    what: str
    meaning: str = ""
    remedy: str = ""
    code: str = field(kw_only=True)
    subject: str | None = field(default=None, kw_only=True)
    fix: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Device:
    """What is being checked.

    Attributes:
        site: As given on the command line.
        base: The folder that relative paths start from.
        configuration: What the agent goes by; None if there is nothing. Checks that need it are left
            out then.
        agent: What is known of the agent of this machine; None without a configuration.
        refused: Why the files in place cannot be used; None if they can.
        applied: The number of the configuration that was applied and is in force; None: the files are.
    """

    site: Path
    base: Path
    configuration: Configuration | None
    agent: AgentHere | None = None
    refused: ConfigError | None = None
    applied: int | None = None

    @property
    def timezone(self) -> str | None:
        """The site's; None where that is not known."""
        return None if self.configuration is None else self.configuration.site.timezone


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, for how long it may take, and whether it needs a configuration."""

    name: str
    work: Callable[[Device], Iterator[Finding]]
    limit_s: float = 20.0
    needs_configuration: bool = True


def carry_out(check: Check, device: Device) -> list[Finding]:
    """Run one check in bounded time; one that breaks or hangs is a finding by itself."""
    if check.needs_configuration and device.configuration is None:
        what = said("skipped: the configuration cannot be used")
        return [Finding(check.name, "note", what, code="check_carried_out", subject=check.name)]
    found: queue.Queue[Finding | None] = queue.Queue()

    def work() -> None:
        try:
            for each in check.work(device):
                found.put(each)
        except Exception as error:  # noqa: BLE001 - the outermost line of a thread
            found.put(_broken(check, error))
        found.put(None)

    # A daemon: a driver that hangs for good must not keep the command from ending.
    threading.Thread(target=work, name=f"check {check.name}", daemon=True).start()
    findings: list[Finding] = []
    while True:
        try:
            each = found.get(timeout=check.limit_s)
        except queue.Empty:
            return [*findings, _hanging(check)]
        if each is None:
            return findings
        findings.append(each)


def _broken(check: Check, error: Exception) -> Finding:
    return Finding(
        check.name,
        "fault",
        said(
            "the check itself failed: {kind}: {reason}",
            kind=type(error).__name__,
            reason=reason_of(error),
        ),
        said("What was checked is in an unexpected state."),
        said("Keep this text and report it."),
        code="check_carried_out",
        subject=check.name,
    )


def _hanging(check: Check) -> Finding:
    return Finding(
        check.name,
        "fault",
        said("no result within {seconds:g} s", seconds=check.limit_s),
        said("If a device or the network hangs here, the agent would hang as well."),
        said("Check cables and power of the devices involved; then restart this device."),
        code="check_carried_out",
        subject=check.name,
    )


def worst(findings: list[Finding]) -> Severity:
    """The worst severity among them; ``ok`` if there are none."""
    return max((each.severity for each in findings), key=SEVERITIES.index, default="ok")


__all__ = ["Check", "Device", "Finding", "Said", "Severity", "carry_out", "worst"]
