"""A PostgreSQL of the tests' own, from the machine's Debian package; without it the tests are skipped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kerbwatch_platform import store

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Postgres:
    """One server behind a socket in a folder: started, stopped at once, and started again."""

    def __init__(self, folder: Path, psql: str, server: list[str]) -> None:
        self._folder, self._server = folder, server
        self._running: subprocess.Popen[bytes] | None = None
        self.conninfo = self.address()
        self._has_template = False
        self._command = [psql, "-X", "-q", "-At", "-h", str(folder), "-U", "desk", "postgres"]
        self._command += ["-v", "ON_ERROR_STOP=1"]

    def address(self, database: str = "postgres") -> str:
        """Where a program finds a database of it: a libpq connection string."""
        return f"host={self._folder} user=desk dbname={database}"

    def start(self) -> None:
        log = self._folder / "log"
        with log.open("wb") as lines:
            self._running = subprocess.Popen(self._server, stdout=lines, stderr=lines)
        wait_until(lambda: b"ready to accept" in log.read_bytes())

    def stop(self) -> None:
        """End it at once, whoever is still connected."""
        if self._running is not None:
            self._running.send_signal(signal.SIGINT)
            self._running.wait()
            self._running = None

    def with_tables(self, name: str) -> str:
        """Make a database with the platform's tables, a copy of one that was migrated once; where it is."""
        if not self._has_template:
            self.script("CREATE DATABASE with_tables;")
            with store.connect(self.address("with_tables")) as connection:
                store.migrate(connection)
            self._has_template = True
        self.script(f"CREATE DATABASE {name} TEMPLATE with_tables;")
        return self.address(name)

    def script(self, text: str, **given: str | float) -> str:
        """Run SQL; what it prints. ``given`` stand for ``:name``."""
        told = [f"--set={name}={literal(value)}" for name, value in given.items()]
        quiet = "SET client_min_messages = warning;\n"
        done = subprocess.run(
            [*self._command, *told], input=quiet + text, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, text: str, *, path: str = "public", **given: str | float) -> list[dict[str, Any]]:
        """Run one SELECT in a schema; its rows."""
        asked = text.rstrip().removesuffix(";")
        rows = f"SELECT coalesce(json_agg(t), '[]') FROM ({asked}\n) AS t;"
        found: list[dict[str, Any]] = json.loads(
            self.script(f"SET search_path = {path};\n{rows}", **given)
        )
        return found

    def insert(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        values = [", ".join("NULL" if v is None else literal(v) for v in row) for row in rows]
        if values:
            self.script(f"INSERT INTO {table} VALUES {', '.join(f'({v})' for v in values)};")


def literal(value: str | float) -> str:
    return str(value) if isinstance(value, int | float) else "'" + value.replace("'", "''") + "'"


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Start a server for as long as the context lasts; only a durable one waits for the disk at a commit."""
    programs = {name: _program(name) for name in ("initdb", "postgres", "psql")}
    folder = Path(tempfile.mkdtemp(prefix="kerbwatch-pg-"))
    other: list[str] = []
    if os.geteuid() == 0:  # it refuses to run as root
        shutil.chown(folder, "postgres")
        other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = folder / "data"
    try:
        initdb = [programs["initdb"], "-D", str(data), "-A", "trust", "-U", "desk", "--no-sync"]
        subprocess.run([*other, *initdb, "-E", "UTF8"], check=True, capture_output=True)
        server = [*other, programs["postgres"], "-D", str(data), "-k", str(folder), "-h", ""]
        server += [] if durable else ["-F"]
        running = Postgres(folder, programs["psql"], server)
        try:
            running.start()
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]
    found = next((str(place / name) for place in places if (place / name).exists()), None)
    if found is None:
        pytest.skip(
            f"PostgreSQL's dialect is NOT tested here: there is no {name} (apt package postgresql)"
        )
    return found
