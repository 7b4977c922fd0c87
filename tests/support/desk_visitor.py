"""Somebody at the desk without a browser: requests made by hand, with what a browser would send beside them."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, Self

import httpx

from tests.support.desk import PASSWORD, PEOPLE

if TYPE_CHECKING:
    from types import TracebackType

    from kerbwatch_platform.web.roles import Role

TOKEN = re.compile(r'<meta name="csrf" content="([^"]*)">')


class Visitor:
    """Keeps cookies and the token of the last page.

    Args:
        url: Of the desk.
        address: From which of loopback's addresses they come.
    """

    def __init__(self, url: str, address: str = "127.0.0.1") -> None:
        self.url = url
        way = httpx.HTTPTransport(local_address=address)
        told = {"accept-language": "en"}
        self.client = httpx.Client(base_url=url, transport=way, headers=told, timeout=120)
        self.token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Look at a page, and keep its token."""
        answer = self.client.get(path, headers=headers)
        found = TOKEN.search(answer.text)
        self.token = found[1] if found else self.token
        return answer

    def post(
        self, path: str, fields: dict[str, str] | None = None, **changed: Any
    ) -> httpx.Response:
        """Send a form as a page of the desk would.

        Args:
            path: Where to.
            fields: Besides the token.
            changed: ``token`` or ``origin``: other ones than a browser would send; None: none.
        """
        token, origin = changed.get("token", self.token), changed.get("origin", self.url)
        headers = {} if origin is None else {"origin": origin}
        form = dict(fields or {}) | ({} if token is None else {"csrf": token})
        return self.client.post(path, data=form, headers=headers)

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        """Sign in by the form."""
        if self.get("/sign-in").is_redirect:  # somebody is signed in here
            self.get("/about")
        answer = self.post("/sign-in", {"name": name, "password": password, "next": "/about"})
        if answer.status_code == 303:
            self.get("/about")
        return answer

    def be(self, role: Role) -> Visitor:
        """Sign in as the tests' person of a role."""
        assert self.sign_in(PEOPLE[role][0]).status_code == 303
        return self

    def cookie(self, name: str) -> str:
        """The value of one of the desk's cookies."""
        return self.client.cookies[f"kerbwatch-{name}"]


def words_of(answer: httpx.Response) -> str:
    """What a reader reads of a page."""
    body = re.sub(r"<(script|style).*?</\1>", "", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", body)).split())
