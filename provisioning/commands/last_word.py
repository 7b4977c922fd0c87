"""The last event of a device: that it was taken down. Sent from its own outbox before that is wiped."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from agent.delivery.uplink import Uplink
from agent.domain.ids import RandomIds
from agent.identity.signing_key import FILE as SIGNING_KEY
from agent.identity.signing_key import Signer
from agent.protocol.events import Draft
from agent.protocol.service import Actor, DecommissionedBody
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.outbox import Outbox
from agent.storage.outbox_queries import waiting_count
from agent.storage.paths import DATABASE, KEYS
from drivers.clock import SystemClock
from drivers.files.privileges import acting_for
from provisioning.wording import error_in_words, in_words
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.config.schema import Configuration
    from agent.protocol.events import PublicKey

Reason = Literal["replaced", "relocated", "end_of_life", "end_of_contract", "damaged", "stolen"]
LINK_WITHIN_S, ALL_WITHIN_S, LOOK_EVERY_S = 20.0, 120.0, 0.1
"""How long a link may take to come about, and everything that waits to be confirmed."""


def tell_platform(
    configuration: Configuration, base: Path, reason: Reason, all_within_s: float = ALL_WITHIN_S
) -> str | None:
    """Send that the device was taken down, behind everything that still waits.

    Args:
        configuration: The site. Its agent must have been stopped.
        base: The site's folder.
        reason: Why it is taken down.
        all_within_s: How long that may take.

    Returns:
        Why the platform did not confirm it, in words; None: it did.
    """
    if configuration.uplink.broker is None:
        return in_words(said("no broker is configured"))
    state_dir = base / configuration.storage.state_dir
    path = state_dir / DATABASE
    if not path.is_file():
        return in_words(said("there is no database any more"))
    try:
        with acting_for(state_dir), Database(path) as database:
            return _delivered(configuration, base, database, reason, all_within_s)
    except (StorageError, OSError, sqlite3.Error) as error:
        return error_in_words(error)


def _delivered(
    configuration: Configuration,
    base: Path,
    database: Database,
    reason: Reason,
    all_within_s: float,
) -> str | None:
    site, clock, ids = configuration.site, SystemClock(), RandomIds()
    outbox = Outbox(
        database,
        tenant=site.tenant,
        device_id=site.device_id,
        purpose=site.purpose,
        timezone=ZoneInfo(site.timezone),
        keep_arrived=configuration.uplink.keep_arrived,
        boot_id=clock.boot_id,
    )
    uplink = Uplink(
        configuration.uplink.located(base),
        database=database,
        outbox=outbox,
        tenant=site.tenant,
        device_id=site.device_id,
        clock=clock,
        ids=ids,
        agent_version=version("kerbwatch"),
        configuration_sha256=configuration.sha256(),
        signing_key=_public_key(base / configuration.storage.state_dir / KEYS),
    )
    stop = threading.Event()
    thread = threading.Thread(target=uplink.run, args=(stop,), name="uplink", daemon=True)
    thread.start()
    try:
        # Whatever is sent is sent after the connection's birth: nothing is numbered after the last word.
        if not _comes_about(lambda: uplink.figures.sent > 0, min(LINK_WITHIN_S, all_within_s)):
            return uplink.figures.last_error or in_words(said("the broker was not reached"))
        body = DecommissionedBody(reason=reason, by=Actor(role="operator"), at=clock.now())
        draft = Draft.of_device(body, clock, ids)
        database.write(lambda connection: outbox.add(connection, draft)).result()
        arrived = _comes_about(lambda: _waiting(database) == 0, all_within_s)
        if arrived and not uplink.figures.dead_letters:
            return None
        return uplink.figures.last_error or in_words(said("it was not confirmed in time"))
    finally:
        stop.set()
        thread.join(LINK_WITHIN_S)
        outbox.end().result()


def _comes_about(condition: Callable[[], bool], within_s: float) -> bool:
    until_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until_s:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _waiting(database: Database) -> int:
    with closing(database.read()) as connection:
        return waiting_count(connection)


def _public_key(folder: Path) -> PublicKey | None:
    try:
        return Signer(folder).public if (folder / SIGNING_KEY).exists() else None
    except OSError:
        return None
