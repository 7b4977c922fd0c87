"""A PostgreSQL of the desk's own: data in its folder, reached by a socket there and by nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.local.postgresql_programs import programs
from kerbwatch_platform.local.supervisor import Program
from kerbwatch_platform.local.users import somebody_else
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kerbwatch_platform.local.folder import Folder
    from kerbwatch_platform.local.postgresql_programs import Programs
    from kerbwatch_platform.local.users import User

NAME = "postgresql"
_LOGIN, _DATABASE = "desk", "desk"
_LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path, on Linux: ``unix(7)``."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Its folder, the programs for it, and as whom they run (None: as we do)."""

    folder: Path
    programs: Programs
    user: User | None

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def database(self) -> str:
        """How it is reached, as libpq has it."""
        return _reached(self.folder, _DATABASE)

    @property
    def program(self) -> Program:
        """The server: only this machine, only who may enter the folder, and every commit on the disk."""
        options = {"listen_addresses": "", "unix_socket_permissions": "0700", "timezone": "UTC"}
        told = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = (self.programs.postgres, "-D", str(self._data), "-k", str(self.folder), *told)
        # SIGINT: "fast": it ends sessions and writes all down; SIGTERM would wait for the sessions.
        return Program(
            NAME,
            command,
            rank=0,
            ends_by=signal.SIGINT,
            patience_s=60.0,
            user=self.user,
            folder=self.folder,
        )

    def ready(self) -> bool:
        """Whether it answers, and has our database."""
        try:
            with psycopg.connect(
                _reached(self.folder, "postgres"), connect_timeout=5, autocommit=True
            ) as connection:
                asked = "SELECT 1 FROM pg_database WHERE datname = %s"
                if connection.execute(asked, (_DATABASE,)).fetchone() is None:
                    connection.execute(
                        sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE))
                    )
        except psycopg.OperationalError:  # it is starting, or recovers
            return False
        return True

    def prepare(self) -> None:
        """Make the data's folder, if there is none.

        Raises:
            DeskError: It cannot be made.
        """
        if not (self._data / "PG_VERSION").exists():
            self._make()

    def _make(self) -> None:
        # Nobody but its user, and root, comes to the socket: trust asks for no password there.
        command = [self.programs.initdb, "-D", str(self._data), "-A", "trust", "-U", _LOGIN]
        command += ["-E", "UTF8", "--no-locale", "--data-checksums"]
        told: dict[str, object] = {}
        if self.user is not None:
            told = {"user": self.user.uid, "group": self.user.gid, "extra_groups": []}
        done = subprocess.run(  # type: ignore[call-overload]
            command, capture_output=True, text=True, check=False, cwd=self.folder, **told
        )
        if done.returncode:
            raise DeskError(
                tell("PostgreSQL could not make its data in {folder}:", folder=self._data)
                + f"\n{done.stderr.strip()}"
            )


def database_in(folder: Folder) -> str:
    """How the desk's PostgreSQL is reached, whether or not it is there yet."""
    return _reached(folder.postgresql, _DATABASE)


def _reached(folder: Path, database: str) -> str:
    return make_conninfo(host=str(folder), user=_LOGIN, dbname=database)


def cluster(folder: Folder, say: Callable[[str], object]) -> Cluster:
    """The desk's PostgreSQL, ready to be started.

    Raises:
        DeskError: There is none, or it cannot work there.
    """
    place = folder.postgresql
    if len(os.fsencode(place / ".s.PGSQL.5432")) > _LONGEST_SOCKET:
        raise DeskError(
            tell(
                "the name {folder} is too long for a socket in it ({most} bytes in all): "
                "name a shorter one with --data",
                folder=place,
                most=_LONGEST_SOCKET,
            )
        )
    place.mkdir(mode=0o700, exist_ok=True)
    user = somebody_else("postgres")
    if user is not None:
        user.own(place)
    found = programs(folder.programs, _version_of(place), say)
    made = Cluster(place, found, user)
    made.prepare()
    return made


def _version_of(place: Path) -> int | None:
    """Of which PostgreSQL the data are; None: there are none."""
    try:
        return int((place / "data" / "PG_VERSION").read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
