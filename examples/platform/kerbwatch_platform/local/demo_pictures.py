"""Asks the desk's own device for what does not come by itself: how each case began, and the place after it.

A reviewer asks a real device for them, one by one and with a reason. Nobody real is on a drawn street, so that
whoever looks at the demo sees begin and after side by side without having asked.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING

import psycopg

from kerbwatch_platform import store
from kerbwatch_platform.evidence import asking
from kerbwatch_platform.evidence.keeping import Own

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Settings

BY = "demo"
"""In the place of an account: none has this name and a person behind it."""
REASON = "演示：渲染的街景，画面中没有真人 (demo: a drawn street, nobody real is in it)"
EVERY_S = 2.0
_MOST = 20
"""Asked for at once: a device refuses more than it can have waiting."""
_LACKING = """
SELECT DISTINCT n.case_id, n.sha256 FROM evidence_named n JOIN evidence_record r USING (tenant, device, event_id)
WHERE (n.tenant, n.device) = (%(tenant)s, %(device)s) AND n.role IN ('begin', 'after') AND n.sha256 IS NOT NULL
  AND r.fault IS NULL AND r.received_at > now() - interval '1 hour'
  AND NOT EXISTS (SELECT 1 FROM evidence_file f
    WHERE (f.tenant, f.device, f.sha256) = (n.tenant, n.device, n.sha256))
  AND NOT EXISTS (SELECT 1 FROM outgoing o WHERE (o.tenant, o.device) = (n.tenant, n.device)
    AND o.created_at > now() - interval '2 hours' AND o.command->>'sha256' = n.sha256)
LIMIT %(most)s
"""
_log = logging.getLogger(__name__)


def ask_for_what_lacks(
    connection: psycopg.Connection, settings: Settings, tenant: str, device: str
) -> int:
    """Ask once for each picture that is not here and was not asked for; how many those were.

    Raises:
        OSError: The platform's key cannot be read.
    """
    asked = {"tenant": tenant, "device": device, "most": _MOST}
    found = connection.execute(_LACKING, asked).fetchall()
    for case_id, sha256 in found:
        asking.ask(connection, settings, Own(tenant, device, sha256), case_id, reason=REASON, by=BY)
    return len(found)


def run(settings: Settings, tenant: str, device: str) -> None:
    """Ask every few seconds, until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(EVERY_S):
        try:
            with store.connect(settings.database) as connection:
                ask_for_what_lacks(connection, settings, tenant, device)
        except psycopg.OperationalError as error:
            _log.warning("the database does not answer: %s", error)
