"""What everything in one run is made of: the site, its folders, clock and ids, the analysis, the threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.storage.paths import EVIDENCE

if TYPE_CHECKING:
    from pathlib import Path

    from agent.concurrency.threads import Threads
    from agent.config.schema import Configuration
    from agent.domain.ids import Ids
    from agent.runtime.composition import Parts
    from agent.runtime.thermal_throttle import AnalysisRate
    from drivers.clock import Clock


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run of the agent on the device.

    Attributes:
        configuration: The one it has begun with; the one that holds is that of ``parts``.
        base: The folder that relative paths in it start from.
        state_dir: What outlives the run.
        run_dir: What is gone with the boot.
        clock: The device's.
        ids: Where identifiers come from.
        parts: From frame to outbox.
        pace: What is left of the rate of the analysis.
        workers: The threads.
    """

    configuration: Configuration
    base: Path
    state_dir: Path
    run_dir: Path
    clock: Clock
    ids: Ids
    parts: Parts
    pace: AnalysisRate
    workers: Threads

    @property
    def evidence_dir(self) -> Path:
        """The pictures of cases."""
        return self.state_dir / EVIDENCE
