"""Who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from kerbwatch_platform.words import Language


class Role(IntEnum):
    """Each may do what the ones before it may. In the database: the name in small letters."""

    ANYONE = 0
    """Not signed in: the sign-in itself, and what it is made of."""
    VIEWER = 1
    REVIEWER = 2
    ADMINISTRATOR = 3

    @property
    def word(self) -> str:
        """As the database has it."""
        return self.name.lower()


ROLE_WORDS = {
    "viewer": text("Viewer: sees cases and figures"),
    "reviewer": text("Reviewer: decides cases as well"),
    "administrator": text("Administrator: accounts, log and quarantine as well"),
}
ROLE_NAMES = {
    "viewer": text("Viewer"),
    "reviewer": text("Reviewer"),
    "administrator": text("Administrator"),
}


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in.

    Attributes:
        name: Of the account; what logs and verdicts name.
        person: Name or number of the person, as an administrator wrote it.
        role: What they may do.
        language: In which they read.
    """

    name: str
    person: str
    role: Role
    language: Language
