"""The faults of a configuration, each with its place, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic_core import InitErrorDetails, PydanticCustomError

from agent import scenarios
from agent.protocol import event_codes
from wording.messages import itemised, said, said_many
from wording.validation import message_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic_core import ErrorDetails


class ConfigError(ValueError):
    """The configuration cannot be used. ``faults`` names every one of them."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        super().__init__(
            said_many(
                "{file}: {count} fault\n{faults}",
                "{file}: {count} faults\n{faults}",
                len(faults),
                file=path.name,
                faults=itemised(faults),
            )
        )
        self.path, self.faults = path, tuple(faults)


MISFIT = "misfit"


def fault(place: tuple[int | str, ...], text: str) -> InitErrorDetails:
    return {
        "type": PydanticCustomError(MISFIT, "{text}", {"text": text}),
        "loc": place,
        "input": None,
    }


def placed(place: tuple[int | str, ...], detail: ErrorDetails) -> InitErrorDetails:
    return {
        "type": PydanticCustomError(detail["type"], "{text}", {"text": message_of(detail)}),
        "loc": (*place, *detail["loc"]),
        "input": detail["input"],
    }


class ZoneNames(NamedTuple):
    """What of a zone must fit the rest of the site: its names, and the code that it chooses."""

    zone_id: str
    camera_id: str
    kind: str
    place_id: str | None = None
    city_place_id: str | None = None
    code: str | None = None


def misfits_of(
    codes_profile: str, camera_ids: Sequence[str], zones: Sequence[ZoneNames]
) -> list[InitErrorDetails]:
    """Faults between parts that are each valid alone."""
    faults = [
        *given_twice("cameras", "camera_id", camera_ids),
        *given_twice("zones", "zone_id", [zone.zone_id for zone in zones]),
    ]
    known = sorted(set(camera_ids))
    faults += (
        fault(
            ("zones", index, "camera_id"),
            said(
                "no camera {camera_id!r}; there are: {known}", camera_id=zone.camera_id, known=known
            ),
        )
        for index, zone in enumerate(zones)
        if zone.camera_id not in camera_ids
    )
    return [*faults, *_two_city_places(zones), *_codes_not_to_choose(codes_profile, zones)]


def _two_city_places(zones: Sequence[ZoneNames]) -> Iterator[InitErrorDetails]:
    """Zones of one place share their cases, so the city must know them as one place as well."""
    first: dict[str, ZoneNames] = {}
    for index, zone in enumerate(zones):
        earlier = first.setdefault(zone.place_id or zone.zone_id, zone)
        if zone.city_place_id != earlier.city_place_id:
            yield fault(
                ("zones", index, "city_place_id"),
                said(
                    "zone {earlier!r} is of the same place and has {its}; give both the same",
                    earlier=earlier.zone_id,
                    its=said("none") if earlier.city_place_id is None else earlier.city_place_id,
                ),
            )


def _codes_not_to_choose(
    codes_profile: str, zones: Sequence[ZoneNames]
) -> Iterator[InitErrorDetails]:
    """A code is only chosen among those of the city's table that fit what is judged in the zone."""
    for index, zone in enumerate(zones):
        if zone.code is None or zone.kind not in scenarios.zone_kinds():
            continue
        kinds = scenarios.kinds_judged_in(scenarios.zone_kinds()[zone.kind])
        known = event_codes.choices(codes_profile, kinds)
        if zone.code in known:
            continue
        yield fault(
            ("zones", index, "code"),
            said(
                "no code {code!r} for a zone of kind {kind}; there are: {known}",
                code=zone.code,
                kind=zone.kind,
                known=[f"{code} {name}" for code, name in known.items()],
            )
            if known
            else said("a zone of kind {kind} has no code to choose: leave it out", kind=zone.kind),
        )


def given_twice(table: str, key: str, names: Sequence[str]) -> Iterator[InitErrorDetails]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield fault((table, index, key), said("{name!r} is given twice", name=name))
