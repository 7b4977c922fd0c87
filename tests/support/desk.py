"""A desk that is served by the command, on a database of a real PostgreSQL, and people at it.

One PostgreSQL for a process of tests, one database and one desk for a file, one browser for a process.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg
from kerbwatch_platform import store
from kerbwatch_platform.settings import Settings, load
from kerbwatch_platform.web import accounts
from kerbwatch_platform.web.passwords import Passwords
from kerbwatch_platform.web.roles import Role
from playwright.sync_api import expect

from tests.support.paths import ROOT
from tests.support.phone import phone_of
from tests.support.ports import free_port, listens
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.support.postgres import Postgres

PASSWORD = "three crows on a wire"
DESKTOP = {"width": 1440, "height": 900}
PEOPLE = {
    Role.VIEWER: ("viewer", "查看员 01"),
    Role.REVIEWER: ("reviewer", "坐席 07"),
    Role.ADMINISTRATOR: ("administrator", "值班长 01"),
}
_databases = itertools.count()


def press(page: Page, key: str) -> None:
    """Press a key once what listens to keys is there."""
    page.wait_for_load_state()
    page.keyboard.press(key)


@dataclass(slots=True)
class RunningDesk:
    """A desk in a process of its own.

    Attributes:
        folder: Where its settings and evidence lie.
        database: libpq connection string of its database, migrated; nothing but accounts is in it.
        settings_file: What it was started with.
        port: Where it answers, on loopback.
    """

    folder: Path
    database: str
    settings_file: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Settings:
        """What its settings say."""
        return load(self.settings_file)

    def connect(self) -> psycopg.Connection:
        """A connection to its database."""
        return store.connect(self.database)

    def sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement; its rows."""
        with self.connect() as connection:
            done = connection.execute(text.encode(), values or None)
            return done.fetchall() if done.description else []

    def command(self, *words: str) -> str:
        """What a command of the platform prints."""
        status, said = self.tried(*words)
        assert status == 0, said
        return said

    def tried(self, *words: str) -> tuple[int, str]:
        """Exit code of a command, and what it says; of one that fails, what it says is wrong."""
        done = subprocess.run(
            self._words(*words), cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr if done.returncode else done.stdout

    def start(self) -> None:
        """Serve."""
        self.process = subprocess.Popen(self._words("web"), cwd=ROOT)
        wait_until(lambda: listens(self.port) or self._ended())
        assert not self._ended(), "the desk ended at once"

    def end(self) -> int:
        """End it as the system does; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()

    def person(self, role: Role, name: str, person: str = "坐席 99") -> str:
        """Make one more account with the tests' password; its name."""
        with self.connect() as connection:
            token = accounts.make(connection, name, person, role, "administrator")
            accounts.use_link(connection, token, hashed_password(), name="", person="")
        return name

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def _words(self, *words: str) -> list[str]:
        told = ["--settings", str(self.settings_file)]
        return [sys.executable, "-m", "kerbwatch_platform", *told, *words]

    @contextmanager
    def browser(
        self, chromium: Browser, role: Role | None = None, *, phone: bool = False, **told: Any
    ) -> Iterator[Page]:
        """A page at the desk in a browser of its own (Chinese unless told otherwise), signed in as a role."""
        shape: dict[str, Any] = {"language": "zh-CN"}
        if not phone:
            shape |= {"viewport": DESKTOP, "has_touch": False, "is_mobile": False}
        with phone_of(chromium, **shape | told) as page:
            if role is not None:
                self.sign_in(page, role)
            yield page

    def sign_in(self, page: Page, role: Role) -> None:
        """Sign in by the form."""
        page.goto(f"{self.url}/sign-in")
        page.locator("#name").fill(PEOPLE[role][0])
        page.locator("#password").fill(PASSWORD)
        page.locator("main button.main").click()
        expect(page.locator(".who")).to_be_visible()


def new_desk(postgres: Postgres, folder: Path) -> RunningDesk:
    """Make a database, its tables and a person of each role; the desk is not started."""
    name = f"desk_{os.getpid()}_{next(_databases)}"
    database, port = postgres.with_tables(name), free_port()
    settings = folder / "settings.toml"
    settings.write_text(
        f'database = "{database}"\nbroker = "mqtt://127.0.0.1:1"\nevidence_folder = "{folder / "evidence"}"\n'
        f'signing_key_file = "{folder / "key.pem"}"\n[web]\nport = {port}\n',
        encoding="utf-8",
    )
    desk = RunningDesk(folder, database, settings, port)
    for role, (account, person) in PEOPLE.items():
        desk.person(role, account, person)
    return desk


@cache
def hashed_password() -> str:
    """The tests' password as the desk keeps it."""
    return Passwords().hash(PASSWORD)
