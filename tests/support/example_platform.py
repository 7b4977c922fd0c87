"""The platform of ``examples/platform``, as its files are: imported from where a reader would start them."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from tests.support.paths import ROOT

PLATFORM = ROOT / "examples" / "platform"


def module(name: str) -> Any:
    """One of the files, imported with the others beside it."""
    if str(PLATFORM) not in sys.path:
        sys.path.append(str(PLATFORM))
    return importlib.import_module(name)
