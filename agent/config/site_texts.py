"""The two files of a site as texts, which travel and are kept whole: what was written, comments included."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config import loading
from agent.config.site_files import SITE, ZONES, FileError, read_json, read_toml, site_file
from drivers.files.small_files import content_of, text_in

if TYPE_CHECKING:
    from agent.config.schema import Configuration


@dataclass(frozen=True, slots=True)
class SiteTexts:
    """``site.toml`` and ``zones.json``.

    Attributes:
        site: The text of the one.
        zones: The text of the other; None: there is none.
        redrawn: Whether ``zones`` stands in the place of whatever ``site`` says of zones.
    """

    site: str
    zones: str | None
    redrawn: bool = False

    @classmethod
    def of(cls, site: Path) -> SiteTexts:
        """Those of a site that is named by its folder or its file.

        Raises:
            UnreadableError: One of them cannot be read.
        """
        path = site_file(site)
        drawn = path.with_name(ZONES)
        return cls(
            text_in(content_of(path)), text_in(content_of(drawn)) if drawn.exists() else None
        )

    def sha256(self) -> str:
        """A hash of both, hexadecimal."""
        parts = (
            self.site,
            self.zones or "",
            str(self.zones is None),
            *(["redrawn"] * self.redrawn),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def read(self) -> Configuration:
        """Read them as the files are read on the device.

        Raises:
            ConfigError: With every fault.
            OSError: There is no room for them.
        """
        with tempfile.TemporaryDirectory(prefix="kerbwatch-") as folder:
            site, zones = Path(folder) / SITE, Path(folder) / ZONES
            site.write_text(self.site, encoding="utf-8")
            if self.zones is not None:
                zones.write_text(self.zones, encoding="utf-8")
            if not self.redrawn:
                return loading.load(site)
            return _redrawn(site, zones)


def _redrawn(site: Path, zones: Path) -> Configuration:
    """Read a site whose own zones do not count."""
    try:
        told, drawn = read_toml(site), read_json(zones)
    except FileError:
        return loading.load(site)  # which says what is wrong
    if told.pop("zones", None) is None or drawn.keys() != {"zones"}:
        return loading.load(site)
    return loading.from_tables({**told, "zones": drawn["zones"]}, site)
