"""Translation of texts into the reader's language.

The English text stands where it is said and is the name of its translation, as gettext does it;
the Chinese stands in ``zh_CN.po``. The catalogue is read as it is: no compiled copy can be older
than it. ``python -m tests.support.catalogue`` brings it up to what the code says.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.programs import python
from wording.harmless import harmless
from wording.known_errors import words_of
from wording.messages import Said, said, said_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polib import POFile

ENGLISH = "en"
CHINESE = "zh_CN"
MAX_SHOWN = 1000
"""Characters of one fact, on a terminal."""
_COMMA = said(", ")
"""Between the names of a list."""
_compiled_apart: dict[str, bytes] = {}
_reader: ContextVar[str | None] = ContextVar("reader", default=None)
"""The language of whoever is served now, where one process serves several."""


@contextmanager
def read_in(wanted: str) -> Iterator[None]:
    """Let what follows, in this thread or task, be said in one language, whatever the environment says.

    Args:
        wanted: ``zh_CN`` or ``en``.
    """
    token = _reader.set(wanted)
    try:
        yield
    finally:
        _reader.reset(token)


def language() -> str:
    """The reader's language: ``zh_CN`` or ``en``.

    ``KERBWATCH_LANGUAGE`` says it, or else what gettext looks at: ``LANGUAGE`` (several, by
    preference), ``LC_ALL``, ``LC_MESSAGES``, ``LANG``. Any Chinese is shown simplified Chinese;
    who asks for none of the two reads English. Within :func:`read_in` it is the one that is asked for there.
    """
    if (served := _reader.get()) is not None:
        return served
    for name in ("KERBWATCH_LANGUAGE", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if wanted := os.environ.get(name):
            for each in wanted.lower().split(":"):
                if each.startswith("zh"):
                    return CHINESE
                if each.startswith("en"):
                    return ENGLISH
            return ENGLISH
    return ENGLISH


def say(template: str, /, **facts: Any) -> str:
    """Give a text in the reader's language with its facts filled in.

    Args:
        template: One string literal, in English: the text's name in the catalogue.
        facts: What goes into its ``{names}``; texts that were ``said`` are translated, too.

    Raises:
        KeyError: The text asks for a fact that was not given.
    """
    return in_words(said(template, **facts))


def say_many(one: str, many: str, count: int, /, **facts: Any) -> str:
    """Give a text about one or several in the reader's language; ``{count}`` is a fact as well."""
    return in_words(said_many(one, many, count, **facts))


def in_words(text: str) -> str:
    """Give a text in the reader's language, its facts harmless; what was not ``said`` is given as it is."""
    return in_language(text, language())


def in_language(text: str, wanted: str) -> str:
    """The same in a given language, ``zh_CN`` or ``en``, whoever reads."""
    if not isinstance(text, Said):
        return text
    shown = harmless(text, MAX_SHOWN)
    return str(shown) if wanted == ENGLISH else _filled(shown, translations(wanted))


def error_in_words(error: BaseException) -> str:
    """Give the text of an error in the reader's language, as far as it is known."""
    text = words_of(error)
    return in_words(text if isinstance(text, Said) else harmless(text, MAX_SHOWN))


@cache
def translations(wanted: str) -> NullTranslations:
    """The catalogue of one language; English has none, its texts are in the code."""
    if wanted == ENGLISH:
        return NullTranslations()
    return GNUTranslations(BytesIO(_compiled_apart.get(wanted) or compiled(wanted)))


def compiled(wanted: str) -> bytes:
    """The catalogue of one language, compiled as gettext has it."""
    return bytes(_catalogue(wanted).to_binary())


def compile_apart(wanted: str) -> None:
    """Have another process compile a catalogue, which takes seven times the memory of its use and ends with it.

    Where that fails, this process does it when the first text is asked for.
    """
    command = python("-m", f"{__name__}.compiler", wanted)
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return
    _compiled_apart[wanted] = done.stdout
    translations(wanted)
    _compiled_apart.clear()


def templates(wanted: str) -> list[str]:
    """Every English text that one language has a translation of, plurals left out."""
    return [entry.msgid for entry in _catalogue(wanted) if not entry.msgid_plural]


@cache
def _catalogue(wanted: str) -> POFile:
    import polib  # noqa: PLC0415 - who reads English does not wait for it

    return polib.pofile(str(Path(__file__).with_name(f"{wanted}.po")))


def _filled(text: Said, catalogue: NullTranslations) -> str:
    if text.many is None:
        template = catalogue.gettext(text.template) if text.template else ""
    else:
        template = catalogue.ngettext(text.template, text.many, text.facts["count"])
    return template.format(**{name: _shown(fact, catalogue) for name, fact in text.facts.items()})


def _shown(fact: Any, catalogue: NullTranslations) -> Any:
    if isinstance(fact, Said):
        return _filled(fact, catalogue)
    if isinstance(fact, list | tuple):
        return _filled(_COMMA, catalogue).join(str(_shown(each, catalogue)) for each in fact)
    return fact
