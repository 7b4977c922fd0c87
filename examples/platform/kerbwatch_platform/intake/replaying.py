"""Taking once more what a broker's stream has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerbwatch_platform.intake.worker import Worker
from kerbwatch_platform.settings import Limits

if TYPE_CHECKING:
    import threading

    from kerbwatch_platform.settings import Settings
    from kerbwatch_platform.transports.replay import ReplayTransport

_WAIT_S = 0.2
_NO_LIMIT = Limits(burst_messages=10**12, messages_per_s=1e9, burst_bytes=10**15, bytes_per_s=1e12)
"""A replay is the platform's own haste: nothing of it is left to the devices."""


def take_again_from(settings: Settings, transport: ReplayTransport, stop: threading.Event) -> int:
    """Take everything until where the stream ended when this began, or ``stop`` is set; how many messages.

    What is there already is absorbed; what is new is told to the devices as ever.
    """
    worker = Worker(settings.model_copy(update={"limits": _NO_LIMIT}), transport)
    return worker.run(stop, until=lambda: transport.is_finished)
