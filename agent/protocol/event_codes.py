"""A case's code in the city's scheme, looked up in ``codes.toml``.

Two schemes are known; none of their codes was checked against an official text, so each table
says where it was read. ``docs/integrator.md`` passes that on to the platform.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from agent.protocol.base import Code, EventCode
from wording.messages import said


class Matter(BaseModel):
    """One row: a kind of matter, with its code where one is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    code: Code | None = None


class CodeProfile(BaseModel):
    """One scheme of codes, and how sure it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    source: str
    confirmed: bool
    matters: dict[str, Matter]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    profiles: dict[str, CodeProfile]


class UnknownProfileError(ValueError):
    """No scheme of that name is known."""

    def __init__(self, profile: str, known: tuple[str, ...]) -> None:
        super().__init__(
            said("no codes profile {profile!r}; there are: {known}", profile=profile, known=known)
        )
        self.profile, self.known = profile, known


@cache
def profiles() -> dict[str, CodeProfile]:
    """Every scheme of the table, by its name in the configuration."""
    text = files("agent.protocol").joinpath("codes.toml").read_text(encoding="utf-8")
    return _Table.model_validate(tomllib.loads(text)).profiles


def event_code(profile: str, kind: str) -> EventCode:
    """Give the code of a case's kind.

    A kind that the table does not know is sent under its own name and without a code: a code is
    never invented.

    Raises:
        UnknownProfileError: There is no such scheme.
    """
    table = profiles()
    if profile not in table:
        raise UnknownProfileError(profile, tuple(sorted(table)))
    matter = table[profile].matters.get(kind, Matter(name=kind))
    return EventCode(profile=profile, code=matter.code, name=matter.name)
