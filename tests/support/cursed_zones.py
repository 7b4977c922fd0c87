"""A fault in the agent's judging that a configuration brings out, as one in a scenario would."""

from __future__ import annotations

from pathlib import Path

import pytest


def let_zone_be_cursed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, zone_id: str, also: str = ""
) -> None:
    """Let the judging of agents that are started fail wherever a zone of this name is drawn.

    Args:
        folder: Of the test.
        monkeypatch: The test's.
        zone_id: The zone's name.
        also: Further lines for these agents to begin with.
    """
    (folder / "cursed").mkdir()
    (folder / "cursed" / "sitecustomize.py").write_text(
        "import agent.scenarios.misparked_bikes as bikes\n"
        "build = bikes.build\n"
        "def cursed(settings, zones):\n"
        "    made = build(settings, zones)\n"
        f"    if any(zone.zone_id == {zone_id!r} for zone in zones):\n"
        "        made.judge = lambda moment: 1 / 0\n"
        "    return made\n"
        "bikes.build = cursed\n" + also,
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(folder / "cursed"))
