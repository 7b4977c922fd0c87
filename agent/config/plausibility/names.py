"""Names that are easily confused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config.plausibility.remark import Remark, at_zone
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.config.schema import Configuration


def remarks(configuration: Configuration) -> Iterator[Remark]:
    """Remarks on names that differ from an earlier one in capital letters only."""
    cameras = [camera.camera_id for camera in configuration.cameras]
    for index, name, earlier in _differ_in_case(cameras):
        place = f"cameras.{index}.camera_id"
        yield _remark(said("{where}: {message}", where=place, message=_words(name, earlier)))
    zones = configuration.zones
    for key, names in (
        ("zone_id", [zone.zone_id for zone in zones]),
        ("place_id", [zone.place_id or zone.zone_id for zone in zones]),
    ):
        for index, name, earlier in _differ_in_case(names):
            if key == "place_id" and zones[index].place_id is None:
                continue  # told of its zone_id
            yield _remark(at_zone(index, key, zones[index].zone_id, _words(name, earlier)))


def _differ_in_case(names: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    first: dict[str, str] = {}
    for index, name in enumerate(names):
        earlier = first.setdefault(name.lower(), name)
        if earlier != name:
            yield index, name, earlier


def _words(name: str, earlier: str) -> Said:
    return said(
        "{name!r} differs from {earlier!r} in capital letters only", name=name, earlier=earlier
    )


def _remark(what: Said) -> Remark:
    return Remark(
        what,
        said("To the device they are two names, to people and some programs they are one."),
        said("Write both alike if one is meant; give clearly different names if not."),
    )
