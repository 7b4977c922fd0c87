"""The page in a process of its own, with its code known and its button pressed."""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers.disk import replace_file
from provisioning.page.code import keep
from provisioning.page.presses import PRESSED
from provisioning.page.root_verbs import since_boot_s
from tests.support.paths import ROOT

CODE = "7K3MQ-9XW2T"


@dataclass
class Answer:
    """What the page answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class PageProcess:
    """A running page: where it is, and a phone that asks it.

    Attributes:
        folder: The site's folder: the agent's ``run`` lies in it.
        cookies: What the phone keeps.
        csrf: What it has read from a view.
    """

    folder: Path
    process: subprocess.Popen[str]
    host: str
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    def press(self) -> None:
        """Press the button inside."""
        press(self.folder)

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Ask as a browser on this page does."""
        sent = {"Host": self.host, "Sec-Fetch-Site": "same-origin"}
        if method != "GET":
            sent |= {"Origin": self.url, "X-CSRF-Token": self.csrf}
            sent["Content-Type"] = "application/json"
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        line = http.client.HTTPSConnection(self.host, context=trusting(), timeout=60)
        content = raw if raw is not None else None if method == "GET" else json.dumps(body or {})
        line.request(method, path, content, sent | (headers or {}))
        response = line.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        for cookie in response.headers.get_all("set-cookie") or []:
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        line.close()
        return answer

    def sign_in(self, code: str = CODE) -> Answer:
        """Press the button and sign in."""
        self.press()
        answer = self.ask("/sign-in", "POST", {"code": code})
        if answer.status == 200:
            view = self.ask("/steps/mount").body.decode()
            found = re.search(r'name="csrf" content="([^"]+)"', view)
            assert found is not None
            self.csrf = found.group(1)
        return answer

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=60)


def press(folder: Path) -> None:
    """Note a press as root does."""
    replace_file(folder / "root" / PRESSED, str(since_boot_s()), durable=False)


def trusting() -> ssl.SSLContext:
    """Takes any certificate, as somebody does who has compared its fingerprint."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def run_page(folder: Path) -> PageProcess:
    """Start the page beside an agent whose ``run_dir`` is ``run`` of the folder."""
    keep(CODE, folder / "page" / "code.json")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "provisioning.page", "--try", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if found := re.fullmatch(r"https://(\S+)/\n", line):
            return PageProcess(folder, process, found.group(1))
    raise AssertionError(f"the page did not start: {told}")


@pytest.fixture
def start_page(tmp_path: Path) -> Iterator[Callable[[], PageProcess]]:
    """Starts the page below ``tmp_path``; what still runs when the test ends is ended."""
    started: list[PageProcess] = []

    def start() -> PageProcess:
        started.append(run_page(tmp_path))
        return started[-1]

    yield start
    for page in started:
        page.end()
