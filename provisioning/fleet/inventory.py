"""The inventory of a fleet: one SQLite file, on a computer in the office."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import sqlite_utils

from provisioning.fleet.units import COLUMNS, Unit, unit_of
from wording.messages import Said, itemised, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class FleetError(ValueError):
    """The inventory does not take or give what is asked; the text says why."""


class Inventory:
    """All units of a fleet.

    Args:
        path: The file; made where there is none and something is put.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def units(self) -> list[Unit]:
        """All of them, by serial number.

        Raises:
            FleetError: There is no inventory.
        """
        if not self._path.is_file():
            raise FleetError(
                said(
                    "{file}: there is no inventory. The first unit makes it: `kerbwatch fleet add`",
                    file=self._path,
                )
            )
        with self._open() as db:
            return [_unit(row) for row in db.query("SELECT * FROM units ORDER BY serial")]

    def unit(self, which: str) -> Unit:
        """One, by its serial number or the corner (``tenant/device_id``) that it watches now.

        Raises:
            FleetError: There is none, or no inventory.
        """
        found = [each for each in self.units() if which == each.serial]
        found = found or [
            each for each in self.units() if each.name == which and each.state == "active"
        ]
        if not found:
            raise FleetError(said("{which}: no such unit in the inventory", which=which))
        return found[0]

    def put(self, units: Iterable[Unit]) -> None:
        """Put units in, in place of those of the same serial numbers; all of them or none.

        Raises:
            FleetError: Two units would watch one corner; with every such corner.
            sqlite3.Error: The file cannot be written.
        """
        new = {each.serial: each for each in units}
        with self._open() as db, db.conn:
            rows = db.query("SELECT * FROM units")
            known = {each.serial: each for each in map(_unit, rows)}
            _refuse_two_at_one_corner(known | new)
            db.table("units").upsert_all(
                [each.model_dump(mode="json") for each in new.values()], pk="serial"
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite_utils.Database]:
        with closing(sqlite_utils.Database(self._path, execute_plugins=False)) as db:
            db.execute("PRAGMA synchronous = FULL")
            db.table("units").create(dict.fromkeys(COLUMNS, str), pk="serial", if_not_exists=True)
            yield db


def _unit(row: dict[str, Any]) -> Unit:
    return unit_of({name: row[name] for name in COLUMNS})


def _refuse_two_at_one_corner(units: dict[str, Unit]) -> None:
    at: dict[str, list[str]] = {}
    for each in units.values():
        if each.state == "active" and each.name is not None:
            at.setdefault(each.name, []).append(each.serial)
    faults: list[Said] = [
        said(
            "{name} would be watched by {serials}: say which unit is taken down (--replaces)",
            name=name,
            serials=serials,
        )
        for name, serials in at.items()
        if len(serials) > 1
    ]
    if faults:
        raise FleetError(itemised(faults))
