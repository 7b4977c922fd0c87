"""The inventory as CSV (RFC 4180), for the city's programs for tables.

What such a program would run as a formula is written behind an apostrophe, and taken back without it. A byte order
mark says that it is UTF-8: without it Excel reads Chinese as GBK.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from drivers.files.small_files import UnreadableError, content_of, text_in
from provisioning.fleet.inventory import FleetError
from provisioning.fleet.units import COLUMNS, UnitError, runs_as_formula, unit_of
from wording.harmless import harmless
from wording.messages import Said, itemised, said, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from provisioning.fleet.units import Unit

MAX_BYTES = 200_000_000
"""Some 100,000 units with all that is known of each: what is written can be read again."""
MAX_TOLD = 100
"""Faults of one file; how many more there are is said."""


def as_csv(units: Iterable[Unit]) -> str:
    """Units as CSV, with a head."""
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for each in units:
        row = each.model_dump(mode="json")
        writer.writerow([_cell(row[name]) for name in COLUMNS])
    return "\ufeff" + written.getvalue()


def read(path: Path) -> list[Unit]:
    """The units of a file. Columns may be left out, and stand in any order.

    Raises:
        FleetError: It cannot be read; with every fault, its row and its column.
    """
    try:
        text = text_in(content_of(path, MAX_BYTES))
    except UnreadableError as error:
        raise FleetError(said("{file}: {fault}", file=path, fault=text_of(error))) from error
    try:
        return parsed(text)
    except FleetError as error:
        raise FleetError(
            said("{file}: nothing was taken:\n{faults}", file=path, faults=text_of(error))
        ) from error


def parsed(text: str) -> list[Unit]:
    """The units of a table; a byte order mark at its beginning counts for nothing.

    Raises:
        FleetError: With every fault, its row and its column.
    """
    try:
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        raise FleetError(said("it is no CSV: {reason}", reason=str(error))) from error
    if not rows:
        raise FleetError(said("it is empty"))
    head = [each.strip() for each in rows[0]]
    faults = _faults_of_head(head)
    units: dict[str, Unit] = {}
    if not faults:
        for number, row in enumerate(rows[1:], 2):
            if any(each.strip() for each in row):  # an empty line is no fault
                _take(number, head, row, units, faults)
    if faults:
        told = [*faults[:MAX_TOLD]]
        if len(faults) > MAX_TOLD:
            told.append(said("and {count} more", count=len(faults) - MAX_TOLD))
        raise FleetError(itemised(told))
    return list(units.values())


def _take(
    number: int, head: list[str], row: list[str], units: dict[str, Unit], faults: list[Said]
) -> None:
    if len(row) != len(head):
        faults.append(
            said(
                "row {row}: it has {count} cells, the head has {wanted}",
                row=number,
                count=len(row),
                wanted=len(head),
            )
        )
        return
    try:
        unit = unit_of(dict(zip(head, map(_value, row), strict=True)))
    except UnitError as error:
        faults += [
            said(
                "row {row}, column {column}: {fault}", row=number, column=column or "-", fault=fault
            )
            for column, fault in error.faults
        ]
        return
    if unit.serial in units:
        faults.append(
            said(
                "row {row}, column {column}: {fault}",
                row=number,
                column="serial",
                fault=said("it stands in another row as well"),
            )
        )
    units[unit.serial] = unit


def _faults_of_head(head: list[str]) -> list[Said]:
    faults = [
        said(
            "row 1: {name!r} is no column; columns are {columns}",
            name=harmless(name),
            columns=COLUMNS,
        )
        for name in dict.fromkeys(head)
        if name not in COLUMNS
    ]
    faults += [
        said("row 1: the column {name!r} stands there twice", name=name)
        for name in COLUMNS
        if head.count(name) > 1
    ]
    if "serial" not in head:
        faults.append(said("row 1: the column serial is missing"))
    return faults


def _cell(value: str | None) -> str:
    text = value or ""
    return f"'{text}" if runs_as_formula(text) else text


def _value(cell: str) -> str:
    text = cell.strip(" ")
    return text[1:] if text.startswith("'") and runs_as_formula(text[1:]) else text
