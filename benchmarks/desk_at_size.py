"""How long the desk's pages take, and what workers still store, over a million events.

    python -m benchmarks.desk_at_size [--events 1000000] [--times 5]

Drawn devices, each with three months of signs of life, summaries and cases, lie in a real PostgreSQL that waits for the
disk; the desk is the command's own, in a process of its own, and a page is asked for by its address, by somebody who is
signed in. Told of each: the first time, and the median of the next ones. At the end workers store more on top.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click
from kerbwatch_platform import figures, store
from kerbwatch_platform.figures import archive, duck
from kerbwatch_platform.web.roles import Role
from tqdm import tqdm

from benchmarks.machine import headline
from benchmarks.platform_intake import PACKED, in_batches, messages
from tests.support.desk import RunningDesk, new_desk
from tests.support.desk_city import Device
from tests.support.desk_database import take_in
from tests.support.desk_visitor import Visitor
from tests.support.drawn_quarter import TENANT, drawn
from tests.support.postgres import postgres

if TYPE_CHECKING:
    import psycopg

DAYS, AT_ONCE = 91, 4
"""Days that are drawn; devices that are drawn at once."""
MORE = 20_000
"""Events that workers store on top."""
_NUMBERS = """
INSERT INTO numbered SELECT tenant, device, 'drawn', row_number() OVER (PARTITION BY tenant, device ORDER BY event_id),
  event_id FROM event e WHERE NOT EXISTS (
    SELECT 1 FROM numbered n WHERE (n.tenant, n.device, n.event_id) = (e.tenant, e.device, e.event_id))
"""


def fill(connection: psycopg.Connection, least: int) -> int:
    """Draw devices until there are so many events; how many there are."""
    first, count, seed = date.today() - timedelta(days=DAYS), 0, 0  # noqa: DTZ011  the city's
    with tqdm(total=least, unit="event", unit_scale=True) as bar:
        while count < least:
            made = drawn(seed, first, DAYS, devices=AT_ONCE)
            names = {f"drawn-{n}": f"drawn-{seed}-{n}" for n in range(AT_ONCE)}
            for _, device, event in made.events:
                event["device_id"] = names[device]
            made.events = [(TENANT, names[of], event) for _, of, event in made.events]
            made.verdicts = [(TENANT, names[of], *rest) for _, of, *rest in made.verdicts]
            take_in(connection, made)
            count, seed = count + len(made.events), seed + 1
            bar.update(len(made.events))
    connection.execute(_NUMBERS)
    _describe(connection)
    connection.execute("VACUUM ANALYZE")
    return count


def _describe(connection: psycopg.Connection) -> None:
    """What each device is made of, as it tells it; and its receipts, as workers have computed them."""
    at = datetime.now().astimezone() - timedelta(days=DAYS)
    for (name,) in connection.execute("SELECT DISTINCT device FROM newest_sign").fetchall():
        device = Device(connection, name, tenant=TENANT)
        device.born(at)
        seed = name.rpartition("-")[2]
        device.takes_inventory(at, zones=[{"zone_id": f"bin-{seed}", "place_id": f"{name}.bin"}])
        store.receipts(connection, TENANT, name)


def pages(desk: RunningDesk) -> dict[str, str]:
    """What is looked at, and its address."""
    of = "SELECT tenant || '/' || device || '/' || case_id FROM case_now ORDER BY opened_s DESC"
    [[case]] = desk.sql(f"{of} LIMIT 1")
    [[zone]] = desk.sql("SELECT tenant || '/' || device || '/' || zone_id FROM zone_now LIMIT 1")
    asked = datetime.now().astimezone() - timedelta(days=2)
    why = urlencode({"zone": zone, "at": asked.strftime("%Y-%m-%dT%H:%M")})
    device = zone.rpartition("/")[0]
    found = {
        "queue: undecided, open": "/",
        "queue: all, decided and not": "/?state=all&decided=all",
        "queue: its news": "/news",
        "a case": f"/cases/{case}",
        "devices": "/devices",
        "a device": f"/devices/{device}",
        "places": "/places",
        "why was nothing reported": f"/why?{why}",
    }
    quarter = f"{date.today() - timedelta(days=30)}..{date.today()}"  # noqa: DTZ011
    return found | {
        f"figure: {name}, 31 days": f"/figures/{name}?{urlencode({'period': quarter})}"
        for name in figures.QUESTIONS
    }


def look(desk: RunningDesk, times: int) -> None:
    """Ask for each page so many times."""
    with Visitor(desk.url) as visitor:
        visitor.be(Role.VIEWER)
        for what, address in pages(desk).items():
            took = []
            for _ in range(1 + times):
                began_s = time.perf_counter()
                answer = visitor.get(address)
                took.append(time.perf_counter() - began_s)
                if (
                    answer.status_code != 200
                ):  # it takes longer than the desk waits for its database
                    click.echo(
                        f"{what:<36} not answered: {answer.status_code} after {took[-1]:.1f} s"
                    )
                    break
            else:
                then = statistics.median(took[1:])
                click.echo(f"{what:<36} {took[0]:7.2f} s, then {then:7.2f} s")


def in_duckdb(connection: psycopg.Connection, folder: Path) -> None:
    """The same figures, out of the archive."""
    began_s = time.perf_counter()
    months = archive.write_all(connection, folder)
    size = sum(each.stat().st_size for each in folder.rglob("*.parquet"))
    took_s = time.perf_counter() - began_s
    click.echo(f"archive: {len(months)} months, {size / 1e6:.0f} MB, {took_s:.1f} s")
    today = date.today()  # noqa: DTZ011
    of = figures.period(f"{today - timedelta(days=30)}..{today}", "Asia/Shanghai")
    with closing(duck.over(folder)) as archived:
        for name in figures.QUESTIONS:
            began_s = time.perf_counter()
            rows: list[Any] = duck.answer(archived, name, of)
            click.echo(
                f"figure: {name}, DuckDB: {len(rows)} rows, {time.perf_counter() - began_s:.2f} s"
            )


def store_more(connection: psycopg.Connection) -> None:
    """What workers store of further devices."""
    told = messages(100, MORE, PACKED, 1)
    began_s = time.perf_counter()
    in_batches(connection, told, receipts=True)
    click.echo(
        f"intake on top: {MORE / (time.perf_counter() - began_s):.0f} events/s, with receipts"
    )


@click.command()
@click.option("--events", default=1_000_000, show_default=True)
@click.option("--times", default=5, show_default=True)
def main(events: int, times: int) -> None:
    """Fill, look, and say what it was measured on."""
    with (
        postgres(durable=True) as server,
        tempfile.TemporaryDirectory() as kept,
    ):
        desk = new_desk(server, Path(kept))
        with desk.connect() as connection:
            began_s = time.perf_counter()
            count = fill(connection, events)
            click.echo(f"{count} events drawn and stored in {time.perf_counter() - began_s:.0f} s")
            [[size]] = desk.sql("SELECT pg_size_pretty(pg_database_size(current_database()))")
            [[cases, opened]] = desk.sql(
                "SELECT count(*), count(*) FILTER (WHERE state = 'open') FROM case_now"
            )
            click.echo(f"database {size}, {cases} cases, {opened} of them open")
            desk.start()
            try:
                look(desk, times)
            finally:
                desk.end()
            in_duckdb(connection, Path(kept, "archive"))
            store_more(connection)
    click.echo(headline())


if __name__ == "__main__":
    main()
