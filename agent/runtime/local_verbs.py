"""Which verbs the local channel of this run has, and from what parts of the run each of them answers.

To add a verb: its messages in ``agent/control/messages/``, what does it in a file of ``agent/control/`` or here,
and one line in :func:`local_verbs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.control.messages.status import AskStatus, StatusReply
from agent.control.verbs import verb

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import Configuration
    from agent.control.verbs import Verb
    from agent.runtime.composition import Parts
    from agent.runtime.housekeeping import Housekeeping
    from agent.runtime.metrics import Metrics
    from agent.runtime.vision_threads import VisionThreads
    from drivers.clock import Clock


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of a run that verbs answer from; ``base`` is where relative paths of the site start."""

    configuration: Configuration
    base: Path
    state_dir: Path
    parts: Parts
    vision: VisionThreads
    metrics: Metrics
    housekeeping: Housekeeping
    clock: Clock


def local_verbs(running: Running) -> tuple[Verb, ...]:
    """Every verb of this run."""
    return (verb(AskStatus, lambda _, __: StatusReply(status=running.metrics.status())),)
