"""The language of who runs a command, where there is no request to ask."""

from __future__ import annotations

import os

from kerbwatch_platform.words import Language, say

_ASKED = ("KERBWATCH_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""The first of them that is set decides, as POSIX has it; ours before all."""


def spoken() -> Language:
    """Chinese where the system speaks it, else English."""
    told = next((value for name in _ASKED if (value := os.environ.get(name))), "")
    return "zh_CN" if told.casefold().startswith("zh") else "en"


def tell(english: str, **facts: object) -> str:
    """A text for a terminal; see :func:`kerbwatch_platform.words.say`."""
    return say(spoken(), english, **facts)
