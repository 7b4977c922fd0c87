"""All routes of the desk, as views' modules have them, with paths that can be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from kerbwatch_platform.web.app import routes
from kerbwatch_platform.web.pages import PAGES
from kerbwatch_platform.web.roles import Role

_PARTS = {
    "tenant": "city-a",
    "device": "corner-01",
    "case_id": str(UUID(int=7)),
    "sha256": "0" * 64,
    "name": "nobody-of-that-name",
    "token": "no-such-link",
}
"""What stands for a part of a path; others are 1."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One method of one route."""

    method: str
    path: str
    role: Role

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def every_route() -> list[Asked]:
    """Each route by each of its methods."""
    return [
        Asked(
            method,
            re.sub(r"{(\w+)(?::\w+)?}", lambda part: _PARTS.get(part[1], "1"), route.path),
            PAGES[route.endpoint].role,
        )
        for route in routes()
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
