"""A phone that asks the page at the pole as its scripts do: by HTTPS, with a session and a token against CSRF."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import ssl
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_ANSWER_WITHIN_S = 280
_MADE_WITHIN_S = 60
_LOOK_EVERY_S = 0.5


class Phone:
    """One phone, signed in once :meth:`sign_in` has been called.

    Args:
        url: The page's address, as the label says it.
        fingerprint: SHA-256 of the page's certificate, as the label says it; None: any certificate is taken.
        network: In whose network it asks; its own unless told.
    """

    def __init__(
        self,
        url: str,
        *,
        fingerprint: str | None = None,
        network: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._host = urlsplit(url).netloc
        self._fingerprint, self._network = fingerprint, network
        self._cookie, self._csrf = "", ""

    def sign_in(self, code: str) -> None:
        """Sign in with the code under the lid.

        Raises:
            click.ClickException: It is refused; the text says why.
        """
        _, headers = self._asked("/sign-in", "POST", {"code": code})
        self._cookie = headers["set-cookie"].partition(";")[0]
        view, _ = self._asked("/steps/mount")
        [self._csrf] = re.findall(r'name="csrf" content="([^"]+)"', view.decode())

    def ask(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """What the page answers as JSON; with a body it is told something."""
        told, _ = self._asked(path, method or ("GET" if body is None else "POST"), body)
        return json.loads(told)

    def fetch(self, path: str) -> bytes:
        """A picture or a paper."""
        return self._asked(path)[0]

    def until(
        self, asked: Callable[[], Any], done: Callable[[Any], object], what: str, within_s: float
    ) -> Any:
        """Ask again and again, as a view does.

        Raises:
            click.ClickException: It has not come about.
        """
        began_s = time.monotonic()
        while not done(told := asked()):
            if time.monotonic() - began_s > within_s:
                raise click.ClickException(f"not within {within_s:g} s: {what}; last: {told}")
            time.sleep(_LOOK_EVERY_S)
        return told

    def _asked(
        self, path: str, method: str = "GET", body: Any = None
    ) -> tuple[bytes, http.client.HTTPMessage]:
        """The answer; asked again, as the scripts do, while the agent is making it or begins anew."""
        began_s = time.monotonic()
        while True:
            status, told, headers = self._answered(path, method, body)
            if status == http.client.OK:
                return told, headers
            waits = b'"not_yet"' in told or (method == "GET" and b'"agent_silent"' in told)
            if not waits or time.monotonic() - began_s > _MADE_WITHIN_S:
                raise click.ClickException(f"{method} {path}: {status} {told.decode()[:1000]}")
            time.sleep(_LOOK_EVERY_S)

    def _answered(
        self, path: str, method: str, body: Any
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        sent = {"Host": self._host, "Sec-Fetch-Site": "same-origin", "Cookie": self._cookie}
        content = None
        if method != "GET":
            sent |= {"Origin": f"https://{self._host}", "X-CSRF-Token": self._csrf}
            sent["Content-Type"] = "application/json"
            content = json.dumps(body)
        with self._network():
            line = http.client.HTTPSConnection(
                self._host, context=_trusting(), timeout=_ANSWER_WITHIN_S
            )
            try:
                line.connect()
                self._compare(line.sock)
                line.request(method, path, content, sent)
                answer = line.getresponse()
                told = answer.read()
            finally:
                line.close()
        return answer.status, told, answer.headers

    def _compare(self, line: ssl.SSLSocket) -> None:
        """Who answers is who the label names."""
        shown = hashlib.sha256(line.getpeercert(binary_form=True) or b"").hexdigest()
        wanted = self._fingerprint
        if wanted and re.sub(r"[^0-9a-f]", "", wanted.lower()) != shown:
            raise click.ClickException(f"another certificate answers: SHA-256 {shown}")


def _trusting() -> ssl.SSLContext:
    """No authority vouches for the page's certificate: its fingerprint is compared instead."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
