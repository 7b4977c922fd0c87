"""Orders to a device's table of commands, as the uplink gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.delivery.commands.log import CommandLog
from agent.delivery.commands.reader import Order
from agent.delivery.commands.table import Commands
from agent.identity.authorities import Authorities, Signature
from agent.protocol.commands import Answer, Refusal, Role, signers
from agent.protocol.vectors import public_key
from tests.support.topics import DEVICE, TENANT

if TYPE_CHECKING:
    from agent.protocol.commands import Command
    from agent.runtime.housekeeping import Housekeeping
    from tests.support.state_folder import StateFolder


def answered(
    device: StateFolder, housekeeping: Housekeeping, command: Command, role: Role | None = None
) -> Answer:
    """The answer to a command, whether or not it came before; signed in a role, or in one that may order it."""
    orders = CommandLog(device.database, device.clock)
    commands = Commands(
        housekeeping.handlers,
        orders,
        housekeeping.record_order,
        lambda _: None,
        authorities=Authorities(),
        clock=device.clock,
        tenant=TENANT,
        device_id=DEVICE,
    )
    role = role or min(signers(command), default=None)
    signature = None
    if role is not None:
        signature = Signature("head.payload.signature", public_key(role).kid, frozenset({role}))
    try:
        return commands.obey(Order(command, signature))
    except Refusal as refusal:
        return refusal.answer(command.command_id)


def ordered(device: StateFolder, housekeeping: Housekeeping, command: Command) -> str | None:
    """Why a command was not done; None if it was."""
    answer = answered(device, housekeeping, command)
    assert (answer.status == "done") is (answer.code is None)
    return None if answer.status == "done" else answer.reason
