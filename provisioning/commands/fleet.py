"""``kerbwatch fleet``: the inventory in the office: add, list, show, import, export, take, labels."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from drivers.disk import replace_file
from provisioning.console.exit_codes import FAULT
from provisioning.fleet import news, table_files
from provisioning.fleet.inventory import FleetError, Inventory
from provisioning.fleet.units import UnitError, unit_of
from provisioning.rendering import labels as sheets
from provisioning.rendering.pdf_font import chinese_font
from provisioning.wording import in_words, say, say_many
from provisioning.wording.vocabulary import ACCEPTED, FLEET_STATES, known_in_words
from provisioning.wording.width import padded
from wording.harmless import harmless
from wording.messages import itemised, said, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from provisioning.fleet.units import Unit


def add(fleet: Path, serial: str, values: dict[str, Any], replaces: str | None) -> None:
    """Put a unit into the inventory, or change what is told of it.

    Args:
        fleet: The inventory's file.
        serial: The unit's.
        values: Columns that are told; None: as they are.
        replaces: The serial number of the unit that it takes the place of, corner and all.

    Raises:
        FleetError: It cannot be; with every fault.
    """
    inventory = Inventory(fleet)
    known = {each.serial: each for each in inventory.units()} if fleet.is_file() else {}
    before = known[serial].model_dump() if serial in known else {"serial": serial}
    told = {name: each for name, each in values.items() if each is not None}
    changed: list[Unit] = []
    if replaces is not None:
        if replaces not in known or replaces == serial:
            raise FleetError(
                said("{which}: no such unit in the inventory", which=harmless(replaces))
            )
        old = known[replaces]
        gone = {"decommissioned_at": datetime.now(UTC), "decommissioned_reason": "replaced"}
        changed.append(unit_of(old.model_dump() | gone) if old.state == "active" else old)
        told = {"tenant": old.tenant, "device_id": old.device_id, "site": old.site} | told
    try:
        changed.append(unit_of(before | told))
    except UnitError as error:
        raise FleetError(text_of(error)) from error
    inventory.put(changed)
    for each in changed:
        click.echo(_line(each))


def show_all(
    fleet: Path, state: str | None, ends_within_days: int | None, *, as_json: bool
) -> None:
    """List units.

    Args:
        fleet: The inventory's file.
        state: Only those in this state.
        ends_within_days: Only active ones whose certificate ends so soon, or is not known.
        as_json: As JSON.

    Raises:
        FleetError: There is no inventory.
    """
    units = Inventory(fleet).units()
    if state is not None:
        units = [each for each in units if each.state == state]
    if ends_within_days is not None:
        until = datetime.now(UTC) + timedelta(days=ends_within_days)
        units = [
            each
            for each in units
            if each.state == "active"
            and (each.certificate_until is None or each.certificate_until <= until)
        ]
    if as_json:
        click.echo(json.dumps([_shown(each) for each in units], ensure_ascii=False, indent=2))
        return
    for each in units:
        click.echo(_line(each))
    click.echo(say_many("{count} unit", "{count} units", len(units)), err=True)


def show(fleet: Path, which: str, *, as_json: bool) -> None:
    """Show everything that is known of a unit.

    Raises:
        FleetError: There is none.
    """
    unit = Inventory(fleet).unit(which)
    if as_json:
        click.echo(json.dumps(_shown(unit), ensure_ascii=False, indent=2))
        return
    for name, value in _shown(unit).items():
        if value is not None:
            click.echo(f"{padded(name, 26)} {value}")


def import_table(fleet: Path, table: Path) -> None:
    """Take units from CSV: all of them, or none if a cell is faulty.

    Raises:
        FleetError: With every fault, its row and its column.
    """
    units = table_files.read(table)
    Inventory(fleet).put(units)
    click.echo(say_many("{count} unit taken", "{count} units taken", len(units)))


def export_table(fleet: Path, out: Path) -> None:
    """Write the inventory as CSV.

    Raises:
        FleetError: There is no inventory.
        OSError: It cannot be written.
    """
    units = Inventory(fleet).units()
    replace_file(out, table_files.as_csv(units))
    click.echo(say_many("{count} unit: {file}", "{count} units: {file}", len(units), file=out))


def take(fleet: Path, files: Sequence[Path]) -> int:
    """Take what devices and the authority say.

    Returns:
        0; 1 if something could not be read, or is of a device that is in nobody's inventory.

    Raises:
        FleetError: There is no inventory, or a file cannot be read.
    """
    inventory = Inventory(fleet)
    failed = False
    for path in files:
        taken = news.take(path, inventory.units())
        inventory.put(taken.units.values())
        click.echo(
            say(
                "{file}: {changed} unit(s) changed, {known} message(s) told nothing new",
                file=path,
                changed=len(taken.units),
                known=taken.known,
            )
        )
        for each in taken.units.values():
            click.echo(f"  {_line(each)}")
        for name in sorted(taken.unknown):
            click.echo(
                say(
                    "! {name}: no unit of the inventory watches there. `kerbwatch fleet add` it, and take"
                    " the file again.",
                    name=harmless(name),
                ),
                err=True,
            )
        for fault in taken.faults:
            click.echo(f"! {in_words(harmless(fault))}", err=True)
        failed = failed or bool(taken.unknown or taken.faults)
    return FAULT if failed else 0


def labels(
    fleet: Path, which: Sequence[str], out: Path, address: str | None, skip: int, font: Path | None
) -> None:
    """Print labels.

    Args:
        fleet: The inventory's file.
        which: Serial numbers or corners; none: all that are not decommissioned.
        out: The PDF.
        address: Of the page, for units of which it is not known.
        skip: How many places of the first sheet are used already.
        font: A font's file; None: one of the system's.

    Raises:
        FleetError: Something is not known that stands on a label; with every unit.
        LabelError: Something does not fit, or cannot be printed.
        NoFontError: There is no font with Chinese.
    """
    inventory = Inventory(fleet)
    units = (
        [inventory.unit(each) for each in which]
        if which
        else [each for each in inventory.units() if each.state != "decommissioned"]
    )
    if not units:
        raise FleetError(said("there is no unit to print a label for"))
    lacking = [
        said("{serial}: no address and fingerprint of its page is known", serial=each.serial)
        for each in units
        if each.page_fingerprint is None or (each.page_address or address) is None
    ]
    if lacking:
        raise FleetError(
            said(
                "{faults}\nLet each unit tell them (`kerbwatch page identity --json`), and take them:"
                " `kerbwatch fleet take`",
                faults=itemised(lacking),
            )
        )
    printed = [
        sheets.Label(
            serial=each.serial,
            name=each.name or each.serial,
            site=each.site or "",
            address=each.page_address or address or "",
            fingerprint=each.page_fingerprint or "",
            access_point=each.access_point or "",
        )
        for each in units
    ]
    replace_file(out, sheets.as_pdf(printed, chinese_font(font), skip))
    click.echo(say_many("{count} label: {file}", "{count} labels: {file}", len(printed), file=out))


def _line(unit: Unit) -> str:
    state = known_in_words(FLEET_STATES, unit.state)
    accepted = known_in_words(ACCEPTED, unit.accepted) if unit.accepted else "–"
    until = f"{unit.certificate_until:%Y-%m-%d}" if unit.certificate_until else "–"
    cells = (
        padded(unit.serial, 20),
        padded(unit.name or "–", 28),
        padded(state, 10),
        padded(unit.agent_version or "–", 10),
        padded(until, 11),
        padded(accepted, 14),
        unit.site or "",
    )
    return " ".join(cells).rstrip()


def _shown(unit: Unit) -> dict[str, Any]:
    return {**unit.model_dump(mode="json"), "state": unit.state}
