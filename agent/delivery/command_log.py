"""Answers to the platform's commands, kept so that a repeated command is not carried out twice.

A platform repeats a command if it saw no answer, and a broker may deliver one twice. So the answers to the
newest commands that were carried out are kept, by ``command_id``; a refused one changed nothing and may be
sent again. Whoever may send commands may also flood: commands above the rate limit are answered, but nothing
is done or written for them.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from agent.concurrency.token_bucket import TokenBucket
from agent.protocol.commands import Answer
from agent.storage.command_table import answered, remember
from agent.storage.errors import StorageError
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.protocol.commands import Command
    from agent.storage.database import Database
    from drivers.clock import Clock

_log = logging.getLogger(__name__)
MAX_REMEMBERED = 1000
"""Number of answers kept, the newest."""
AT_ONCE, EACH_S = 100, 20.0
"""Commands accepted in a burst, and seconds per command after that."""


class CommandLog:
    """Makes sure that each command is carried out once. For the uplink's thread.

    Args:
        database: Where the answers are kept.
        clock: Its monotonic time is used.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._allowance = TokenBucket(AT_ONCE, AT_ONCE * EACH_S, clock)

    def answer(self, command: Command, obey: Callable[[Command], Answer]) -> Answer:
        """Carry out a command, unless it was carried out before or the rate limit is reached.

        Args:
            command: The command.
            obey: Carries it out.

        Raises:
            StorageError: The database cannot be read.
        """
        digest = hashlib.sha256(command.model_dump_json().encode()).hexdigest()
        known = self._known(command.command_id)
        if known is not None:
            if known[0] == digest:
                return Answer.model_validate_json(known[1])
            return _refusal(command, "another command has come with this command_id")
        if not self._allowance.left:
            return _refusal(command, f"too many: {AT_ONCE} at once, then one in {EACH_S:g} s")
        self._allowance.spend(1)
        answer = obey(command)
        if answer.accepted:
            self._remember(command.command_id, digest, answer)
        return answer

    def _known(self, command_id: str) -> tuple[str, str] | None:
        try:
            with closing(self._database.read()) as connection:
                return answered(connection, command_id)
        except sqlite3.Error as error:
            raise StorageError(self._database.path, reason_of(error)) from error

    def _remember(self, command_id: str, digest: str, answer: Answer) -> None:
        text = answer.model_dump_json()

        try:
            self._database.write(
                lambda connection: remember(connection, command_id, digest, text, MAX_REMEMBERED)
            ).result()
        except StorageError as error:
            # What was done is answered: a full disk costs the memory of it.
            _log.warning("a repeated command may be carried out again: %s", error)


def _refusal(command: Command, reason: str) -> Answer:
    return Answer(command_id=command.command_id, accepted=False, reason=reason)
