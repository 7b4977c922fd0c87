"""A case's code in the city's scheme, looked up in ``codes.toml``.

Two schemes are known; none of their codes was checked against an official text, so each table
says where it was read. ``docs/platform/events.md`` passes that on to the platform.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

from agent.protocol.base import Code, EventCode
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterable


STANDARD: Final = "gbt-47678-5"
"""The scheme of the national standard: only its codes have a form with the division in front."""


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

    may_be_told_as: dict[str, tuple[str, ...]]
    profiles: dict[str, CodeProfile]


class UnknownProfileError(ValueError):
    """No scheme of that name is known."""

    def __init__(self, profile: str, known: tuple[str, ...]) -> None:
        super().__init__(
            said("no codes profile {profile!r}; there are: {known}", profile=profile, known=known)
        )
        self.profile, self.known = profile, known


@cache
def _table() -> _Table:
    text = files("agent.protocol").joinpath("codes.toml").read_text(encoding="utf-8")
    return _Table.model_validate(tomllib.loads(text))


def profiles() -> dict[str, CodeProfile]:
    """Every scheme of the table, by its name in the configuration."""
    return _table().profiles


def _profile(name: str) -> CodeProfile:
    if name not in profiles():
        raise UnknownProfileError(name, tuple(sorted(profiles())))
    return profiles()[name]


def choices(profile: str, kinds: Iterable[str]) -> dict[str, str]:
    """The codes among which a zone may choose, with their names, where cases of these kinds open.

    Raises:
        UnknownProfileError: There is no such scheme.
    """
    matters = _profile(profile).matters
    return {
        matter.code: matter.name
        for kind in kinds
        for told_as in (kind, *_table().may_be_told_as.get(kind, ()))
        if (matter := matters.get(told_as)) is not None and matter.code is not None
    }


def told_as(profile: str, kind: str, code: str | None) -> str:
    """The matter as which a kind of case is told in a zone that has chosen a code: most often itself.

    Raises:
        UnknownProfileError: There is no such scheme.
    """
    matters = _profile(profile).matters
    others = _table().may_be_told_as.get(kind, ())
    return next(
        (other for other in others if code is not None and matters[other].code == code), kind
    )


def event_code(profile: str, matter: str, division_code: str | None = None) -> EventCode:
    """Give the code of a matter, such as a case's kind.

    A matter that the table does not know is sent under its own name and without a code: a code is
    never invented.

    Args:
        profile: The scheme.
        matter: By its name in the table.
        division_code: 行政区划代码; with it the code is given in full as well, where the scheme has one.

    Raises:
        UnknownProfileError: There is no such scheme.
    """
    row = _profile(profile).matters.get(matter, Matter(name=matter))
    whole = profile == STANDARD and division_code is not None and row.code is not None
    return EventCode(
        profile=profile,
        code=row.code,
        name=row.name,
        full_code=f"{division_code}{row.code}" if whole else None,
    )
