"""What the page asks of the running agent, over its local channel."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from agent.control.client import call
from agent.control.errors import AgentSilentError, RefusedError
from agent.control.messages.base import Reply, Request
from provisioning.page.answers import PageError
from wording.messages import said, text_of

if TYPE_CHECKING:
    from pathlib import Path

COMES_WITHIN_S = 4.0
ANSWERS_WITHIN_S = 15.0
AT_ONCE = 2
"""The agent answers one after another; a phone that asks faster waits here."""

_R = TypeVar("_R", bound=Reply)


class StatusAsItIs(Reply):
    """The agent's status unread: its classes would cost the page two megabytes."""

    status: dict[str, Any]


class AskStatusAsItIs(Request[StatusAsItIs]):
    """How are you? As :class:`agent.control.messages.status.AskStatus`."""

    verb: ClassVar[str] = "status"
    answer: ClassVar[type[Reply]] = StatusAsItIs


class Agent:
    """The agent of this device.

    Args:
        run_dir: Its ``storage.run_dir``.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._places = threading.Semaphore(AT_ONCE)

    def ask(self, request: Request[_R], timeout_s: float = ANSWERS_WITHIN_S) -> tuple[_R, bytes]:
        """Ask one thing; gives the answer, and the bytes beside it.

        Raises:
            PageError: The agent does not answer (503), or refuses (409), with its words.
        """
        if not self._places.acquire(timeout=timeout_s):
            raise PageError(503, "busy", said("The agent is busy. Try again in a moment."))
        try:
            with call(self._run_dir, comes_within_s=COMES_WITHIN_S, person="page") as line:
                return line.ask(request, timeout_s)
        except AgentSilentError as error:
            raise PageError(
                503,
                "agent_silent",
                said("The agent does not answer. It is starting, or has ended: wait a moment."),
            ) from error
        except RefusedError as error:
            faults = [("", fault) for fault in error.faults]
            raise PageError(409, error.code, text_of(error), faults=faults) from error
        finally:
            self._places.release()

    def status(self) -> dict[str, Any]:
        """How it is, as its status file says.

        Raises:
            PageError: As :meth:`ask`.
        """
        reply, _ = self.ask(AskStatusAsItIs())
        return reply.status
