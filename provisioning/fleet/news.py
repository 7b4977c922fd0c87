"""What devices and the authority say, taken into the inventory.

A file holds JSON documents, one a line, one alone or a list of them: messages or events of the contract, what
``kerbwatch page identity``, ``kerbwatch identity show`` and ``kerbwatch ca list`` print with ``--json``, or the record of
``kerbwatch decommission``. Or it is the database of the example platform's consumer. What comes from the network is hostile: only
what is needed is read, and each value by the rules of :mod:`provisioning.fleet.units`.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

from drivers.files.documents import parsed_json
from drivers.files.small_files import MAX_BYTES
from provisioning.fleet.inventory import FleetError
from provisioning.fleet.units import Unit, UnitError, unit_of
from wording.known_errors import reason_of
from wording.messages import Said, said, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOMENT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_SQLITE = b"SQLite format 3\0"
_BIGGEST_FILE_BYTES = 1_000_000_000
TAKEN_EVENTS = ("device.inventory", "device.acceptance", "device.decommissioned")


@dataclass(frozen=True, slots=True)
class News:
    """What is said of one device.

    Attributes:
        name: ``tenant/device_id``; or a serial number, of a unit that watches nothing yet.
        at: When that was; None: it holds now.
        values: Columns of the inventory.
        stamp: The column that says how new such values are; empty: they are always taken.
    """

    name: str
    at: datetime | None
    values: dict[str, Any]
    stamp: str = ""


@dataclass(slots=True)
class Taken:
    """What became of a file.

    Attributes:
        units: The units that have changed.
        known: How much of the news was known, or older than what was known.
        unknown: Devices that no unit of the inventory watches.
        faults: What could not be read, and where.
    """

    units: dict[str, Unit]
    known: int
    unknown: set[str]
    faults: list[Said]


def take(path: Path, units: list[Unit]) -> Taken:
    """Read a file, and hold it against the units.

    Raises:
        FleetError: The file cannot be read.
    """
    taken = Taken({}, 0, set(), [])
    before: dict[str, list[Unit]] = {}
    for each in units:
        for name in filter(None, (each.serial, each.name)):
            before.setdefault(name, []).append(each)
    for place, document in _documents(path, taken.faults):
        try:
            for news in _news(document):
                _apply(news, before, taken)
        except (UnitError, ValueError, TypeError, KeyError) as error:
            reason = (
                text_of(error) if isinstance(error, UnitError) else said("it is not understood")
            )
            taken.faults.append(said("{place}: {fault}", place=place, fault=reason))
    return taken


def _apply(news: News, before: dict[str, list[Unit]], taken: Taken) -> None:
    """Take one; ``before`` are the units by serial number, and by the corner that they watch or watched."""
    named = before.get(news.name, [])
    unit = _unit_of(news, [taken.units.get(each.serial, each) for each in named])
    if unit is None:
        taken.unknown.add(news.name)
        return
    known_at = getattr(unit, news.stamp) if news.stamp else None
    if known_at is not None and news.at is not None and news.at < known_at:
        taken.known += 1
        return
    stamp = {news.stamp: news.at} if news.stamp else {}
    changed = unit_of(unit.model_dump() | news.values | stamp)
    if changed == unit:
        taken.known += 1
        return
    taken.units[unit.serial] = changed


def _unit_of(news: News, units: list[Unit]) -> Unit | None:
    """Who it is about: the unit at that corner now, or the one that was there then."""
    if "/" not in news.name:
        return next((each for each in units if each.serial == news.name), None)
    there = [each for each in units if each.name == news.name]
    active = [each for each in there if each.state == "active"]
    gone = sorted(
        (each for each in there if each.decommissioned_at is not None and news.at is not None),
        key=lambda each: each.decommissioned_at or datetime.max.replace(tzinfo=UTC),
    )
    then = [
        each
        for each in gone
        if news.at is not None
        and each.decommissioned_at is not None
        and news.at <= each.decommissioned_at
    ]
    return next(iter([*then, *active]), None)


def _news(document: Any) -> Iterator[News]:
    if isinstance(document, list):
        for each in document:
            yield from _news(each)
    elif not isinstance(document, dict):
        raise TypeError
    elif isinstance(document.get("events"), list):
        for each in document["events"]:
            yield from _news(each)
    elif document.get("what") == "page.identity":
        yield _of_page(document)
    elif document.get("what") == "device.decommissioned":
        yield _of_record(document)
    elif "serial" in document and "kind" in document:
        yield from _of_register(document)
    elif "renew_from" in document:
        yield from _of_identity(document)
    else:
        yield from _of_event(document)


class _Event(BaseModel):
    """The envelope of the contract, as far as it is needed."""

    model_config = ConfigDict(extra="ignore")

    type: str
    tenant: str
    device_id: str
    occurred_at: AwareDatetime
    test: bool = False
    body: dict[str, Any]


def _of_event(document: dict[str, Any]) -> Iterator[News]:
    if document.get("type") not in TAKEN_EVENTS:
        if isinstance(document.get("type"), str):
            return
        raise TypeError
    event = _Event.model_validate(document)
    name, body = f"{event.tenant}/{event.device_id}", event.body
    if event.test:
        return
    if event.type == "device.inventory":
        if (device := body.get("device")) is not None:  # in its first part alone
            values = {name: device[name] for name in ("agent_version", "contract_version")}
            values["configuration_sha256"] = body["configuration_sha256"]
            yield News(name, event.occurred_at, values, "inventory_at")
    elif event.type == "device.acceptance":
        at = _MOMENT.validate_python(body["at"])
        yield News(name, at, {"accepted": body["result"]}, "accepted_at")
    else:
        at = _MOMENT.validate_python(body["at"])
        yield News(name, at, {"decommissioned_reason": body["reason"]}, "decommissioned_at")


def _of_record(document: dict[str, Any]) -> News:
    name, at = (
        f"{document['tenant']}/{document['device_id']}",
        _MOMENT.validate_python(document["at"]),
    )
    reason = document.get("reason") or "end_of_life"
    return News(name, at, {"decommissioned_reason": reason}, "decommissioned_at")


def _of_page(document: dict[str, Any]) -> News:
    """Of what a page says, its codes and passwords are not read."""
    names = ("page_address", "page_fingerprint", "access_point")
    values = {name: document[name] for name in names if document.get(name)}
    if document.get("device_id"):
        return News(f"{document['tenant']}/{document['device_id']}", None, values)
    return News(str(document["serial"]), None, values)


def _of_register(document: dict[str, Any]) -> Iterator[News]:
    if document["kind"] != "device" or document["state"] != "valid":
        return
    yield _certificate(document["name"], document["fingerprint"], document["not_after"])


def _of_identity(document: dict[str, Any]) -> Iterator[News]:
    if document["not_after"] is not None and not document["foreign"]:
        yield _certificate(document["name"], document["fingerprint"], document["not_after"])


def _certificate(name: str, fingerprint: str, not_after: str) -> News:
    """Of several the one that ends last: that is the newest."""
    ends = _MOMENT.validate_python(not_after)
    return News(name, ends, {"certificate_fingerprint": fingerprint}, "certificate_until")


def _documents(path: Path, faults: list[Said]) -> Iterator[tuple[str, Any]]:
    try:
        if not path.is_file() and path.exists():
            raise FleetError(said("{file}: it is no ordinary file", file=path))
        if path.stat().st_size > _BIGGEST_FILE_BYTES:
            raise FleetError(said("{file}: it is too large to be taken", file=path))
        with path.open("rb") as opened:
            begin = opened.read(len(_SQLITE))
        if begin == _SQLITE:
            yield from _of_consumer(path)
        else:
            yield from _of_text(path, faults)
    except (OSError, sqlite3.Error) as error:
        raise FleetError(said("{file}: {fault}", file=path, fault=reason_of(error))) from error


def _of_consumer(path: Path) -> Iterator[tuple[str, Any]]:
    """The events that are needed from the database of ``examples/platform/consumer.py``."""
    places = ", ".join("?" for _ in TAKEN_EVENTS)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            f"SELECT event_id, json(raw) FROM event WHERE type IN ({places})",  # noqa: S608 - only marks
            TAKEN_EVENTS,
        )
        for event_id, raw in rows:
            yield str(event_id), json.loads(raw)


def _of_text(path: Path, faults: list[Said]) -> Iterator[tuple[str, Any]]:
    """JSON documents: one that fills the file, or one a line."""
    if path.stat().st_size <= MAX_BYTES:
        try:
            yield "1", parsed_json(path.read_text(encoding="utf-8-sig"))
        except ValueError:
            pass
        else:
            return
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(_bounded(lines), 1):
            if not line.strip():
                continue
            place = said("line {line}", line=number)
            try:
                document = parsed_json(line)
            except ValueError:
                faults.append(said("{place}: {fault}", place=place, fault=said("it is no JSON")))
            else:
                yield place, document


def _bounded(lines: TextIO) -> Iterator[str]:
    """The lines of a file; one that is too long for a message comes in pieces, of which none is JSON."""
    while line := lines.readline(MAX_BYTES):
        yield line
