"""Which configuration holds: the site's own files, the one that was applied last, or the last good one.

What a person did last counts. An applied configuration stands in for the site's files as they were when it was
applied; if they are others now, somebody has edited them since, and they hold. Files that cannot be used were
damaged, not edited.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.config import last_known_good, loading
from agent.config.applied import Applied, AppliedConfigurations, Trial
from agent.config.faults import ConfigError
from agent.config.site_files import site_file, site_folder
from agent.config.site_texts import SiteTexts
from agent.protocol.heartbeat import AS_WRITTEN, ConfigurationHealth
from drivers.files.small_files import UnreadableError
from wording.known_errors import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from agent.config.schema import Configuration
    from drivers.clock import Clock

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration of a run, and where it comes from.

    Attributes:
        configuration: It.
        health: Whether it is the one that is written in the site's folder; for the heartbeat.
        site: The site's file.
        texts: What it was read from.
        number: Of the applied one; None: it is not one.
        trial: It is on trial; None: it is not.
        dropped: The trial that an end before its confirmation has ended; None: there was none.
        overruled: The number of the applied one that holds no more, because the site's files were edited after it.
    """

    configuration: Configuration
    health: ConfigurationHealth
    site: Path
    texts: SiteTexts
    number: int | None = None
    trial: Trial | None = None
    dropped: Trial | None = None
    overruled: int | None = None


def look(site: Path) -> InForce:
    """Which configuration the next start would come up with; changes nothing, and knows of no trial.

    Raises:
        ConfigError: None can be used.
    """
    return _found(site, None)


def of_device(site: Path) -> Configuration:
    """The configuration that the device of a site goes by, for commands that ask what it does.

    Raises:
        ConfigError: The site's own files are refused, as :func:`agent.config.loading.load` does.
    """
    loading.load(site)
    return look(site).configuration


def at_start(site: Path, clock: Clock) -> InForce:
    """Which configuration a run that begins now goes by; ends the trial of one that ended before it was confirmed.

    Args:
        site: ``site.toml`` or its folder.
        clock: For the trial's time.

    Raises:
        ConfigError: None can be used.
    """
    return _found(site, clock)


def _found(site: Path, clock: Clock | None) -> InForce:
    path, written = site_file(site).resolve(), _written(site)
    dropped = overruled = None
    for folder in _folders(site, written):
        store = AppliedConfigurations(folder)
        if clock is not None:
            tried, over = _trial(store, path, clock)
            if tried is not None:
                return tried
            dropped = dropped or over
        current = store.current
        if current is None or current.of != str(path):
            continue
        if written.texts is not None and written.texts.sha256() != current.written_sha256:
            overruled = current.number
            if clock is not None:
                _retire(store, path, current.number)
            continue
        applied = store.get(current.number)
        if applied is not None and (found := _read(applied)) is not None:
            health = _health(written.refused, applied)
            return InForce(found, health, path, applied.texts, applied.number, dropped=dropped)
    if written.configuration is not None and written.texts is not None:
        told = written.configuration, AS_WRITTEN, path, written.texts
        return InForce(*told, dropped=dropped, overruled=overruled)
    configuration, health = last_known_good.load(site)
    texts = last_known_good.texts_of(site) or SiteTexts("", None)
    return InForce(configuration, health, path, texts, dropped=dropped)


@dataclass(frozen=True, slots=True)
class _Written:
    """What the site's own files say; both None and why, where they cannot be used."""

    configuration: Configuration | None = None
    texts: SiteTexts | None = None
    refused: ConfigError | None = None


def _written(site: Path) -> _Written:
    try:
        # Texts first: where somebody writes meanwhile, what was read is newer than its hash, never older.
        texts = SiteTexts.of(site)
        return _Written(last_known_good.read_written(site), texts)
    except ConfigError as error:
        return _Written(refused=error)
    except UnreadableError as error:
        return _Written(refused=ConfigError(site_file(site), [str(error)]))


def _folders(site: Path, written: _Written) -> Iterable[Path]:
    """Where the state folder is, or may be."""
    if written.configuration is None:
        return last_known_good.places(site)
    return (site_folder(site) / written.configuration.storage.state_dir,)


def _trial(
    store: AppliedConfigurations, path: Path, clock: Clock
) -> tuple[InForce | None, Trial | None]:
    """The configuration that is on trial, if this is the start that it was promised; else the trial that is over."""
    trial, current = store.trial, store.current
    if trial is None:
        return None, None
    tried = _on_trial(store, trial, path, clock)
    if tried is not None or (current is not None and current.number == trial.number):
        return tried, None  # it had been confirmed: the power went before its end was written
    return None, trial


def _on_trial(
    store: AppliedConfigurations, trial: Trial, path: Path, clock: Clock
) -> InForce | None:
    """The configuration on trial, if this is the start that it was promised; else the trial is over."""
    meant = trial.boot_id == clock.boot_id and clock.monotonic_s() < trial.until_s
    applied = store.get(trial.number) if trial.starts_left and meant else None
    found = None if applied is None else _read(applied)
    try:
        if applied is None or found is None:
            _log.error("configuration %d was not confirmed: the one before it holds", trial.number)
            store.end_trial()
            return None
        trial = trial.model_copy(update={"starts_left": 0})
        store.begin(trial)
    except OSError as error:  # then it would be tried again and again
        _log.error("configuration %d is not tried: %s", trial.number, words_of(error))
        return None
    return InForce(found, AS_WRITTEN, path, applied.texts, applied.number, trial)


def _retire(store: AppliedConfigurations, path: Path, number: int) -> None:
    _log.warning("%s was edited after configuration %d was applied: it holds", path, number)
    try:
        store.retire()
    except OSError as error:
        _log.error("%s", words_of(error))


def _read(applied: Applied) -> Configuration | None:
    try:
        return applied.texts.read()
    except (ConfigError, OSError) as error:  # of another version of the agent, or a full disk
        _log.error("configuration %d cannot be used: %s", applied.number, words_of(error))
        return None


def _health(refused: ConfigError | None, applied: Applied) -> ConfigurationHealth:
    if refused is None:
        return AS_WRITTEN
    _log.error("%s", refused)
    named = last_known_good.named(refused)
    return ConfigurationHealth(state="last_good", kept_at=applied.at, faults=named, applied=None)
