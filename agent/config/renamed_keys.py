"""Keys that were called otherwise once: a site that uses the old name goes on, and people are told."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeAlias

from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Place: TypeAlias = tuple[str, ...]

RENAMED: Mapping[Place, str] = {
    ("cooling", "least"): "min_share",
    ("recovery", "restart_most_s"): "restart_max_s",
    ("collection", "least_gap_s"): "min_gap_s",
    ("retention", "least_free_mb"): "min_free_mb",
    ("retention", "least_free_inodes"): "min_free_inodes",
    ("view_guard", "blocked_least_share"): "blocked_min_share",
    ("scenarios", "misparked_bikes", "least_support"): "min_support",
    ("scenarios", "misparked_bikes", "least_confidence"): "min_confidence",
}
"""Where the old key stands, and what it is called now."""


def under_new_names(
    site: Mapping[str, Any],
) -> tuple[dict[str, Any], tuple[Place, ...], list[str]]:
    """Give a site's tables with every old key under its new name.

    Returns:
        The tables (those of ``site`` are not changed), the old keys that were found, and a fault for each
        that stands there under both names.
    """
    tables: dict[str, Any] = copy.deepcopy(dict(site))
    found: list[Place] = []
    faults: list[str] = []
    for place, new in RENAMED.items():
        section, old = _section(tables, place[:-1]), place[-1]
        if old not in section:
            continue
        value = section.pop(old)
        if new in section:
            where = ".".join(place)
            faults.append(said("{where}: given as {new} as well; keep {new}", where=where, new=new))
        else:
            section[new] = value
            found.append(place)
    return tables, tuple(found), faults


def as_written(place: tuple[int | str, ...], old_keys: Sequence[Place]) -> tuple[int | str, ...]:
    """A place in a site by the name under which its file has it.

    Args:
        place: With the key's new name, and what lies below it.
        old_keys: Those that the file has.
    """
    for old in old_keys:
        if place[: len(old)] == (*old[:-1], RENAMED[old]):
            return (*old, *place[len(old) :])
    return place


def with_new_names(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings by their places, such as ``cooling.least``, with every old key under its new name."""
    new = {".".join(place): ".".join((*place[:-1], name)) for place, name in RENAMED.items()}
    return {new.get(place, place): value for place, value in settings.items()}


def _section(tables: dict[str, Any], names: Place) -> dict[str, Any]:
    """The table at a place; an empty one where there is none."""
    for name in names:
        inner = tables.get(name)
        if not isinstance(inner, dict):
            return {}
        tables = inner
    return tables
