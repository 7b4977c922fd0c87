"""Answers to the platform's commands, kept so that a repeated command is not carried out twice.

A platform repeats a command if it saw no answer, and a broker may deliver one twice. So the answers to the
newest commands are kept, by ``command_id``, also why one was refused: one id has one answer. Only what may be sent
again later (the disk was full, there were too many) has changed nothing and is not kept. Whoever may send commands may
also flood: commands above the rate limit are answered, but nothing is done or written for them. What is signed has
ids, a rate and a memory of its own: who may only publish can neither use up an id before it is signed for something,
nor push out the memory of what was signed.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agent.concurrency.token_bucket import TokenBucket
from agent.protocol.commands import Answer, Refusal
from agent.storage.command_table import Origin, answered, remember
from agent.storage.errors import StorageError
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.delivery.commands.reader import Order
    from agent.storage.database import Database
    from drivers.clock import Clock

_log = logging.getLogger(__name__)
MAX_REMEMBERED = 1000
"""Number of answers kept, the newest; as many of signed commands."""
AT_ONCE, EACH_S = 100, 20.0
"""Commands accepted in a burst, and seconds per command after that; as many that are signed."""


class CommandLog:
    """Makes sure that each command is carried out once. For the uplink's thread.

    Args:
        database: Where the answers are kept.
        clock: Its monotonic time is used.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._allowances: dict[Origin, TokenBucket] = {
            "plain": TokenBucket(AT_ONCE, AT_ONCE * EACH_S, clock),
            "signed": TokenBucket(AT_ONCE, AT_ONCE * EACH_S, clock),
        }

    def answer(self, order: Order, obey: Callable[[Order], Answer]) -> Answer:
        """Carry out a command, unless it came before or the rate limit is reached.

        Args:
            order: The command, and who signed it.
            obey: Carries it out; raises Refusal.

        Raises:
            StorageError: The database cannot be read.
        """
        command_id = order.command.command_id
        try:
            return self._known(order) or self._obeyed(order, obey)
        except Refusal as refusal:
            return refusal.answer(command_id)

    def _obeyed(self, order: Order, obey: Callable[[Order], Answer]) -> Answer:
        allowance = self._allowances[_origin(order)]
        if not allowance.left:
            raise Refusal(
                "rate_limited",
                f"too many: {AT_ONCE} at once, then one in {EACH_S:g} s",
                wait_s=EACH_S,
            )
        allowance.spend(1)
        try:
            answer = obey(order)
        except Refusal as refusal:
            if refusal.may_come_again:
                raise
            answer = refusal.answer(order.command.command_id)
        self._remember(order, answer)
        return answer

    def _known(self, order: Order) -> Answer | None:
        """The answer that this command had when it came before; None: it did not.

        Raises:
            Refusal: Another command had this id.
            StorageError: The database cannot be read.
        """
        try:
            with closing(self._database.read()) as connection:
                known = answered(connection, _origin(order), order.command.command_id)
        except sqlite3.Error as error:
            raise StorageError(self._database.path, reason_of(error)) from error
        if known is None:
            return None
        used = Refusal("id_used", "another command has come with this command_id")
        if known[0] != _digest(order):
            raise used
        try:
            return Answer.model_validate_json(known[1])
        except ValidationError as error:  # of another version of the agent
            raise used from error

    def _remember(self, order: Order, answer: Answer) -> None:
        row = (_origin(order), order.command.command_id, _digest(order), answer.model_dump_json())

        try:
            self._database.write(
                lambda connection: remember(connection, *row, MAX_REMEMBERED)
            ).result()
        except StorageError as error:
            # What was done is answered: a full disk costs the memory of it.
            _log.warning("a repeated command may be carried out again: %s", error)


def _origin(order: Order) -> Origin:
    return "plain" if order.signature is None else "signed"


def _digest(order: Order) -> str:
    return hashlib.sha256(order.command.model_dump_json().encode()).hexdigest()
