"""The thread ``control``: meets whoever wants something of the running agent, and answers.

A caller may be stuck, flood, or send anything: each has a thread of its own, which waits only so long; there are
only so many; one verb is done at a time, and then the channel rests for as long as that took. So what is asked
costs the sensing at most half of one core, and a fault here costs nothing but an answer.
"""

from __future__ import annotations

import itertools
import logging
import os
import socket
import stat
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from agent.control import frames, meeting_place
from agent.control.errors import RefusedError
from agent.control.messages.base import Answered, Asked, Words, as_header
from agent.control.verbs import Caller, table_of
from wording.harmless import harmless
from wording.known_errors import words_of
from wording.messages import said
from wording.validation import faults_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from agent.control.messages.base import Reply, Request
    from agent.control.verbs import Verb

LOOK_EVERY_S = 0.2
MOST_CALLERS, MOST_OF_ONE_USER = 4, 3
"""At once: whatever the page does, root is answered."""
MOST_NAMES = 4096
"""So many in the folder are looked at: the page may leave what it likes there, and root's may come last."""
FIRST_WITHIN_S, IDLE_S, FRAME_WITHIN_S, SEND_WITHIN_S = 5.0, 60.0, 10.0, 10.0
TURN_WITHIN_S = 30.0
MOST_FAULTS = 200
LEAST_REST_S, MOST_REST_S = 0.02, 5.0
SHUNNED_S = 30.0
"""A socket behind which nobody asked anything is called again only after this."""

_log = logging.getLogger(__name__)


class Recorder(Protocol):
    """Records what a caller has changed; raises OSError if it cannot."""

    def __call__(self, what: str, **facts: object) -> object: ...


