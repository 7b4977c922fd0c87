"""Orders to a device's table of commands, as the uplink gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.delivery.command_log import CommandLog
from agent.delivery.commands import Commands

if TYPE_CHECKING:
    from agent.protocol.commands import Command
    from agent.runtime.housekeeping import Housekeeping
    from tests.support.state_folder import StateFolder


def ordered(device: StateFolder, housekeeping: Housekeeping, command: Command) -> str | None:
    """Why a command was not done; None if it was."""
    orders = CommandLog(device.database, device.clock)
    commands = Commands(housekeeping.handlers, orders, housekeeping.record_order, lambda _: None)
    answer = commands.obey(command)
    assert answer.accepted is (answer.reason is None)
    return answer.reason
