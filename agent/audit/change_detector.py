"""What has changed about a device since the log was last written to.

A configuration is edited with any editor and a certificate renewed by any script: nobody tells. So the
agent compares what it starts with, and what it finds from time to time, with what it knew, and records
what is different.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.audit.camera_address import without_secrets
from agent.audit.setting_diff import Settings, changes, happenings, leaves
from agent.concurrency.token_bucket import TokenBucket
from agent.config.renamed_keys import with_new_names
from agent.storage.lived_time import DAY_S
from drivers.clock import wall_zero_s, was_set
from drivers.disk import replace_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agent.audit.log import AuditLog
    from agent.identity.certificate_expiry import Certificate, CertificateFile
    from drivers.clock import Clock

KNOWN = "known.json"
BY_NAME = 2
"""From this version of ``known.json`` on every thing is known by its own name, and no long value is cut."""
_CUT_AT = 200
"""Number of characters of a value that older versions kept."""
STEP_S = 2.0
"""The log is about who moved the clock, and has room for a few changes a day. What a board drifts in a day
without a time source (20 ppm make 1.7 s) is set without being news."""
CLOCK_CHANGES, CLOCK_CHANGES_PERIOD_S = 10, DAY_S
"""Maximum at once and in a day: whoever can set the clock over the network must not push out other records."""

_log = logging.getLogger(__name__)


class Known(BaseModel):
    """What the log was last told of the device."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    configuration: Settings = {}
    facts: dict[str, str] = {}
    """Version, hashes and keys, by what they are of."""


class ChangeDetector:
    """Compares and records. For one thread.

    Args:
        audit: Where it is recorded.
        folder: The log's folder: what was known lies beside it.
        clock: Watched itself.
        certificate: The device's.
    """

    def __init__(
        self, audit: AuditLog, folder: Path, clock: Clock, certificate: CertificateFile
    ) -> None:
        self._audit, self._folder, self._clock = audit, folder, clock
        self._certificate = certificate
        self._known: Known | None = None
        self._clock_was = self._clock_is()
        self._clock_changes = TokenBucket(CLOCK_CHANGES, CLOCK_CHANGES_PERIOD_S, clock)

    def start(
        self, *, after: str, configuration: Mapping[str, Any], facts: Mapping[str, str]
    ) -> None:
        """A run begins.

        Args:
            after: Why it does, as the recovery counts it.
            configuration: The whole of it as JSON, as it may be shown.
            facts: Hashes and versions, each under the name of what it is of, which begins with its
                kind: ``agent version``, ``configuration``, ``key signing``, ``model …``.
        """
        known = _load(self._folder / KNOWN)
        now = Known(
            version=BY_NAME,
            configuration=dict(leaves(configuration)),
            facts=dict(facts) | _of(self._certificate.read()),
        )
        try:
            self._audit.append("agent.started", after=after, of=now.facts)
            if known is not None:
                self._tell_of(known, now)
            self._keep(now)
        except OSError as error:
            _log.warning("%s", words_of(error))

    def look(self) -> None:
        """See whether something has changed while the agent runs; called now and then."""
        try:
            self._look_at_clock()
            if self._known is not None:
                facts = self._known.facts | _of(self._certificate.read())
                now = self._known.model_copy(update={"facts": facts})
                if now != self._known:
                    self._tell_of(self._known, now)
                    self._keep(now)
        except OSError as error:
            _log.warning("%s", words_of(error))

    def reconfigured(self, configuration: Mapping[str, Any], sha256: str) -> None:
        """The run goes on with another configuration; arguments as for :meth:`start`."""
        if self._known is None:
            return
        now = self._known.model_copy(
            update={
                "configuration": dict(leaves(configuration)),
                "facts": self._known.facts | {"configuration": sha256},
            }
        )
        try:
            self._tell_of(self._known, now)
            self._keep(now)
        except OSError as error:
            _log.warning("%s", words_of(error))

    def _look_at_clock(self) -> None:
        zero_s, synchronised = self._clock_is()
        zero_was_s, synchronised_was = self._clock_was
        if synchronised == synchronised_was and not was_set(zero_was_s, zero_s, STEP_S):
            return
        if not self._clock_changes.left:
            return  # told later, as one
        self._clock_changes.spend(1)
        self._audit.append(
            "clock.changed",
            moved_ms=round((zero_s - zero_was_s) * 1000),
            was="synchronised" if synchronised_was else "unsynchronised",
        )
        self._clock_was = zero_s, synchronised

    def _clock_is(self) -> tuple[float, bool]:
        return wall_zero_s(self._clock), self._clock.synchronised

    def _tell_of(self, known: Known, now: Known) -> None:
        for name in sorted(known.facts.keys() | now.facts.keys()):
            was, is_ = known.facts.get(name), now.facts.get(name)
            if was != is_ and name != "configuration" and not _is_told_more_of(was, is_):
                kind = name.partition(" ")[0]
                self._audit.append(f"{kind}.changed", name=name, was=was, now=is_)
        before, after = _comparable(known, now)
        for each in happenings(before, after):
            self._audit.append(each.what, **each.facts)
        for rows in changes(before, after):
            self._audit.append("configuration.changed", changes=rows, more=0)

    def _keep(self, now: Known) -> None:
        """Lost with the power, a change is told twice."""
        self._known = now
        replace_file(self._folder / KNOWN, now.model_dump_json(), mode=0o600)


def _load(path: Path) -> Known | None:
    try:
        known = Known.model_validate_json(path.read_bytes())
        settings = with_new_names(without_secrets(known.configuration))
        return known.model_copy(update={"configuration": settings})
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        _log.warning("%s cannot be used: %s", path.name, type(error).__name__)
        return None


def _of(certificate: Certificate) -> dict[str, str]:
    return {} if certificate.sha256 is None else {"certificate": certificate.sha256}


def _is_told_more_of(was: str | None, now: str | None) -> bool:
    """Whether it is the same model, of which an older agent did not know the manifest."""
    return was is not None and now is not None and now.partition(" manifest ")[0] == was


def _comparable(known: Known, now: Known) -> tuple[Settings, Settings]:
    """What can be held against each other: an older agent took all zones of a camera for one.

    What it cannot have told apart is held against each other by the checksum of everything.
    """
    if known.version >= BY_NAME:
        return known.configuration, now.configuration
    before, after = (
        {at: text for at, text in each.configuration.items() if not at.startswith("zones.")}
        for each in (known, now)
    )
    for settings, facts in ((before, known.facts), (after, now.facts)):
        settings["zones and all else, checksum"] = facts.get("configuration", "")
    for at in [at for at, text in before.items() if len(text) == _CUT_AT]:
        after[at] = after.get(at, "")[:_CUT_AT]
    return before, after