class ControlChannel:
    """The agent's end of the local channel.

    Args:
        folder: Where callers listen (:func:`agent.control.meeting_place.folder_of`).
        verbs: What can be asked.
        record: Records what changes something.
    """

    def __init__(self, folder: Path, verbs: Iterable[Verb], record: Recorder) -> None:
        self._folder, self._verbs, self._record = folder, table_of(verbs), record
        self._turn, self._rested_s = threading.Lock(), 0.0
        self._callers: dict[str, tuple[threading.Thread, int]] = {}
        self._shunned: dict[str, float] = {}

    def open(self) -> None:
        """Let callers find the place from now on; they are answered once it runs."""
        with suppress(OSError):  # under systemd it is there, and cannot be made
            meeting_place.make_where_missing(self._folder)

    def run(self, stop: threading.Event) -> None:
        """Meet callers until stopped."""
        self.open()
        while not stop.wait(LOOK_EVERY_S):
            self._forget()
            try:
                self._look(stop)
            except OSError as error:
                _log.debug("%s cannot be read: %s", self._folder, words_of(error))
        for thread, _ in self._callers.values():
            thread.join(FRAME_WITHIN_S)

    def _forget(self) -> None:
        now_s = time.monotonic()
        self._callers = {name: each for name, each in self._callers.items() if each[0].is_alive()}
        self._shunned = {name: until for name, until in self._shunned.items() if until > now_s}

    def _look(self, stop: threading.Event) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            allowed = meeting_place.callers_allowed()
            for name, owner in _waiting(folder):
                places = [uid for _, uid in self._callers.values()]
                if len(places) >= MOST_CALLERS:
                    return
                known = name in self._callers or name in self._shunned
                if known or owner not in allowed or places.count(owner) >= MOST_OF_ONE_USER:
                    continue
                self._meet(folder, name, owner, stop)
        finally:
            os.close(folder)

    def _meet(self, folder: int, name: str, owner: int, stop: threading.Event) -> None:
        """Call one, and answer it in a thread of its own."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            line.connect(f"/proc/self/fd/{folder}/{name}")  # a path may be too long for a socket
            uid = meeting_place.uid_of_peer(line)
        except OSError:  # nobody listens any more, or somebody else calls there
            line.close()
            return
        if uid != owner:
            _log.warning("a socket of user %d is listened on by user %d: not answered", owner, uid)
            self._shunned[name] = time.monotonic() + SHUNNED_S
            line.close()
            return
        thread = threading.Thread(
            target=self._answer_all,
            args=(line, name, uid, stop),
            name=f"control {uid}",
            daemon=True,
        )
        self._callers[name] = thread, uid
        thread.start()

    def _answer_all(self, line: socket.socket, name: str, uid: int, stop: threading.Event) -> None:
        """Answer one caller until it hangs up or is too slow."""
        answered = 0
        with closing(line):
            try:
                while not stop.is_set():
                    asked = frames.receive_head(
                        line,
                        frames.MOST_ASKED_BYTES,
                        begins_within_s=IDLE_S if answered else FIRST_WITHIN_S,
                        within_s=FRAME_WITHIN_S,
                        given_up=stop.is_set,
                    )
                    frames.send(line, *self._in_turn(asked, uid, stop), SEND_WITHIN_S)
                    answered += 1
            except (frames.FrameError, OSError) as error:
                _log.debug("a caller of user %d: %s", uid, error)
            except Exception:  # noqa: BLE001 - the outermost line of a thread
                _log.exception("the channel's answer to user %d", uid)
        if not answered:
            self._shunned[name] = time.monotonic() + SHUNNED_S

    def _in_turn(self, asked: bytes, uid: int, stop: threading.Event) -> tuple[bytes, bytes]:
        """Do what one request asks when it is its turn; its head and what follows it."""
        if not self._turn.acquire(timeout=TURN_WITHIN_S):
            busy = said("the agent is busy with another request")
            return as_header(Answered(code="busy", reason=Words.of(busy))), b""
        try:
            stop.wait(self._rested_s - time.monotonic())
            began_s = time.monotonic()
            try:
                return self._answer(asked, uid)
            finally:
                ended_s = time.monotonic()
                rest_s = min(max(LEAST_REST_S, ended_s - began_s), MOST_REST_S)
                self._rested_s = ended_s + rest_s
        finally:
            self._turn.release()

    def _answer(self, asked: bytes, uid: int) -> tuple[bytes, bytes]:
        try:
            head, verb, request = self._understood(asked)
            user = head.person or meeting_place.name_of(uid)
            caller = Caller(uid, str(harmless(user)), meeting_place.kind_of(uid))
            done = self._done(verb, request, caller)
        except RefusedError as error:
            faults = [Words.of(each) for each in error.faults[:MOST_FAULTS]]
            refused = Answered(code=error.code, reason=Words.of(error.reason), faults=faults)
            return as_header(refused), b""
        reply, payload = done if isinstance(done, tuple) else (done, b"")
        body = reply.model_dump(mode="json")
        return as_header(Answered(body=body, payload_bytes=len(payload))), payload

    def _understood(self, asked: bytes) -> tuple[Asked, Verb, Request[Any]]:
        try:
            head = Asked.model_validate_json(asked)
            verb = self._verbs.get(head.verb)
            request = None if verb is None else verb.asks.model_validate(head.body)
        except ValidationError as error:
            faults = tuple(faults_of(error))[:MOST_FAULTS]
            text = said("the request does not fit: {faults}", faults=faults)
            raise RefusedError("invalid", text) from error
        if verb is None or request is None:
            text = said(
                "the agent knows no {verb!r}; it knows: {known}",
                verb=harmless(head.verb),
                known=sorted(self._verbs),
            )
            raise RefusedError("unknown_verb", text)
        return head, verb, request

    def _done(
        self, verb: Verb, request: Request[Any], caller: Caller
    ) -> Reply | tuple[Reply, bytes]:
        outcome = "failed"
        try:
            done = verb.does(request, caller)
        except RefusedError as error:
            outcome = f"refused: {error.code}"
            raise
        except Exception as error:
            _log.exception("%s failed", verb.name)
            raise RefusedError("failed", said("the agent failed at it: see its log")) from error
        else:
            outcome = "done"
            return done
        finally:
            if verb.changes:
                self._note(verb, caller, outcome)

    def _note(self, verb: Verb, caller: Caller, outcome: str) -> None:
        facts = {"verb": verb.name, "user": caller.user, "uid": caller.uid, "through": caller.by}
        try:
            self._record("control.asked", **facts, outcome=outcome)
        except OSError as error:
            _log.error("%s", words_of(error))


def _waiting(folder: int) -> Iterator[tuple[str, int]]:
    """The sockets in the folder with their owners, root's first."""
    found: list[tuple[str, int]] = []
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, MOST_NAMES):
            if not entry.name.endswith(meeting_place.SUFFIX):
                continue
            with suppress(FileNotFoundError):  # its owner has just removed it
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISSOCK(status.st_mode):
                    found.append((entry.name, status.st_uid))
    return iter(sorted(found, key=lambda each: each[1]))
