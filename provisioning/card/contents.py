"""What a prepared card carries, and where: the folder ``kerbwatch/`` of the boot partition.

``seed/`` holds what leaves the boot partition at the first boot: site, network profile, token, the page's code. The
rest (scripts, packages) is no secret.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

FOLDER = "kerbwatch"
SEED = "seed"
CARD = "card.json"
NETWORK = "network.nmconnection"
TOKEN, ENROLMENT, AUTHORITY = "token", "enrolment.json", "authority.pem"
PAGE = "page.json"
SITE = "site"
REPOSITORY = "repository"
BOOT_PARTITIONS = ("boot/firmware", "boot")
"""Where images mount it."""
STATE = PurePosixPath("var/lib/kerbwatch-firstboot")
"""What is kept of the first boot; the seed lies here until it was planted."""
STAMP = "seeded.json"

Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


class Card(_Kept):
    """Who prepared a card, when, and for what kind of image."""

    format: Literal[1] = 1
    by: Line
    at: AwareDatetime
    how: Line
    version: Line


class Enrolment(_Kept):
    """The EST server that gives the first certificate for the token."""

    server: Line


class CodeHash(_Kept):
    """What is kept of the code under the lid, as ``provisioning/page/code.py`` reads it."""

    version: Literal[1] = 1
    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class PageSecrets(_Kept):
    """How the page is signed in to: only a hash of the code; the access point's password as it is.

    Attributes:
        access_point_password: A secret that all share who join the access point.
    """

    code: CodeHash
    access_point_password: Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{8,63}$")]


class Stamp(_Kept):
    """What came of a card at the first boot. No secret is in it: the page shows it.

    Attributes:
        by: Who prepared the card.
        at: When that was.
        how: The kind of image.
        planted_at: When the device took it over, by its own clock.
        done: What was set up.
        faults: What was not, and why.
    """

    by: Line
    at: AwareDatetime
    how: Line
    planted_at: datetime
    done: tuple[str, ...] = ()
    faults: tuple[str, ...] = Field(default=(), max_length=100)


def stamp_of(root: Path) -> Stamp | None:
    """The stamp below a root; None: the device was not seeded, or that cannot be read."""
    try:
        return Stamp.model_validate_json((root / STATE / STAMP).read_bytes())
    except (OSError, ValueError):
        return None
