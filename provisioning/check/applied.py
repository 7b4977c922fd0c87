"""Check of what was applied: whether the site's own files are what the agent goes by, and whether a trial is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config.applied import AppliedConfigurations
from agent.config.faults import ConfigError
from agent.config.loading import load
from agent.control.proposals import settings_changed
from provisioning.check.findings import Check, Device, Finding
from provisioning.console.local_time import local
from wording.messages import said, said_many

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_NAMED = 5
"""So many differing settings are named."""


def applied(device: Device) -> Iterator[Finding]:
    """Which configuration is in force, and which is on trial."""
    if device.configuration is None:
        return
    store = AppliedConfigurations(device.base / device.configuration.storage.state_dir)
    if (trial := store.trial) is not None and device.agent is not None and device.agent.status:
        yield Finding(
            "applied",
            "warning",
            said("configuration {number} is on trial", number=trial.number),
            said("Unless it is confirmed in time, the agent goes back to the one before."),
            said("`kerbwatch apply SITE --confirm` keeps it, `--revert` goes back."),
            code="configuration_on_trial",
        )
    if device.applied is None:
        yield Finding(
            "applied", "ok", said("the site's own files are in force"), code="configuration_applied"
        )
        return
    one = store.get(device.applied)
    what = said(
        "configuration {number} is in force, applied {at} by {user}",
        number=device.applied,
        at="–" if one is None else local(one.at, device.timezone),
        user="–" if one is None else one.user,
    )
    places = _differences(device)
    if not places:
        yield Finding("applied", "ok", what, code="configuration_applied")
        return
    yield Finding(
        "applied",
        "note",
        said_many(
            "{what}; the site's own files differ in {count} setting: {places}",
            "{what}; the site's own files differ in {count} settings: {places}",
            len(places),
            what=what,
            places=places[:MAX_NAMED],
        ),
        said("What the files say of them is not in effect."),
        said("Nothing, if that is meant; `kerbwatch apply SITE` puts the files in force."),
        code="configuration_applied",
    )


def _differences(device: Device) -> list[str]:
    """Where the site's own files say something else; files that cannot be used are said by another check."""
    if device.configuration is None:
        return []
    try:
        written = load(device.site)
    except ConfigError:
        return []
    return [each.at for each in settings_changed(device.configuration, written)]


CHECKS = (Check("applied", applied),)
