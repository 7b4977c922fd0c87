"""Every text that people read, in zh-CN and English.

The English stands in the code and is the text's name in ``zh_CN.po``, which is read as it stands.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, get_args

import polib

from kerbwatch_platform.words.harmless import harmless, one_line

Language = Literal["zh_CN", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
CHINESE: Language = "zh_CN"
HTML_LANGUAGES: dict[Language, str] = {"zh_CN": "zh-CN", "en": "en"}
CATALOGUE = Path(__file__).with_name("zh_CN.po")

__all__ = [
    "CATALOGUE",
    "CHINESE",
    "HTML_LANGUAGES",
    "LANGUAGES",
    "Language",
    "harmless",
    "one_line",
    "say",
    "text",
]


def say(language: Language, english: str, **facts: object) -> str:
    """A text in the reader's language.

    Args:
        language: Of the reader.
        english: One string literal (or what :func:`text` marked); ``{name}`` stands for a fact.
        facts: Foreign texts among them are made harmless.
    """
    told = _chinese().get(english, english) if language == CHINESE else english
    return told.format(**{name: harmless(fact) for name, fact in facts.items()}) if facts else told


def text(english: str) -> str:
    """Mark a text that is said elsewhere, so that the catalogue's test finds it."""
    return english


@cache
def _chinese() -> dict[str, str]:
    catalogue = polib.pofile(str(CATALOGUE), encoding="utf-8")
    return {entry.msgid: entry.msgstr for entry in catalogue if entry.msgstr}
