"""The faults of a configuration, each with its place, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails, PydanticCustomError

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


def misfits_of(
    camera_ids: Sequence[str], zones: Sequence[tuple[str, str]]
) -> list[InitErrorDetails]:
    """Faults between parts that are each valid alone."""
    faults = [
        *given_twice("cameras", "camera_id", camera_ids),
        *given_twice("zones", "zone_id", [zone_id for zone_id, _ in zones]),
    ]
    known = sorted(set(camera_ids))
    faults += (
        fault(
            ("zones", index, "camera_id"),
            said("no camera {camera_id!r}; there are: {known}", camera_id=camera_id, known=known),
        )
        for index, (_, camera_id) in enumerate(zones)
        if camera_id not in camera_ids
    )
    return faults


def given_twice(table: str, key: str, names: Sequence[str]) -> Iterator[InitErrorDetails]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield fault((table, index, key), said("{name!r} is given twice", name=name))
