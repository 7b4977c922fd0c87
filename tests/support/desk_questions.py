"""The five questions of ``examples/platform/questions.sql``, each as one statement."""

from __future__ import annotations

import re

from tests.support.example_platform import PLATFORM

_TEXT = (PLATFORM / "questions.sql").read_text(encoding="utf-8")
QUESTIONS = {
    # What follows the name on its line is words, which may go on in further comments.
    name: f"--{words}\n{statement}"
    for name, words, statement in re.findall(r"^-- (\w+):(.*)\n((?:.|\n)*?;)$", _TEXT, re.MULTILINE)
}
"""Name → SQL, with its parameters."""
