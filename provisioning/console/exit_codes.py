"""Expected errors: the message and exit code of each.

The table names error types by their path, so that no part of the agent is imported only to be
able to catch its errors; a test proves that every one of them exists.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import click

from provisioning.wording import error_in_words, in_words
from wording.messages import Said, said

FAULT = 1
REFUSED = 3
UNREACHABLE = 4
STORAGE = 5
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Expected:
    """The exit code and headline of one type of error."""

    exit_code: int
    headline: Said


EXPECTED = {
    "provisioning.commands.watch.NotRunningError": Expected(
        FAULT, said("There is nothing to watch.")
    ),
    "provisioning.commands.stored_case.UnknownCaseError": Expected(
        FAULT, said("There is nothing to explain.")
    ),
    "provisioning.card.image.CardError": Expected(FAULT, said("The card was not prepared.")),
    "provisioning.commands.units.UnitsError": Expected(
        FAULT, said("The units cannot be installed here.")
    ),
    "provisioning.versions.layout.VersionError": Expected(
        FAULT, said("The version stays as it is.")
    ),
    "provisioning.page.on_device.PageCommandError": Expected(
        FAULT, said("The page was not switched.")
    ),
    "provisioning.commands.decommission.StillNeededError": Expected(
        FAULT, said("The device was not wiped.")
    ),
    "provisioning.commands.report.NoReportError": Expected(
        FAULT, said("There is nothing to report.")
    ),
    "provisioning.packets.export.NoPacketError": Expected(
        FAULT, said("There is nothing to export.")
    ),
    "agent.runtime.instance_lock.NotAloneError": Expected(
        FAULT, said("Another agent is running here.")
    ),
    "agent.runtime.instance_lock.ForeignStateError": Expected(
        FAULT, said("The state belongs to another user.")
    ),
    "agent.control.errors.AgentSilentError": Expected(
        UNREACHABLE, said("The agent could not be asked.")
    ),
    "agent.control.errors.RefusedError": Expected(FAULT, said("The agent refused.")),
    "agent.config.faults.ConfigError": Expected(REFUSED, said("The configuration was refused.")),
    "agent.runtime.replay.LiveCameraError": Expected(
        REFUSED, said("The configuration was refused.")
    ),
    "agent.inference.manifest.ModelError": Expected(REFUSED, said("A model was refused.")),
    "agent.scenarios.UnknownScenarioError": Expected(
        REFUSED, said("The configuration was refused.")
    ),
    "drivers.cameras.UnknownDriverError": Expected(REFUSED, said("The configuration was refused.")),
    "drivers.cameras.CameraError": Expected(UNREACHABLE, said("A camera could not be used.")),
    "provisioning.console.exit_codes.BrokerError": Expected(
        UNREACHABLE, said("The broker could not be reached.")
    ),
    "agent.retention.legal_holds.HoldError": Expected(
        FAULT, said("There is no such case to hold.")
    ),
    "agent.audit.log.AuditError": Expected(STORAGE, said("The disk could not be read or written.")),
    "agent.storage.errors.StorageError": Expected(
        STORAGE, said("The disk could not be read or written.")
    ),
    "sqlite3.Error": Expected(STORAGE, said("The disk could not be read or written.")),
    "provisioning.enrolment.authority.AuthorityError": Expected(
        FAULT, said("The authority refused it.")
    ),
    "provisioning.enrolment.identity_folder.IdentityError": Expected(
        FAULT, said("The identity was not changed.")
    ),
    "provisioning.enrolment.est_client.UnreachableError": Expected(
        UNREACHABLE, said("The identity was not changed.")
    ),
    "provisioning.enrolment.est_client.EstError": Expected(
        FAULT, said("The identity was not changed.")
    ),
    "provisioning.commands.accept.NotCheckedError": Expected(FAULT, said("Nothing was accepted.")),
    "provisioning.check.fixes.FixError": Expected(FAULT, said("The fix was not carried out.")),
    "provisioning.fleet.inventory.FleetError": Expected(
        FAULT, said("The inventory was not changed.")
    ),
    "provisioning.rendering.labels.LabelError": Expected(FAULT, said("Nothing was printed.")),
    "provisioning.rendering.pdf_font.NoFontError": Expected(FAULT, said("Nothing was printed.")),
    "provisioning.rendering.pdf_font.MissingGlyphError": Expected(
        FAULT, said("Nothing was printed.")
    ),
    "provisioning.simulation.plan.PlanError": Expected(
        REFUSED, said("The simulation was refused.")
    ),
    "provisioning.simulation.fleet.FleetError": Expected(FAULT, said("The simulation ended.")),
    "builtins.ModuleNotFoundError": Expected(
        FAULT, said("A package that this needs is not installed.")
    ),
    "builtins.OSError": Expected(STORAGE, said("The disk could not be read or written.")),
}


class BrokerError(ConnectionError):
    """A broker that a command needs cannot be reached."""


def expected(error: BaseException) -> Expected | None:
    """Find how an error leaves the command; None for one that is a fault of the program."""
    if isinstance(error, BrokenPipeError):
        return None
    for kind in type(error).__mro__:
        found = EXPECTED.get(f"{kind.__module__}.{kind.__qualname__}")
        if found:
            return found
    return None


def may_be_damage(error: BaseException) -> bool:
    """Whether an error may come from files that are not as they were installed."""
    return isinstance(error, ImportError) or (
        not isinstance(error, OSError) and not expected(error)
    )


def report(error: BaseException, failure: Expected) -> None:
    """Print one block on stderr: what went wrong, then the error's own facts."""
    click.echo(f"kerbwatch: {in_words(failure.headline)}", err=True)
    click.echo(textwrap.indent(error_in_words(error), "  "), err=True)
