"""What a phone may send: every body with its bounds. Zones are judged by the agent, not here."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

MAX_ZONES = 64


def _with_numbers_of_json(zones: list[JsonValue]) -> list[JsonValue]:
    """Refuse NaN and the infinite: a reader of JSON takes them, RFC 8259 does not know them, no answer can hold them."""
    left: list[JsonValue] = [zones]
    while left:
        one = left.pop()
        if isinstance(one, float) and not math.isfinite(one):
            raise ValueError
        if isinstance(one, list | dict):
            left += one.values() if isinstance(one, dict) else one
    return zones


Zones = Annotated[
    list[JsonValue], Field(max_length=MAX_ZONES), AfterValidator(_with_numbers_of_json)
]


class Body(BaseModel):
    """One body; what is not named here is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Nothing(Body):
    """Only that it is wanted."""


class CommissionBody(Body):
    """Whether vehicles may be in the commissioning picture: they park there for good."""

    anyway: bool = False


class SignInBody(Body):
    """The code as it was typed."""

    code: Annotated[str, Field(min_length=1, max_length=40)]


class LanguageBody(Body):
    """In which language to go on."""

    language: Literal["zh_CN", "en"]


class ZonesBody(Body):
    """A proposal."""

    zones: Zones


class DraftBody(Body):
    """A draft: :meth:`provisioning.page.draft.Draft.write`."""

    zones: Zones
    based_on: Annotated[int, Field(ge=0)] | None = None
    seen: Annotated[str, Field(max_length=40)] | None = None
    force: bool = False


class DryRunBody(Body):
    """Which proposal, over how much of the past."""

    zones: Zones
    hours: Annotated[float, Field(gt=0, le=72)] = 24.0


class NumberBody(Body):
    """Which applied configuration."""

    number: Annotated[int, Field(ge=0)]


Pem = Annotated[str, Field(min_length=1, max_length=24_000)]


class CertificateBody(Body):
    """A certificate in PEM, and the authority where it comes with it."""

    certificate: Pem
    authority: Pem | None = None


Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class FormBody(Body):
    """Whose name stands on the form of an acceptance, and nowhere else; and of which test case it tells."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    case_id: Word | None = None


class AcceptanceBody(FormBody):
    """Who takes the device over, and what came of walking and of the test case. ``person_id`` is sent."""

    role: Literal["installer", "inspector", "operator"] = "installer"
    person_id: Word | None = None
    walked: Annotated[dict[Word, Literal["passed", "not_done"]], Field(max_length=100)] = {}
