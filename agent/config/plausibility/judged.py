"""Sites on which nothing is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config.plausibility.remark import Remark
from agent.scenarios import load_scenario
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration

EXCUSES = frozenset({"bay"})
"""A scenario goes by them, and nothing becomes a case in them."""


def remarks(configuration: Configuration) -> Iterator[Remark]:
    """Remark why nothing is judged, if that is so."""
    meaning = said("The device looks and reports nothing.")
    if not configuration.scenarios:
        yield Remark(
            said("nothing is judged here: no scenario is configured"),
            meaning,
            said("Add a section such as [scenarios.misparked_bikes] to site.toml."),
            blind=True,
        )
        return
    kinds = {kind for name in configuration.scenarios for kind in load_scenario(name).ZONES}
    if not any(zone.kind in kinds - EXCUSES for zone in configuration.zones):
        yield Remark(
            said("nothing is judged here: no zone is drawn that a configured scenario judges"),
            meaning,
            said("Draw the zones in zones.json, or add the scenario: docs/technician.md says how."),
            blind=True,
        )
