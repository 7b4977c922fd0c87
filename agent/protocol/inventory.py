"""The inventory: what a device is made of and goes by, as far as its events are read by it.

It says once what every event would repeat: cameras, zones, models, commands and limits. One that is too large
for a message comes in parts, which are put together again by ``inventory_id``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from agent.protocol.base import (
    MAX_CAMERAS,
    MAX_PLACES,
    MAX_WORDS,
    VERSION,
    Coordinates,
    EventCode,
    Models,
    ProfileName,
    Wire,
)
from agent.protocol.field_examples import BEGAN_AT, Example, example_of, id_of, sha256_of
from agent.protocol.fields import (
    AtMost,
    Count,
    Flag,
    Id,
    Label,
    Moment,
    Name,
    Seconds,
    Sentence,
    Sha256,
    Share,
    TimeZone,
    Version,
    Whole,
    Within,
    Word,
)
from agent.protocol.place import CityFacts, DivisionCode, NameOf, PlaceId

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_PART_BYTES: Final = 16_000
"""Of one part's body as JSON: with its envelope an event is a quarter of the 64 KiB that the device itself
takes at once. One zone alone is smaller than that (a test makes the largest)."""
_ROOM_BYTES = MAX_PART_BYTES - 400
"""For what is told; the rest is for the names of a body's own fields, its id and its hash."""
MAX_CORNERS: Final = 256
MAX_WINDOWS: Final = 32
MAX_PARTS: Final = MAX_CAMERAS + MAX_PLACES

_TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
TimeOfDay = Annotated[str, Field(max_length=8, pattern=_TIME_OF_DAY)]


class InventoryCamera(Wire):
    """One camera.

    ``width_px`` and ``height_px`` are of its picture as it came; null until it has given one. ``coordinates``
    and ``height_m`` (above the ground) are surveyed. ``view_sha256`` is of its reference image, the small grey
    picture kept at ``view_kept_at``; null where there is none, so that nobody notices a moved camera.
    """

    camera_id: Annotated[Name, Example("street")]
    driver: Annotated[Word, Example("rtsp")]
    width_px: Annotated[Annotated[int, Whole(1, 65_535)] | None, Example(1920)]
    height_px: Annotated[Annotated[int, Whole(1, 65_535)] | None, Example(1080)]
    coordinates: Annotated[Coordinates | None, Example(None)]
    height_m: Annotated[Annotated[float, Within(0, 200)] | None, Example(4.5)]
    view_sha256: Annotated[Sha256 | None, Example(sha256_of("example view"))]
    view_kept_at: Annotated[Moment | None, Example(BEGAN_AT)]


class Hours(Wire):
    """A stretch of local time on days of the week (1 Monday … 7 Sunday).

    An ``end`` at or before ``begin`` lies on the next day.
    """

    days: Annotated[
        tuple[Annotated[int, Whole(1, 7)], ...], AtMost(7), Example((1, 2, 3, 4, 5, 6, 7))
    ]
    begin: Annotated[TimeOfDay, Example("07:00:00")]
    end: Annotated[TimeOfDay, Example("22:00:00")]


Stretches = Annotated[tuple[Hours, ...], AtMost(MAX_WINDOWS)]


class Judged(Wire):
    """A kind of case that may open in a zone: as what it is told there, and how long a thing may stay.

    Shared bikes of a known operator may be told as another matter than ``code``, if ``shared_bikes_as`` of the
    device says so.
    """

    kind: Annotated[Word, Example("misparked_bike")]
    code: Annotated[
        EventCode,
        Example(EventCode(profile="gbt-47678-5", code="09010", name="非机动车乱停放")),
    ]
    allowed_s: Annotated[Seconds, Example(180.0)]


class InventoryZone(CityFacts):
    """One zone, with what holds there: its own, or the site's where it says nothing itself.

    ``polygon`` is in fractions of the picture; null where it has more than 256 corners. The rule holds in
    ``in_force`` (empty: always) but for ``permitted``; null where there are more than 32 stretches.
    ``judged`` is empty for what only excuses or hides, such as a bay or a mask.
    """

    zone_id: Annotated[Name, Example("kerb")]
    camera_id: Annotated[Name, Example("street")]
    kind: Annotated[Word, Example("no_parking")]
    place_id: Annotated[PlaceId, Example("example-corner.kerb")]
    name: NameOf | None
    polygon: Annotated[
        Annotated[tuple[tuple[Share, Share], ...], AtMost(MAX_CORNERS)] | None,
        Example(((0.1, 0.6), (0.9, 0.6), (0.9, 0.9), (0.1, 0.9))),
    ]
    in_force: Annotated[Stretches | None, Example((example_of(Hours),))]
    permitted: Annotated[Stretches | None, Example(())]
    judged: Annotated[tuple[Judged, ...], AtMost(MAX_WORDS)]


class LegalFacts(Wire):
    """What the law asks of the corner before anything seen there could be evidence, by the site's word.

    Whatever stands here, every event is a lead until a person has looked.
    """

    legal_review_no: Annotated[Label | None, Example(None)]
    tech_review_no: Annotated[Label | None, Example(None)]
    sign_installed: Annotated[Flag, Example(True)]
    location_published: Annotated[Flag, Example(False)]


