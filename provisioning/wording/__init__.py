"""What the command line says, in one place per language: a catalogue in TOML.

A text is found by ``command.name`` and takes its facts by name. English is the language the
others are measured against; a test holds the catalogue and the code in step.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGE = "en"


@cache
def catalogue(language: str = LANGUAGE) -> dict[str, dict[str, str]]:
    """Every text of one language, by section and name."""
    text = files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def say(key: str, **facts: Any) -> str:
    """Give the text ``section.name`` with its facts filled in.

    Raises:
        KeyError: The catalogue has no such text, or the text asks for a fact not given.
    """
    section, _, name = key.partition(".")
    return catalogue()[section][name].format(**facts)


def kind_in_words(kind: str, count: int = 1) -> str:
    """A case's kind for people; a kind without words is shown as it is on the wire."""
    words = catalogue()["kinds" if count == 1 else "kinds_many"]
    return words.get(kind, kind.replace("_", " "))


def label_in_words(label: str, count: int) -> str:
    """A number of things of one label: ``1 bike``, ``3 bikes``."""
    name = catalogue()["labels" if count == 1 else "labels_many"].get(label, label)
    return f"{count} {name}"
