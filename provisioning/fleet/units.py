"""What the inventory knows of a unit, and which values may stand there."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from drivers.files.documents import unseen
from wording.harmless import harmless
from wording.messages import Said, said, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

State = Literal["stock", "active", "decommissioned"]
MAX_TEXT = 200
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that programs for tables run as a formula (OWASP, *CSV Injection*)."""


def runs_as_formula(text: str) -> bool:
    """Whether a program for tables would run a cell."""
    return text.startswith(_FORMULA)


def _plain(value: str) -> str:
    if code := unseen(value):
        raise ValueError(said("it holds {code}, which cannot be seen: type it again", code=code))
    if "\n" in value or "\t" in value or "\r" in value:
        raise ValueError(said("it has more than one line, or a tab"))
    if runs_as_formula(value):
        raise ValueError(
            said(
                "it begins with {character}: programs for tables would run it as a formula",
                character=value[0],
            )
        )
    return value


def _digits(value: Any) -> Any:
    """A fingerprint as it is shown: groups, colons and capitals are only for the eye."""
    return re.sub(r"[\s:]", "", value).lower() if isinstance(value, str) else value


def _with_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(said("it has no time zone: write it as 2026-03-01T10:00:00+08:00"))
    return value


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Serial = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_plain)]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$")]
Fingerprint = Annotated[str, BeforeValidator(_digits), Field(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, Field(pattern=r"^https://[A-Za-z0-9.:\[\]-]{1,100}/$")]
Moment = Annotated[datetime, AfterValidator(_with_zone)]


class Unit(BaseModel):
    """One unit: a piece of hardware, at a corner or not.

    Attributes:
        serial: The board's serial number, or that of a sticker: whatever stays with the hardware.
        tenant: With ``device_id`` the corner that it watches; None: it is in stock.
        site: Where that is, for people.
        certificate_fingerprint: SHA-256 of its certificate.
        certificate_until: When that ends.
        accepted: What taking it over came to.
        page_fingerprint: SHA-256 of the certificate of its page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    serial: Serial
    tenant: Name | None = None
    device_id: Name | None = None
    site: Text | None = None
    certificate_fingerprint: Fingerprint | None = None
    certificate_until: Moment | None = None
    agent_version: Version | None = None
    contract_version: Version | None = None
    configuration_sha256: Fingerprint | None = None
    inventory_at: Moment | None = None
    accepted: Literal["accepted", "accepted_with_remarks", "refused"] | None = None
    accepted_at: Moment | None = None
    decommissioned_at: Moment | None = None
    decommissioned_reason: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] | None = None
    page_address: Address | None = None
    page_fingerprint: Fingerprint | None = None
    access_point: Text | None = None
    notes: Text | None = None

    @model_validator(mode="after")
    def _named_in_full(self) -> Unit:
        if (self.tenant is None) != (self.device_id is None):
            raise ValueError(said("tenant and device_id go together: give both or neither"))
        return self

    @property
    def name(self) -> str | None:
        """``tenant/device_id``; None in stock."""
        return None if self.device_id is None else f"{self.tenant}/{self.device_id}"

    @property
    def state(self) -> State:
        """Where it is in its life."""
        if self.decommissioned_at is not None:
            return "decommissioned"
        return "stock" if self.device_id is None else "active"


COLUMNS = tuple(Unit.model_fields)


class UnitError(ValueError):
    """Values cannot stand in the inventory.

    Attributes:
        faults: Which column (empty: the unit as a whole), and why.
    """

    def __init__(self, faults: list[tuple[str, Said]]) -> None:
        told = [said("{column}: {fault}", column=column, fault=fault) for column, fault in faults]
        super().__init__(said("{faults}", faults=told))
        self.faults = faults


def unit_of(values: dict[str, Any]) -> Unit:
    """A unit of its values; empty ones count as not there.

    Raises:
        UnitError: Some cannot be; with every fault.
    """
    try:
        return Unit.model_validate(
            {name: each for name, each in values.items() if each not in {"", None}}
        )
    except ValidationError as error:
        raise UnitError(list(_faults(error))) from error


def _faults(error: ValidationError) -> Iterator[tuple[str, Said]]:
    for detail in error.errors():
        column = str(detail["loc"][0]) if detail["loc"] else ""
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, ValueError):
            text = text_of(cause)
            yield column, text if isinstance(text, Said) else said("{reason}", reason=text)
        elif detail["type"] == "missing":
            yield column, said("it is missing")
        else:
            yield column, said("{value!r} cannot stand here", value=harmless(str(detail["input"])))
