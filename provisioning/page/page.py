"""What the page is made of: its parts, and who is asking."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provisioning.page.agent_calls import Agent
from provisioning.page.draft import Draft
from provisioning.page.lockout import Lockout
from provisioning.page.root_requests import Root
from provisioning.page.root_verbs import since_boot_s
from provisioning.page.sessions import Sessions
from provisioning.page.sign_in import SignIn
from provisioning.page.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from agent.audit import AuditLog
    from provisioning.page.sessions import Session
    from provisioning.page.setup import Setup


class Page:
    """The parts of one unit's page.

    Args:
        setup: Where they keep what.
        audit: Where every attempt and every change is recorded.
        now_s: The time since boot.
    """

    def __init__(
        self, setup: Setup, audit: AuditLog, now_s: Callable[[], float] = since_boot_s
    ) -> None:
        self.setup, self.audit, self.now_s = setup, audit, now_s
        now = now_s()
        self.sessions = Sessions(setup.run_dir / "session.json", now)
        self.visit = Visit(setup.state_dir / "visit.json", now)
        self.sign_in = SignIn(
            setup, audit, self.sessions, self.visit, Lockout(setup.state_dir / "failures.json", now)
        )
        self.draft = Draft(setup.state_dir / "draft.json")
        self.agent = Agent(setup.agent_run_dir)
        self.stopping = threading.Event()
        self.root = Root(setup, self.stopping)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, let through.

    Attributes:
        request: As it came.
        body: What it carries, checked; None: nothing.
        session: Of who asks; None before sign-in.
        language: In which the answer is read.
    """

    request: Request
    body: Any = None
    session: Session | None = None
    language: str = "zh_CN"
    path: dict[str, str] = field(default_factory=dict)
