"""Recovers template and facts of an English text that came out of a file, so that it can be translated.

A running agent writes its status as plain text, in English; the reader's language is known only to the
command that shows it.
"""

from __future__ import annotations

import ast
import re
import string
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioning.wording import CHINESE, ENGLISH, language, templates
from wording.messages import Said

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_LITERAL = 10
"""Characters besides facts that a template has at least: ``{file}: {reason}`` would fit anything."""
_NUMBER = re.compile(r"\d*\.?\d*[efg]")


def recovered(text: str) -> str:
    """The text as it was said, if a template of the catalogue gives exactly this text; else as it is."""
    if isinstance(text, Said) or language() == ENGLISH:
        return text
    return next((each for form in _forms() if (each := _made_of(form, text)) is not None), text)


class _Form(NamedTuple):
    template: str
    begins: str
    ends: str
    pattern: str
    specs: dict[str, tuple[str, str | None]]
    length: int


@cache
def _forms() -> list[_Form]:
    """All templates that a text can be recognised by; those with the most literal characters first."""
    found = [form for form in map(_form, templates(CHINESE)) if form is not None]
    return sorted(found, key=lambda form: form.length, reverse=True)


def _form(template: str) -> _Form | None:
    literals, pattern, specs = [], "", {}
    for literal, name, spec, conversion in string.Formatter().parse(template):
        literals.append(literal)
        pattern += re.escape(literal)
        if name is None:
            continue
        if name in specs or not name.isidentifier() or conversion not in {None, "r"}:
            return None
        if spec and not _NUMBER.fullmatch(spec):
            return None
        specs[name] = spec or "", conversion
        pattern += f"(?P<{name}>.+?)"
        literals.append("")
    length = sum(map(len, literals))
    if length < (MIN_LITERAL if specs else 1):
        return None
    return _Form(template, literals[0], literals[-1], pattern, specs, length)


def _made_of(form: _Form, text: str) -> Said | None:
    if not (text.startswith(form.begins) and text.endswith(form.ends)):
        return None
    found = re.fullmatch(form.pattern, text, re.DOTALL)
    if found is None:
        return None
    try:
        said = Said(form.template, dict(_facts(form, found)))
    except ValueError:
        return None
    return said if said == text else None


def _facts(form: _Form, found: re.Match[str]) -> Iterator[tuple[str, Any]]:
    for name, (spec, conversion) in form.specs.items():
        value = found[name]
        if conversion == "r":
            yield name, _literal(value)
        else:
            yield name, float(value) if spec else recovered(value)


def _literal(value: str) -> object:
    try:
        return ast.literal_eval(value)
    except SyntaxError as error:
        raise ValueError(value) from error
