"""A desk in the tests' own process, with views of the tests' own, and somebody signed in at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
from kerbwatch_platform.web import sessions
from kerbwatch_platform.web.app import guarded
from kerbwatch_platform.web.desk import Desk

from tests.support.desk import PEOPLE, RunningDesk
from tests.support.loops import run_apart

if TYPE_CHECKING:
    from kerbwatch_platform.web.roles import Role
    from starlette.routing import Route

URL = "http://127.0.0.1"


class DeskInProcess:
    """Answers from some views; all that is around every view is around these.

    Args:
        running: Whose settings and database; it need not be served.
        views: What it answers.
    """

    def __init__(self, running: RunningDesk, views: list[Route]) -> None:
        self.running, self.desk = running, Desk(running.settings)
        self._app = guarded(self.desk, views)
        self._cookies: dict[str, str] = {}
        self.key = ""

    def close(self) -> None:
        """Let the database go."""
        self.desk.close()

    def be(self, role: Role) -> DeskInProcess:
        """Have a session of the tests' person of a role."""
        with self.running.connect() as connection:
            self.key = sessions.begin(connection, PEOPLE[role][0], "127.0.0.1", "tests")
        self._cookies = {"kerbwatch-session": self.key}
        return self

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Look at it."""
        return self._ask("GET", path, headers)

    def post(self, path: str, **headers: str) -> httpx.Response:
        """Send an empty form with the session's token."""
        token = {"x-csrf-token": sessions.csrf_of(self.key), "origin": URL}
        return self._ask("POST", path, token | headers)

    def _ask(self, method: str, path: str, headers: dict[str, Any]) -> httpx.Response:
        async def asked() -> httpx.Response:
            way = httpx.ASGITransport(app=self._app)
            told = {"accept-language": "en"} | headers
            async with httpx.AsyncClient(
                transport=way, base_url=URL, headers=told, cookies=self._cookies
            ) as client:
                return await client.request(method, path)

        return run_apart(asked())
