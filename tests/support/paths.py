"""Where things lie in this tree, and beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The project's own folder."""

HOUSES = ("agent", "drivers", "provisioning", "wording")
"""The packages that are installed."""

SUPPORT = Path(__file__).parent
DOCS = ROOT / "docs"
STREET = ROOT / "examples" / "street"
SHARED = ROOT.parent / "shared"
"""Pictures and clips that are not the project's: tests that need them are skipped where it is absent."""
