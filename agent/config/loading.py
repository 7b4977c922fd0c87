"""Reads a site's two files into a configuration, and reports every fault of both."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import (
    ValidationError,
)

from agent import scenarios
from agent.config import site_files
from agent.config.faults import MISFIT, ConfigError, ZoneNames, fault, misfits_of
from agent.config.renamed_keys import Place, as_written, under_new_names
from agent.config.schema import Configuration
from agent.config.sections.base import UNSEEN
from agent.protocol import event_codes
from agent.protocol.event_codes import STANDARD
from agent.protocol.fields import is_readable, on_one_line
from drivers import cameras
from drivers.files.documents import texts_in
from wording.messages import said
from wording.validation import fault_at, may_be_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pydantic_core import ErrorDetails


def load(path: Path) -> Configuration:
    """Read ``site.toml`` and the ``zones.json`` beside it (or in the folder ``path``).

    Raises:
        ConfigError: With every fault: where it is, what is wrong, what is allowed.
    """
    path = site_files.site_file(path)
    site, faults = _read(site_files.read_toml, path)
    unread = bool(faults)
    zones_path = path.with_name(site_files.ZONES)
    if os.path.lexists(zones_path):  # a link that leads nowhere was meant to lead somewhere
        drawn, more = _read(site_files.read_json, zones_path)
        faults += more
        faults += (
            said("zones.json: {key}: no such key; the file holds only zones", key=key)
            for key in sorted(drawn.keys() - {"zones"})
        )
        if "zones" in drawn:
            if "zones" in site:
                faults.append(said("zones: given in site.toml and in zones.json; keep one"))
            site["zones"] = drawn["zones"]
    if unread:
        raise ConfigError(path, faults)
    try:
        configuration = from_tables(site, path)
    except ConfigError as error:
        raise ConfigError(path, [*error.faults, *faults]) from error
    if faults:
        raise ConfigError(path, faults)
    return configuration


def from_tables(site: dict[str, Any], path: Path = Path("site.toml")) -> Configuration:
    """Check the parsed tables of a site, its zones among them.

    Args:
        site: What the files say.
        path: Where it comes from, for errors.

    Raises:
        ConfigError: With every fault.
    """
    details: list[ErrorDetails] = []
    site, old_keys, faults = under_new_names(site)
    try:
        configuration = Configuration.model_validate(site)
    except ValidationError as error:
        details = [detail for detail in error.errors() if not _follows(detail, error.errors())]
        if any(detail["type"] != MISFIT for detail in details):
            details += _misfits_of_the_rest(site)
    if details := [*details, *_unseen(site, {detail["loc"] for detail in details})]:
        faults = [*(_in_words(detail, site, old_keys) for detail in details), *faults]
    if faults:
        raise ConfigError(path, faults)
    configuration._old_keys = old_keys
    return configuration


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of ``site.toml`` with its zones, for editors and other programs.

    What depends on a driver stays open there; the names of drivers, scenarios and kinds of zones are listed.
    """
    schema = Configuration.model_json_schema()
    definitions = schema["$defs"]
    definitions["CameraSection"]["properties"]["driver"]["enum"] = list(cameras.driver_names())
    definitions["ZoneSection"]["properties"]["kind"]["enum"] = list(scenarios.zone_kinds())
    schema["properties"]["scenarios"] = {
        "type": "object",
        "default": {},
        "additionalProperties": False,
        "properties": {
            name: scenarios.load_scenario(name).Settings.model_json_schema()
            for name in scenarios.scenario_names()
        },
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _follows(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Whether a list is reported too short only because its invalid items were not counted."""
    place = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details
    )


def _unseen(site: dict[str, Any], told: Collection[tuple[int | str, ...]]) -> list[ErrorDetails]:
    """Texts with invisible characters, also where no field checks: camera settings, keys."""
    faults = [
        fault(place, UNSEEN)
        for place, text in texts_in(site)
        if place not in told and not is_readable(on_one_line(text))
    ]
    return ValidationError.from_exception_data("Configuration", faults).errors() if faults else []


def _misfits_of_the_rest(site: dict[str, Any]) -> list[ErrorDetails]:
    """Faults between parts of a configuration that is also invalid elsewhere, as far as possible."""

    def texts(rows: Any, *keys: str) -> list[tuple[Any, ...]] | None:
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return None
        found = [tuple(row.get(key) for key in keys) for row in rows]
        needed = ZoneNames._fields[: len(ZoneNames._fields) - len(ZoneNames._field_defaults)]
        whole = all(
            isinstance(value, str) or (value is None and key not in needed)
            for row in found
            for key, value in zip(keys, row, strict=True)
        )
        return found if whole else None

    camera_ids = texts(site.get("cameras"), "camera_id")
    zones = texts(site.get("zones", []), *ZoneNames._fields)
    if camera_ids is None or zones is None:
        return []
    facts = site.get("site")
    told = facts.get("codes_profile", STANDARD) if isinstance(facts, dict) else STANDARD
    profile = told if isinstance(told, str) and told in event_codes.profiles() else STANDARD
    misfits = misfits_of(
        profile, [row[0] for row in camera_ids], [ZoneNames(*row) for row in zones]
    )
    return ValidationError.from_exception_data("Configuration", misfits).errors() if misfits else []


def _read(read: Callable[[Path], dict[str, Any]], path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        return read(path), []
    except site_files.FileError as error:
        return error.content, list(error.faults)


def _in_words(detail: ErrorDetails, site: dict[str, Any], old_keys: Sequence[Place]) -> str:
    place = as_written(detail["loc"], old_keys)
    # A key that nobody knows may be an address that somebody pasted.
    where: str = ".".join("…" if may_be_secret(str(part)) else str(part) for part in place)
    if not place:
        where = said("configuration")
    elif name := _zone_name(site.get("zones"), place):
        # The technician knows a zone by its name, not by its number.
        where = said("{where} (zone {name!r})", where=where, name=name)
    return fault_at(where, detail)


def _zone_name(zones: Any, place: tuple[int | str, ...]) -> str | None:
    if place[:1] != ("zones",) or len(place) < 2 or not isinstance(place[1], int):
        return None
    zone = zones[place[1]]
    name = zone.get("zone_id") if isinstance(zone, dict) else None
    return name if isinstance(name, str) else None