class Limits(Wire):
    """What the device keeps and how often it speaks.

    ``keep_arrived`` is how many confirmed events can be asked for again. ``daily_bytes`` is the data budget of
    a day by class; what is not in it has none. Days are counted as lived through, from when a thing was over.
    """

    confirm: Annotated[Literal["broker", "platform"], Example("platform")]
    keep_arrived: Annotated[Count, Example(5000)]
    database_bytes: Annotated[Count, Example(512_000_000)]
    pictures_bytes: Annotated[Count, Example(4_000_000_000)]
    pictures_days: Annotated[Annotated[float, Within(0, 3650)], Example(30.0)]
    cases_days: Annotated[Annotated[float, Within(0, 3650)], Example(180.0)]
    letters_days: Annotated[Annotated[float, Within(0, 3650)], Example(30.0)]
    losses_days: Annotated[Annotated[float, Within(0, 3650)], Example(180.0)]
    daily_bytes: Annotated[dict[Word, Count], AtMost(MAX_WORDS), Example({"backlog": 20_000_000})]
    heartbeat_s: Annotated[Seconds, Example(60.0)]
    heartbeat_full_s: Annotated[Seconds, Example(3600.0)]
    heartbeat_silence_s: Annotated[Seconds, Example(600.0)]
    persist_every_s: Annotated[Seconds, Example(3600.0)]
    receipt_timeout_s: Annotated[Seconds, Example(60.0)]
    live_within_s: Annotated[Seconds, Example(30.0)]
    daily_summary: Annotated[Flag, Example(True)]


class LastUpdate(Wire):
    """The last step between versions that are installed beside each other.

    ``activated``: the version runs on trial. ``proved``: it has proved itself; ``reason`` says what could not be known.
    ``went_back``: ``version`` runs again, because ``instead_of`` failed, for this ``reason``.
    """

    what: Annotated[Literal["activated", "proved", "went_back"], Example("went_back")]
    version: Annotated[Version, Example("0.2.0")]
    instead_of: Annotated[Version | None, Example("0.2.1")]
    reason: Annotated[
        Sentence | None, Example("the broker is not reached, and was before the update")
    ]


class DeviceFacts(CityFacts):
    """The device as a whole, and what the city files of its site.

    ``update`` is null where versions do not lie beside each other. ``commands`` are those that it knows. ``operators`` are the shared bikes' that it can tell apart;
    ``shared_bikes_as`` is the matter as which a case is told whose bikes are all theirs.
    """

    agent_version: Annotated[Version, Example("0.2.0")]
    update: Annotated[LastUpdate | None, Example(example_of(LastUpdate))] = None
    contract_version: Annotated[Version, Example(VERSION)]
    timezone: Annotated[TimeZone, Example("Asia/Shanghai")]
    codes_profile: Annotated[ProfileName, Example("gbt-47678-5")]
    division_code: Annotated[DivisionCode | None, Example(None)]
    gbt_28181_id: Annotated[
        Annotated[str, Field(max_length=20, pattern=r"^[0-9]{20}$")] | None, Example(None)
    ]
    legal: LegalFacts
    shared_bikes_as: Annotated[Word, Example("misparked_bike")]
    operators: Annotated[tuple[Name, ...], AtMost(MAX_WORDS), Example(("blue", "yellow"))]
    models: Models
    commands: Annotated[tuple[Word, ...], AtMost(MAX_WORDS), Example(("hold", "pace", "resend"))]
    limits: Limits


class InventoryBody(Wire):
    """The device's inventory, or one part of it.

    ``device`` stands in the first part and is null in the others; cameras and zones are spread over the parts
    in order. An inventory is whole when all its ``parts`` of one ``inventory_id`` are there; a newer whole one
    replaces it. Events of the same ``configuration_sha256`` are read by it.
    """

    inventory_id: Annotated[Id, Example(id_of("inventory"))]
    because: Annotated[Literal["start", "changed"], Example("start")]
    part: Annotated[Annotated[int, Whole(1, MAX_PARTS)], Example(1)]
    parts: Annotated[Annotated[int, Whole(1, MAX_PARTS)], Example(1)]
    configuration_sha256: Annotated[Sha256, Example(sha256_of("example configuration"))]
    device: DeviceFacts | None
    cameras: Annotated[tuple[InventoryCamera, ...], AtMost(MAX_CAMERAS)]
    zones: Annotated[tuple[InventoryZone, ...], AtMost(MAX_PLACES)]


def in_parts(
    *,
    inventory_id: str,
    because: Literal["start", "changed"],
    configuration_sha256: str,
    device: DeviceFacts,
    cameras: Sequence[InventoryCamera],
    zones: Sequence[InventoryZone],
) -> list[InventoryBody]:
    """An inventory as it goes on the wire: as few parts as hold it, each below :data:`MAX_PART_BYTES`."""
    groups = list(_groups((*cameras, *zones), _ROOM_BYTES - _size(device)))
    return [
        InventoryBody(
            inventory_id=inventory_id,
            because=because,
            part=number,
            parts=len(groups),
            configuration_sha256=configuration_sha256,
            device=device if number == 1 else None,
            cameras=tuple(each for each in group if isinstance(each, InventoryCamera)),
            zones=tuple(each for each in group if isinstance(each, InventoryZone)),
        )
        for number, group in enumerate(groups, 1)
    ]


def _groups(
    things: Sequence[InventoryCamera | InventoryZone], first_room_bytes: int
) -> Iterator[list[InventoryCamera | InventoryZone]]:
    """The things in order, as many together as there is room for; in the first group there is less."""
    group: list[InventoryCamera | InventoryZone] = []
    room_bytes, is_first = first_room_bytes, True
    for each in things:
        size_bytes = _size(each)
        if size_bytes > room_bytes and (group or is_first):
            yield group
            group, room_bytes, is_first = [], _ROOM_BYTES, False
        group.append(each)
        room_bytes -= size_bytes
    yield group


def _size(part: Wire) -> int:
    return len(part.model_dump_json().encode()) + 1
