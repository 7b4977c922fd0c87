"""Where the rendered street lies: in a source tree, or as the wheel brings it."""

from __future__ import annotations

import sysconfig
from pathlib import Path

_TREE = Path(__file__).parents[2] / "examples" / "street"
_SHARED = Path(sysconfig.get_path("data")) / "share" / "kerbwatch" / "examples" / "street"
STREET = _TREE if _TREE.is_dir() else _SHARED
"""The site with its clip, and what was staged in it."""
