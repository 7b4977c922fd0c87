"""Where the versions of Kerbwatch lie on a device, and which of them runs.

``/opt/kerbwatch/versions/VERSION`` is a whole environment. Two links say what is what: ``active`` leads to the
one that runs, ``before`` to the one that proved itself before it. A link is changed by renaming another one
over it, so that a power cut leaves the old one or the new one.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from agent.storage.paths import DATABASE
from drivers.disk import READABLE, make_folder, sync_folder
from drivers.files import version_record
from wording.messages import said

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~_-]{0,99}")
"""What a version may be called: as Debian's versions and Python's, and nothing that leads elsewhere."""
FOR_ALL_TO_ENTER = READABLE | 0o111


class VersionError(Exception):
    """A version cannot be placed, started or left, and why."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of the versions below a root; ``/`` on a device."""

    root: Path = Path("/")

    @property
    def home(self) -> Path:
        """The folder of the two links and of the versions."""
        return self.root / "opt/kerbwatch"

    @property
    def versions(self) -> Path:
        """The folder of the environments."""
        return self.home / "versions"

    @property
    def records(self) -> Path:
        """Root's folder for what happened to versions."""
        return self.root / version_record.FOLDER.relative_to("/")

    @property
    def status(self) -> Path:
        """Where a running agent says how it is."""
        return self.root / "run/kerbwatch/status.json"

    @property
    def database(self) -> Path:
        """The agent's database."""
        return self.root / "var/lib/kerbwatch" / DATABASE

    @property
    def active(self) -> str | None:
        """The version that the units start; None: there is none."""
        return self._linked("active")

    @property
    def before(self) -> str | None:
        """The version to go back to; None: there is none but the active one."""
        found = self._linked("before")
        return None if found == self.active else found

    def known_before(self) -> str:
        """The version to go back to.

        Raises:
            VersionError: There is none.
        """
        found = self.before
        if found is None:
            raise VersionError(said("there is no version before to go back to"))
        return found

    def folder(self, version: str) -> Path:
        """The folder of a version.

        Raises:
            VersionError: It cannot be a version's name.
        """
        if not _NAME.fullmatch(version):
            raise VersionError(
                said(
                    "{version} is no name of a version: letters, digits and . + ~ _ - are allowed",
                    version=repr(version[:120]),
                )
            )
        return self.versions / version

    def installed(self) -> list[str]:
        """The versions that are there, by name."""
        try:
            found = list(self.versions.iterdir())
        except FileNotFoundError:
            return []
        return sorted(each.name for each in found if _NAME.fullmatch(each.name) and each.is_dir())

    def lead(self, link: str, version: str) -> None:
        """Let ``active`` or ``before`` lead to a version; it is on the disk when this returns.

        Raises:
            VersionError: The version is not there, or something else than a link lies in the place.
            OSError: It could not be written.
        """
        self.refuse_absent(version)
        place, half = self.home / link, self.home / f".{link}.part"
        if place.is_dir() and not place.is_symlink():
            raise VersionError(
                said("{path} is a folder; move it away, for a link belongs there", path=place)
            )
        half.unlink(missing_ok=True)
        half.symlink_to(Path("versions") / version)
        half.replace(place)
        sync_folder(self.home)

    def refuse_absent(self, version: str) -> None:
        """Refuse a version that is not there.

        Raises:
            VersionError: It names those that are.
        """
        if not self.folder(version).is_dir():
            raise VersionError(
                said(
                    "version {version} is not there; those that are: {versions}",
                    version=version,
                    versions=self.installed() or said("none"),
                )
            )

    def make(self) -> None:
        """Make the folders where there are none.

        Raises:
            OSError: They could not be made.
        """
        make_folder(self.versions, mode=FOR_ALL_TO_ENTER)
        make_folder(self.records, mode=FOR_ALL_TO_ENTER)

    def _linked(self, link: str) -> str | None:
        try:
            leads = Path(os.readlink(self.home / link))  # noqa: PTH115 - where it leads, there or not
        except OSError:
            return None
        if leads.parent != Path("versions") or not (self.home / leads).is_dir():
            return None
        return leads.name
