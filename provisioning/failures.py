"""What the command says and returns when something expected goes wrong.

The table names error types by their path, so that no part of the agent is imported only to be
able to catch its errors; a test proves that every one of them exists.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import click

from provisioning.wording import say

FAULT = 1
REFUSED = 3
UNREACHABLE = 4
STORAGE = 5
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Expected:
    """How one type of error leaves the command: its exit code and its headline."""

    exit_code: int
    headline: str


EXPECTED = {
    "agent.config.ConfigError": Expected(REFUSED, "errors.configuration"),
    "agent.replay.LiveCameraError": Expected(REFUSED, "errors.configuration"),
    "agent.detectors.manifest.ModelError": Expected(REFUSED, "errors.model"),
    "agent.scenarios.UnknownScenarioError": Expected(REFUSED, "errors.configuration"),
    "drivers.cameras.UnknownDriverError": Expected(REFUSED, "errors.configuration"),
    "drivers.cameras.CameraError": Expected(UNREACHABLE, "errors.camera"),
    "provisioning.failures.BrokerError": Expected(UNREACHABLE, "errors.broker"),
    "agent.database.StorageError": Expected(STORAGE, "errors.storage"),
    "builtins.ModuleNotFoundError": Expected(FAULT, "errors.missing_package"),
    "builtins.OSError": Expected(STORAGE, "errors.storage"),
}


class BrokerError(ConnectionError):
    """A broker that a command cannot do without is not to be reached."""


def expected(error: BaseException) -> Expected | None:
    """Find how an error leaves the command; None for one that is a fault of the program."""
    if isinstance(error, BrokenPipeError):
        return None
    for kind in type(error).__mro__:
        found = EXPECTED.get(f"{kind.__module__}.{kind.__qualname__}")
        if found:
            return found
    return None


def report(error: BaseException, failure: Expected) -> None:
    """Print one block on stderr: what went wrong, then the error's own facts."""
    click.echo(f"kerbwatch: {say(failure.headline)}", err=True)
    click.echo(textwrap.indent(str(error), "  "), err=True)
