"""What a site's zones, scenarios and analysis settings come to: all of the analysis that can change while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.analysis.camera_pipeline import Pipeline
    from agent.analysis.warn_first import WarnFirst
    from agent.perception.view_health.visibility import Visibility


@dataclass(frozen=True, slots=True)
class Rules:
    """By what is judged.

    Attributes:
        pipeline_for: Builds a camera's pipeline once the size (width, height) of its picture is known.
        kinds: Scenario's name → its kind of case.
        sights: What each camera can see of its zones.
        warnings: Who is warned first, by camera; of others nobody is.
        hold_back_s: For how long what looks like a false alarm opens no case; 0: it does.
        persist_every_s: How often an open case is reported again.
        change_every_s: How often it is reported at most that members came or went.
    """

    pipeline_for: Callable[[str, tuple[int, int]], Pipeline]
    kinds: Mapping[str, str]
    sights: Mapping[str, Visibility]
    warnings: Mapping[str, WarnFirst]
    hold_back_s: float
    persist_every_s: float
    change_every_s: float
