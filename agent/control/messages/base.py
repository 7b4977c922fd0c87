"""What every request and every answer is made of.

These files are read by processes that must stay small (the page at the pole): they import pydantic and texts,
no networks, no pictures, no schema of a site. A model is built when it is first used (``defer_build``): of all
there are, the page uses some.
"""

from __future__ import annotations

import json
from string import Formatter
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from wording.messages import Said

LONGEST_TEXT = 4000
MOST_FACTS = 64
_PLAIN = str | int | float | bool | None
_LONGEST_SPEC = 6


class Reply(BaseModel):
    """What the agent answers. A newer agent may say more than this reader knows."""

    model_config = ConfigDict(frozen=True, defer_build=True)


R = TypeVar("R", bound=Reply)


class Request(BaseModel, Generic[R]):
    """What is asked; ``verb`` names it, ``answer`` is what comes back. Nothing unknown is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    verb: ClassVar[str]
    answer: ClassVar[type[Reply]]


class Words(BaseModel):
    """A text on its way to another process that may say it in another language (:mod:`wording.messages`).

    Attributes:
        text: In English, complete.
        template: What it was made of; empty: it was not ``said``.
        many: The template for more than one.
        facts: What was filled in: plain values, lists of them, or texts of the same kind.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    text: Annotated[str, Field(max_length=LONGEST_TEXT)]
    template: Annotated[str, Field(max_length=LONGEST_TEXT)] = ""
    many: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    facts: Annotated[
        dict[str, Words | list[Words | _PLAIN] | _PLAIN], Field(max_length=MOST_FACTS)
    ] = {}

    @classmethod
    def of(cls, text: str) -> Words:
        """A text to be sent, cut where it is too long to be read by anybody."""
        if (
            not isinstance(text, Said)
            or len(text) > LONGEST_TEXT
            or len(text.template) > LONGEST_TEXT
        ):
            return cls(text=text[:LONGEST_TEXT])
        facts = {name: _sent(fact) for name, fact in text.facts.items()}
        return cls(text=str(text), template=text.template, many=text.many, facts=facts)

    def said(self) -> str:
        """The text as it was said; where its parts do not fit together, the English one."""
        if not self.template or not all(map(_is_harmless, (self.template, self.many or ""))):
            return self.text
        facts = {name: _received(fact) for name, fact in self.facts.items()}
        try:
            return Said(self.template, facts, self.many)
        except (KeyError, IndexError, ValueError, TypeError):
            return self.text


class Asked(BaseModel):
    """The head of a request on the wire. ``person`` is who asks, by the word of a caller that was checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    verb: Annotated[str, Field(max_length=64)]
    person: Annotated[str, Field(max_length=128)] | None = None
    body: dict[str, Any] = {}


class Answered(BaseModel):
    """The head of an answer on the wire; ``payload_bytes`` of bytes follow it. ``code``: it was refused."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    code: Annotated[str, Field(max_length=64)] | None = None
    reason: Words | None = None
    faults: list[Words] = []
    body: dict[str, Any] = {}
    payload_bytes: Annotated[int, Field(ge=0)] = 0


def _sent(fact: Any) -> Any:
    if isinstance(fact, Said):
        return Words.of(fact)
    if isinstance(fact, list | tuple):
        return [_sent(each) for each in fact]
    return fact if isinstance(fact, str | int | float | bool | None) else str(fact)


def _received(fact: Any) -> Any:
    if isinstance(fact, Words):
        return fact.said()
    return [_received(each) for each in fact] if isinstance(fact, list) else fact


def _is_harmless(template: str) -> bool:
    """Whether a template only fills in: ``str.format`` can also reach into objects, and pad to gigabytes."""
    try:
        fields = [
            (name, spec) for _, name, spec, _ in Formatter().parse(template) if name is not None
        ]
    except ValueError:
        return False
    return all(
        name.isidentifier() and len(spec or "") <= _LONGEST_SPEC and not _pads(spec or "")
        for name, spec in fields
    )


def _pads(spec: str) -> bool:
    digits = "".join(each if each.isdigit() else " " for each in spec).split()
    return "{" in spec or any(len(each) > 2 for each in digits)


def as_header(head: BaseModel) -> bytes:
    """A head as it goes over the wire."""
    return json.dumps(head.model_dump(mode="json"), ensure_ascii=False).encode()
