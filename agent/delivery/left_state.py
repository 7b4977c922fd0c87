"""The retained state that a device has left under another topic, and that nobody would ever correct again.

Version 0.1.0 published below ``kerbwatch/v1`` unless the site said otherwise; a site may say otherwise later.
What stays behind says "online" or "offline" for ever, so it is cleared at the first connection: by an empty
retained message (MQTT 5, 3.3.1.3). A broker may forbid that, some by ending the connection; so it is tried
:data:`TRIES` times, and then left.
"""

from __future__ import annotations

import json
import logging
from contextlib import closing
from typing import TYPE_CHECKING

from agent.protocol.topics import Topics
from agent.storage.epoch import was_upgraded
from agent.storage.state_table import load_state, save_state

if TYPE_CHECKING:
    from agent.storage.database import Database

_NOTED = "uplink.state_topic"
_PREFIX_OF_0_1_0 = "kerbwatch/v1"
TRIES = 3

_log = logging.getLogger(__name__)


class LeftState:
    """Knows under which topic a state was left. For the uplink's thread.

    Args:
        database: Where the topic in use is noted.
        topics: Those in use.
        default_prefix: Whether the site leaves the prefix to the agent.
    """

    def __init__(self, database: Database, topics: Topics, *, default_prefix: bool) -> None:
        self._database, self._topics = database, topics
        self._default_prefix = default_prefix

    def topic(self) -> str | None:
        """The topic to clear; None: there is none, or that was tried often enough."""
        left, tries = self._noted()
        if left is None or left == self._topics.of("state"):
            self.cleared()
            return None
        if tries >= TRIES:
            _log.warning("the state that was left on %s could not be cleared", left)
            self.cleared()
            return None
        self._note(left, tries + 1)
        return left

    def cleared(self) -> None:
        """Note that nothing is left but under the topic in use."""
        if self._noted() != (self._topics.of("state"), 0):
            self._note(self._topics.of("state"), 0)

    def _noted(self) -> tuple[str | None, int]:
        with closing(self._database.read()) as connection:
            text, upgraded = load_state(connection, _NOTED), was_upgraded(connection)
        if text is not None:
            told = json.loads(text)
            return told["topic"], told["tries"]
        if upgraded and self._default_prefix:
            topics = Topics(_PREFIX_OF_0_1_0, self._topics.tenant, self._topics.device_id)
            return topics.of("state"), 0
        return None, 0

    def _note(self, topic: str, tries: int) -> None:
        text = json.dumps({"topic": topic, "tries": tries})
        self._database.write(lambda connection: save_state(connection, _NOTED, text)).result()
