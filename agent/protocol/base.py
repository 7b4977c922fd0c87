"""Types shared by all messages: base model, contract version, clock state, codes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field

from agent.protocol.field_examples import Example, sha256_of
from agent.protocol.fields import (
    MADE_HERE,
    AtMost,
    Count,
    Id,
    Label,
    Moment,
    Number,
    Seconds,
    Sha256,
    Word,
)

if TYPE_CHECKING:
    from drivers.clock import Clock


CONTRACT_VERSION: Final = 2
MINOR_VERSION: Final = 1
"""Grows with what an older reader may leave aside: types, fields, words, commands."""
VERSION: Final = f"{CONTRACT_VERSION}.{MINOR_VERSION}"
"""As births, inventories and the published documents say it."""
SOURCE: Final = "智能感知"
"""The platform's word for how a matter was found."""


class Wire(BaseModel):
    """What all parts of the contract share: frozen, nothing unknown, and made to fit by its maker."""

    # The writer leaves no field out, also where it has nothing to say; a model that does says so here.
    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True
    )

    def __init__(self, /, **facts: Any) -> None:
        for name, value in facts.items():
            if isinstance(value, float) and not math.isfinite(value) and self._may_be_null(name):
                facts[name] = None
        self.__pydantic_validator__.validate_python(facts, self_instance=self, context=MADE_HERE)

    # As pydantic marks its own: reading does not go through here, only making does.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def _may_be_null(cls, name: str) -> bool:
        field = cls.model_fields.get(name)
        return field is not None and type(None) in get_args(field.annotation)


Range = tuple[Number, Number]
"""The first and the last of numbers that follow each other."""
Base64Url = Annotated[str, Field(max_length=43, pattern=r"^[A-Za-z0-9_-]{43}$")]
"""Of 32 bytes."""
MAX_EVENTS = 100
"""Of one message."""
MAX_RANGES = 500
"""Of one loss report."""
MAX_PLACES = 1000
"""Zones of a device; members of one case."""
MAX_OPEN_CASES = 2000
"""Of a device."""
MAX_CAMERAS = 64
MAX_MODELS = 16
MAX_WORDS = 64
"""Entries of a table that goes by words of ours, such as causes of a start."""
ClockState = Literal["synchronised", "unsynchronised"]


class ClockReading(Wire):
    """How far the times of an event can be trusted.

    ``replay``: the times are those of a recording. ``error_s`` is how far off the clock is at most, as the
    device's system reckons; null where nobody knows. ``monotonic_s`` is the same moment as ``occurred_at``,
    in seconds since the boot ``boot_id``.
    """

    state: ClockState | Literal["replay"]
    boot_id: Id
    monotonic_s: Seconds
    error_s: Seconds | None = None

    @classmethod
    def of(cls, clock: Clock) -> Self:
        """Read a device's clock."""
        return cls(
            state="synchronised" if clock.synchronised else "unsynchronised",
            boot_id=clock.boot_id,
            monotonic_s=clock.monotonic_s(),
            error_s=clock.error_s,
        )


Code = Annotated[str, Field(max_length=32, pattern=r"^[0-9A-Za-z._-]{1,32}$")]


ProfileName = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""Of a scheme of codes."""
FullCode = Annotated[str, Field(max_length=11, pattern=r"^[0-9]{11}$")]


class EventCode(Wire):
    """The matter's code in the city's scheme; ``code`` is null where none is known.

    ``full_code`` (事项代码, c11) has the six digits of the administrative division in front; null where the
    site does not give them or the scheme has no such form.
    """

    profile: ProfileName
    code: Code | None
    name: Label
    full_code: FullCode | None = None


class Coordinates(Wire):
    """A surveyed point. ``crs`` always says in which system."""

    longitude: float = Field(ge=-180, le=180)
    latitude: float = Field(ge=-90, le=90)
    crs: Literal["CGCS2000", "WGS84"]


class ModelUsed(Wire):
    """The model that judged."""

    name: Annotated[
        str, Field(max_length=255, pattern=r"^[a-z0-9][a-z0-9_-]{0,254}$"), Example("street")
    ]
    version: Annotated[Label, Example("0.0.0")]
    sha256: Annotated[Sha256, Example(sha256_of("example model"))]


Models = Annotated[tuple[ModelUsed, ...], AtMost(MAX_MODELS)]
Blindness = Literal[
    "view_dark",
    "view_over_exposed",
    "view_blocked",
    "view_moved",
    "view_out_of_focus",
    "view_frozen",
    "camera_lost",
    "camera_hangs",
]
"""Why a camera cannot tell anything of a zone."""


class Abstention(Wire):
    """Nothing can be said of the case: no camera that saw it can see its place.

    ``since`` is when the view went bad, which is before it was bad for long enough to be told.
    """

    because: Blindness
    since: Moment


Counts = Annotated[dict[Word, Count], AtMost(MAX_WORDS)]
LaneName = Literal["case", "evidence", "health", "rest"]
