"""Signing in: the code under the lid, and a press of the button inside within two minutes.

A code is looked at only after a press: who is not at the unit can neither try codes nor keep others from it.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from provisioning.page import code
from provisioning.page.answers import PageError
from provisioning.page.presses import last_press_s
from wording.messages import said

if TYPE_CHECKING:
    from agent.audit import AuditLog
    from provisioning.page.lockout import Lockout
    from provisioning.page.sessions import Sessions
    from provisioning.page.setup import Setup
    from provisioning.page.visit import Visit

PRESS_S = 120.0
TOLD_EVERY_S = 60.0
"""Attempts without a press are recorded this often, with their number: they may not push out what else is there."""


class SignIn:
    """Judges attempts, one at a time; each is recorded before it is answered.

    Args:
        setup: Where the code's hash lies, and the presses.
        audit: Where attempts are recorded.
        sessions: What a right code begins.
        visit: Whether anybody may still sign in.
        lockout: Counts wrong codes.
    """

    def __init__(
        self, setup: Setup, audit: AuditLog, sessions: Sessions, visit: Visit, lockout: Lockout
    ) -> None:
        self._setup, self._audit = setup, audit
        self._sessions, self._visit, self._lockout = sessions, visit, lockout
        self._alone = threading.Lock()
        self._used_press_s = float("-inf")
        self._unpressed, self._told_s = 0, float("-inf")

    def attempt(self, typed: str, peer: str, now_s: float) -> str:
        """Try a code.

        Args:
            typed: As it was typed.
            peer: The phone's address.
            now_s: The time since boot.

        Returns:
            What the session's cookie holds.

        Raises:
            PageError: It is refused, and why.
            OSError: It could not be recorded; nobody signs in then.
        """
        with self._alone:
            self._refuse_without_press(peer, now_s)
            self._refuse_while_locked(peer, now_s)
            self._lockout.count(now_s)
            if not code.is_right(typed, self._setup.state_dir / "code.json"):
                self._audit.append(
                    "page.sign_in", peer=peer, result="wrong code", failures=self._lockout.failures
                )
                raise PageError(
                    403, "wrong_code", said("The code is wrong."), more=self._waiting(now_s)
                )
            self._lockout.forgive()
            self._refuse_when_over(peer, now_s)
            self._audit.append("page.sign_in", peer=peer, result="signed in")
            self._used_press_s = last_press_s(self._setup.root_dir)
            self._visit.begin(now_s)
            return self._sessions.begin(now_s)

    def _refuse_without_press(self, peer: str, now_s: float) -> None:
        pressed_s = last_press_s(self._setup.root_dir)
        if pressed_s > self._used_press_s and 0 <= now_s - pressed_s <= PRESS_S:
            return
        self._unpressed += 1
        if now_s - self._told_s >= TOLD_EVERY_S:
            self._audit.append(
                "page.sign_in", peer=peer, result="no press", attempts=self._unpressed
            )
            self._unpressed, self._told_s = 0, now_s
        raise PageError(
            403,
            "press_needed",
            said("Press the button inside the housing once, then sign in within two minutes."),
        )

    def _refuse_while_locked(self, peer: str, now_s: float) -> None:
        left_s = self._lockout.left_s(now_s)
        if left_s <= 0:
            return
        if now_s - self._told_s >= TOLD_EVERY_S:
            self._audit.append("page.sign_in", peer=peer, result="locked", left_s=math.ceil(left_s))
            self._told_s = now_s
        text = said(
            "Too many wrong codes. Wait {seconds} s; switching off does not shorten it.",
            seconds=math.ceil(left_s),
        )
        raise PageError(429, "locked", text, more=self._waiting(now_s))

    def _refuse_when_over(self, peer: str, now_s: float) -> None:
        why = self._visit.over(now_s)
        if not why:
            return
        self._audit.append("page.sign_in", peer=peer, result=f"visit over: {why}")
        if why == "accepted":
            text = said(
                "The device has been accepted, and the installer's rights have ended. Its operator can open "
                "another visit: `sudo kerbwatch page on --visit`."
            )
        else:
            text = said(
                "The installer's day is over. The device's operator can open another visit: "
                "`sudo kerbwatch page on --visit`."
            )
        raise PageError(403, "visit_over", text)

    def _waiting(self, now_s: float) -> dict[str, int]:
        return {"wait_s": math.ceil(self._lockout.left_s(now_s))}
