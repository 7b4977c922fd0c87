"""What a receipt costs in an epoch with a number that never comes: with the stretches that receipts keep, and without.

    python -m benchmarks.receipt_gap [--numbers 100000] [--times 10]

In a real PostgreSQL that waits for the disk, both ways in turn; before each receipt 20 more numbers come.
"""

from __future__ import annotations

import time

import click
from kerbwatch_platform import store

from benchmarks.machine import headline, spread
from tests.support.postgres import postgres

NEVER, NEW = 5, 20
_COME = """
INSERT INTO numbered SELECT 'city', 'corner-1', 'e1', n, 'id-' || n FROM generate_series(%s::bigint, %s::bigint) AS n
WHERE n <> %s
"""
_MISSING = "SELECT first, last FROM missing WHERE (tenant, device) = ('city', 'corner-1')"


@click.command()
@click.option("--numbers", default=100_000, show_default=True)
@click.option("--times", default=10, show_default=True)
def main(numbers: int, times: int) -> None:
    """Measure, and say what it was measured on."""
    found: dict[str, list[float]] = {}
    with postgres(durable=True) as server, store.connect(server.address()) as connection:
        store.migrate(connection)
        connection.execute(_COME, (1, numbers, NEVER))
        connection.execute("VACUUM ANALYZE numbered")
        store.receipts(connection, "city", "corner-1", ["e1"])
        last = numbers
        for nth in range(2 * times):
            way = "with what is kept" if nth % 2 else "without"
            connection.execute(_COME, (last + 1, last + NEW, NEVER))
            last += NEW
            if not nth % 2:
                connection.execute("UPDATE receipted SET stretches = '{}'")
            for what in ("missing", "receipt"):
                began_s = time.perf_counter()
                if what == "receipt":
                    store.receipts(connection, "city", "corner-1", ["e1"])
                elif connection.execute(_MISSING).fetchall() != [(NEVER, NEVER)]:
                    raise click.ClickException("another number is missing")
                took_ms = (time.perf_counter() - began_s) * 1e3
                found.setdefault(f"{what}, {way}", []).append(took_ms)
    for what, values in sorted(found.items()):
        click.echo(f"{what:<28} {spread(values, 'ms', 1)}")
    click.echo(headline())


if __name__ == "__main__":
    main()
