"""The last known good configuration, used when the present one is invalid.

A device that was misconfigured remotely, or whose files were damaged by a power cut, must not stop watching:
it continues with a copy of ``site.toml`` and ``zones.json`` in the state folder, and reports that. The copy
is the text as written; it holds no secrets, as a configuration only names their files.
"""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.config import faults, loading, schema
from agent.config.site_files import ZONES, site_file
from agent.config.site_texts import SiteTexts
from agent.protocol.heartbeat import AS_WRITTEN, ConfigurationHealth
from agent.storage.paths import LAST_GOOD
from drivers.disk import replace_file
from drivers.files.privileges import read_file
from drivers.files.small_files import UnreadableError, content_of
from wording.known_errors import words_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration
    from drivers.clock import Clock

MAX_FAULTS, FAULT_CHARACTERS = 20, 300
"""Of a heartbeat; the log and ``kerbwatch check`` name all."""
_STATE_DIR = re.compile(r"""^\s*state_dir\s*=\s*["']([^"'\n]+)["']""", re.MULTILINE)

_log = logging.getLogger(__name__)


class _Copy(BaseModel):
    """The copy. ``of`` is the file that it was copied from; ``sha256`` is over both texts."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    of: str
    kept_at: datetime
    site: str
    zones: str | None
    sha256: str

    def is_whole(self) -> bool:
        return self.sha256 == SiteTexts(self.site, self.zones).sha256()


def load(site: Path) -> tuple[Configuration, ConfigurationHealth]:
    """Read a site's configuration, or else the last good one; returns which it is.

    A site without zones is valid until they are drawn. If they were drawn and their file has
    disappeared, it is not.

    Raises:
        ConfigError: It cannot be used, and there is no copy.
    """
    try:
        return read_written(site), AS_WRITTEN
    except faults.ConfigError as error:
        kept = find(site)
        if kept is None:
            raise
        configuration, kept_at = kept
        _log.error("%s", error)
        _log.error("continuing with the configuration stored at %s", kept_at.isoformat())
        told = ConfigurationHealth(
            state="last_good", kept_at=kept_at, faults=named(error), applied=None
        )
        return configuration, told


def named(error: faults.ConfigError) -> tuple[str, ...]:
    """The faults of a refused configuration as a heartbeat names them: so many, each so long."""
    return tuple(fault[:FAULT_CHARACTERS] for fault in error.faults[:MAX_FAULTS])


def read_written(site: Path) -> Configuration:
    """Read a site's configuration as written, ignoring any copy.

    Raises:
        ConfigError: It cannot be used; also if the zones that were drawn have disappeared.
    """
    configuration = loading.load(site)
    refuse_lost_drawing(site, configuration)
    return configuration


def keep(site: Path, configuration: Configuration, state_dir: Path, clock: Clock) -> bool:
    """Store the configuration with which the agent started.

    It is stored only if the copy, read again, gives the same: the files may have changed meanwhile.

    Args:
        site: ``site.toml`` or its folder.
        configuration: What it was read as.
        state_dir: Where the copy goes.
        clock: For the date.

    Returns:
        Whether it is stored now.
    """
    path = _file_of(site)
    try:
        copy = _copy_of(path, clock.now())
        if copy is None or _read(copy) != configuration:
            return False
        kept = _found(state_dir / LAST_GOOD, path)
        if kept is None or kept.sha256 != copy.sha256:  # a card is not worn for nothing
            replace_file(state_dir / LAST_GOOD, copy.model_dump_json())
    except (OSError, ValueError) as error:
        _log.warning("the configuration is not stored: %s", words_of(error))
        return False
    return True


def find(site: Path) -> tuple[Configuration, datetime] | None:
    """Find a site's last good configuration, and when it was stored; None if there is none."""
    path = _file_of(site)
    for folder in places(path):
        copy = _found(folder / LAST_GOOD, path)
        if copy is None:
            continue
        try:
            return _read(copy), copy.kept_at
        except faults.ConfigError as error:  # of another version of the agent
            _log.error("%s cannot be used any more: %s", folder / LAST_GOOD, error)
    return None


def texts_of(site: Path) -> SiteTexts | None:
    """The texts of a site's last good configuration; None if there is none."""
    path = _file_of(site)
    copies = (_found(folder / LAST_GOOD, path) for folder in places(path))
    return next((SiteTexts(copy.site, copy.zones) for copy in copies if copy is not None), None)


def refuse_lost_drawing(site: Path, configuration: Configuration) -> None:
    """Refuse a site whose drawn zones have disappeared.

    Raises:
        ConfigError: They have.
    """
    path = _file_of(site)
    if configuration.zones or path.with_name(ZONES).exists():
        return
    kept = find(path)
    if kept is not None and kept[0].zones:
        fault = said(
            "zones.json is missing; it was there at {kept_at}. Put it back, or say that there "
            'are no zones: {{"zones": []}}',
            kept_at=kept[1]
            .astimezone(ZoneInfo(kept[0].site.timezone))
            .isoformat(sep=" ", timespec="minutes"),
        )
        raise faults.ConfigError(path, [fault])


def places(site: Path) -> Iterator[Path]:
    """Where the state folder may be: by the broken file, by systemd, by default."""
    path = _file_of(site)
    try:
        told = _STATE_DIR.findall(content_of(path).decode(errors="replace"))
    except UnreadableError:
        told = []
    yield from (path.parent / each for each in told)
    yield from (Path(each) for each in os.environ.get("STATE_DIRECTORY", "").split(":") if each)
    yield schema.StorageSection().state_dir


def _found(file: Path, path: Path) -> _Copy | None:
    """The copy in a file, if it is complete and of this configuration."""
    try:
        copy = _Copy.model_validate_json(read_file(file))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        _log.warning("%s cannot be used: %s", file, type(error).__name__)
        return None
    return copy if copy.is_whole() and copy.of == str(path) else None


def _copy_of(path: Path, now: datetime) -> _Copy | None:
    texts = SiteTexts.of(path)
    return _Copy(
        of=str(path), kept_at=now, site=texts.site, zones=texts.zones, sha256=texts.sha256()
    )


def _read(copy: _Copy) -> Configuration:
    """Read it as the files are read.

    Raises:
        ConfigError: It cannot be used.
    """
    zones = None if copy.zones is None else _as_it_was_read(copy.zones)
    return SiteTexts(copy.site, zones).read()


def _as_it_was_read(zones: str) -> str:
    """Parse zones as older versions did: of a duplicate key, the last one counts."""
    try:
        return json.dumps(json.loads(zones))
    except (ValueError, RecursionError):
        return zones


def _file_of(site: Path) -> Path:
    return site_file(site).resolve()
