"""Texts for people, in English, that remember template and facts for translation.

A :class:`Said` is an English ``str`` that remembers the template and the facts it was made of.
Logs, JSON and the wire take it as the string it is; the technician's side looks the template up
in a catalogue and shows it in the reader's language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Said(str):
    """An English text that remembers how it was made.

    It equals, hashes and sorts as the string it is. What is done to it as to any string
    (``+``, ``.strip()``, an f-string) gives a plain string, which has forgotten.

    Attributes:
        template: The English text with ``{names}`` where facts go; of one thing, if it counts.
        facts: What was filled in, by name. A list or tuple is shown with commas.
        many: The template for more than one of ``facts["count"]``; None if nothing is counted.
    """

    template: str
    facts: Mapping[str, Any]
    many: str | None

    __slots__ = ("facts", "many", "template")

    def __new__(cls, template: str, facts: Mapping[str, Any], many: str | None = None) -> Self:
        chosen = template if many is None or facts["count"] == 1 else many
        made = super().__new__(cls, chosen.format(**{name: _shown(facts[name]) for name in facts}))
        made.template, made.facts, made.many = template, dict(facts), many
        return made

    def __getnewargs__(self) -> tuple[str, Mapping[str, Any], str | None]:  # type: ignore[override]
        return self.template, self.facts, self.many


def said(template: str, /, **facts: Any) -> Said:
    """Say something with its facts filled in.

    Args:
        template: One string literal, in English. It is the text's name in the catalogue.
        facts: What goes into its ``{names}``. An exception is taken by its text.

    Raises:
        KeyError: The template asks for a fact that was not given.
    """
    return Said(template, {name: _kept(fact) for name, fact in facts.items()})


def said_many(one: str, many: str, count: int, /, **facts: Any) -> Said:
    """Say something of one or of several; ``{count}`` is a fact as well.

    Args:
        one: The English text for one.
        many: The English text for any other number.
        count: How many.
        facts: As for :func:`said`.
    """
    return Said(one, {"count": count, **{name: _kept(fact) for name, fact in facts.items()}}, many)


def itemised(texts: Iterable[str]) -> Said:
    """Put texts below each other, each on a line of its own behind a dash."""
    facts = {f"item{number}": text for number, text in enumerate(texts)}
    return Said("\n".join(f"  - {{{name}}}" for name in facts), facts)


def text_of(error: BaseException) -> str:
    """The text of an error: the :class:`Said` that it was raised with, if it was."""
    [text] = error.args if len(error.args) == 1 else [None]
    return text if isinstance(text, Said) else str(error)


def _kept(fact: Any) -> Any:
    return text_of(fact) if isinstance(fact, BaseException) else fact


def _shown(fact: Any) -> Any:
    return ", ".join(map(str, fact)) if isinstance(fact, list | tuple) else fact
