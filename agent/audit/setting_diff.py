"""Two configurations held against each other, setting by setting and thing by thing. Pure.

A thing is a camera, a zone, an operator or a scenario: it is known by its name, so that one that is put in
before others changes none of them, and no two things are taken for one.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LONGEST_VALUE = 1000
"""Characters of a value that are kept; of a longer one a checksum as well, so that no change hides there."""
MAX_CHANGES, MAX_CHARACTERS = 100, 12_000
"""Of one record; what is more goes into the next."""
THINGS = {
    "cameras": "camera",
    "zones": "zone",
    "operators": "operator",
    "scenarios": "scenario",
}
FIXED = "scenario"
"""Its name says what it is: two of them with the same settings are not one that was renamed."""
_NAMES = ("zone_id", "camera_id", "name")
"""What a thing in a list is known by; a zone names its camera, too."""
_PASSWORD_IN_URL = re.compile(r"://[^/@\s]*@")

_NOTHING = "null"
Settings = dict[str, str]
"""Every single setting by its place, such as ``zones.kerb.kind``, as JSON."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What became of a thing as a whole: ``what`` such as ``zone.renamed``, and the names it goes by."""

    what: str
    facts: Mapping[str, str]


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every single setting of a configuration with its place, as text."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from leaves(part, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        for name, part in zip(_names_of(value), value, strict=True):
            yield from leaves(part, f"{place}.{name}")
    else:
        text = json.dumps(value, ensure_ascii=False)
        yield place, _bounded(_PASSWORD_IN_URL.sub("://***@", text))


def _names_of(parts: Sequence[dict[str, Any]]) -> Iterator[str]:
    """One name for each, and no name twice: what has none is counted."""
    given: set[str] = set()
    for index, part in enumerate(parts):
        told = next((str(part[key]) for key in _NAMES if part.get(key)), str(index))
        name, times = told, 1
        while name in given:
            times += 1
            name = f"{told}#{times}"
        given.add(name)
        yield name


def _bounded(text: str) -> str:
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{text[:LONGEST_VALUE]}… {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def changes(was: Settings, now: Settings) -> Iterator[list[dict[str, str | None]]]:
    """What differs, place by place; in one list what is of one thing or section, in more if it is much."""
    different = (at for at in was.keys() | now.keys() if _told(was, at) != _told(now, at))
    in_order = sorted(different, key=lambda at: (_part_of(at), at))
    for _, places in groupby(in_order, _part_of):
        rows: list[dict[str, str | None]] = []
        characters = 0
        for at in places:
            row = {"at": at, "was": was.get(at), "now": now.get(at)}
            size = sum(len(text or "") for text in row.values())
            if rows and (len(rows) == MAX_CHANGES or characters + size > MAX_CHARACTERS):
                yield rows
                rows, characters = [], 0
            rows.append(row)
            characters += size
        yield rows


def _told(settings: Settings, at: str) -> str | None:
    """A setting's value. One that an older agent did not know and one that is not given say the same."""
    value = settings.get(at)
    return None if value == _NOTHING else value


def happenings(was: Settings, now: Settings) -> Iterator[Happened]:
    """Which things came, went, or got another name and are else as they were."""
    for place, kind in THINGS.items():
        before, after = _things(was, place), _things(now, place)
        gone = {name: before[name] for name in before if name not in after}
        come = {name: after[name] for name in after if name not in before}
        for name, look in gone.items():
            alike = (other for other, its in come.items() if its == look)
            same = None if kind == FIXED else next(alike, None)
            if same is None:
                yield Happened(f"{kind}.removed", {"name": name})
            else:
                del come[same]
                yield Happened(f"{kind}.renamed", {"was": name, "now": same})
        for name in come:
            yield Happened(f"{kind}.added", {"name": name})


def _things(settings: Settings, place: str) -> dict[str, Settings]:
    """The things of a place by name, each as its settings without that name."""
    found: dict[str, Settings] = {}
    for at, value in settings.items():
        first, _, rest = at.partition(".")
        name, _, setting = rest.partition(".")
        if first == place and name:
            own = found.setdefault(name, {})
            if value not in (json.dumps(name, ensure_ascii=False), _NOTHING):
                own[setting] = value
    return found


def _part_of(place: str) -> str:
    """The thing that a setting is of, or else the section."""
    parts = place.split(".")
    return ".".join(parts[:2]) if parts[0] in THINGS else parts[0]
