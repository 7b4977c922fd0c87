"""Asks the running agent: for ``kerbwatch`` commands and for the page.

with call(run_dir) as agent:
    reply, payload = agent.ask(AskStatus())
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from agent.control import frames, meeting_place
from agent.control.errors import AgentSilentError, RefusedError
from agent.control.messages.base import Answered, Asked, Reply, as_header
from drivers.files.privileges import open_folder
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.control.messages.base import Request

COMES_WITHIN_S = 5.0
"""The agent looks five times a second; on a busy Pi it may be late."""
ANSWERS_WITHIN_S = 30.0

MOST_NAMES = 64
"""With more in the folder somebody leaves them there to keep others from the agent: root removes what is not root's."""

_R = TypeVar("_R", bound=Reply)
_umask = threading.Lock()


class Call:
    """An open line to the agent; for one thread."""

    def __init__(self, line: socket.socket, person: str | None) -> None:
        self._line, self._person = line, person

    def ask(self, request: Request[_R], timeout_s: float = ANSWERS_WITHIN_S) -> tuple[_R, bytes]:
        """Ask one thing, and wait for the answer and what follows it.

        Raises:
            RefusedError: The agent refused; its words say why.
            AgentSilentError: It hung up, did not answer in time, or answered what nobody understands.
        """
        asked = Asked(verb=request.verb, person=self._person, body=request.model_dump(mode="json"))
        try:
            frames.send(self._line, as_header(asked), b"", timeout_s)
            told = frames.receive_head(
                self._line,
                frames.MOST_ANSWERED_BYTES,
                begins_within_s=timeout_s,
                within_s=timeout_s,
            )
            head = Answered.model_validate_json(told)
            if head.code is not None:
                reason = head.reason.said() if head.reason is not None else head.code
                raise RefusedError(head.code, reason, [each.said() for each in head.faults])
            payload = frames.receive_payload(self._line, head.payload_bytes, timeout_s)
            return request.answer.model_validate(head.body), payload  # type: ignore[return-value]
        except (frames.FrameError, OSError, ValidationError) as error:
            raise AgentSilentError(
                said("the agent did not answer: it has ended or is too busy; ask again")
            ) from error


@contextmanager
def call(
    run_dir: Path, *, comes_within_s: float = COMES_WITHIN_S, person: str | None = None
) -> Iterator[Call]:
    """Wait for the running agent to come, and keep the line open for a ``with`` block.

    Args:
        run_dir: The site's ``storage.run_dir``, absolute.
        comes_within_s: So long is waited for it.
        person: Who asks, for the audit log; None: the user, of ``sudo`` the one before it.

    Raises:
        AgentSilentError: No agent came.
        RefusedError: This user may not ask.
    """
    folder = meeting_place.folder_of(run_dir)
    try:
        descriptor = open_folder(folder)
        agent_uid = run_dir.stat().st_uid
    except FileNotFoundError as error:
        raise AgentSilentError.nobody_came(folder, 0.0) from error
    except OSError as error:
        raise _forbidden(folder, error) from error
    try:
        with _answered(folder, descriptor, agent_uid, comes_within_s) as line:
            yield Call(line, person or _asking_person())
    finally:
        os.close(descriptor)


@contextmanager
def _answered(
    folder: Path, descriptor: int, agent_uid: int, within_s: float
) -> Iterator[socket.socket]:
    """The line that the agent has called on."""
    if os.geteuid() == 0:
        _clear_away(descriptor)
    name = f"{os.getpid()}-{secrets.token_hex(6)}{meeting_place.SUFFIX}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listening:
        try:
            _bind(listening, f"/proc/self/fd/{descriptor}/{name}")
        except OSError as error:
            raise _forbidden(folder, error) from error
        try:
            listening.listen(1)
            line = _accepted(listening, agent_uid, within_s)
        finally:
            with suppress(OSError):
                os.unlink(name, dir_fd=descriptor)
    if line is None:
        raise AgentSilentError.nobody_came(folder, within_s)
    with closing(line):
        yield line


def _accepted(listening: socket.socket, agent_uid: int, within_s: float) -> socket.socket | None:
    until_s = time.monotonic() + within_s
    while (left_s := until_s - time.monotonic()) > 0:
        listening.settimeout(left_s)
        try:
            line, _ = listening.accept()
        except TimeoutError:
            return None
        if meeting_place.uid_of_peer(line) == agent_uid:
            return line
        line.close()  # somebody else who would like to be the agent
    return None


def _bind(listening: socket.socket, path: str) -> None:
    """Bind so that the folder's group, which is the agent's, may call: the mode comes of the umask alone."""
    with _umask:
        before = os.umask(0o117)
        try:
            listening.bind(path)
        finally:
            os.umask(before)


def _clear_away(descriptor: int) -> None:
    """Remove sockets of processes that are no more: the agent itself cannot."""
    names = os.listdir(descriptor)
    for name in names:
        with suppress(OSError):
            if len(names) > MOST_NAMES:
                left = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_uid != 0
            else:
                number = name.partition("-")[0]
                left = (
                    name.endswith(meeting_place.SUFFIX)
                    and number.isdecimal()
                    and not Path("/proc", number).exists()
                )
            if left:
                os.unlink(name, dir_fd=descriptor)


def _asking_person() -> str | None:
    if os.geteuid() == 0 and (behind := os.environ.get("SUDO_USER")):
        return behind[:128]
    try:
        return getpass.getuser()[:128]
    except (KeyError, OSError):
        return None


def _forbidden(folder: Path, error: OSError) -> RefusedError:
    return RefusedError(
        "forbidden",
        said(
            "the agent cannot be asked from here: {folder}: {reason}; use sudo",
            folder=folder,
            reason=reason_of(error),
        ),
    )
