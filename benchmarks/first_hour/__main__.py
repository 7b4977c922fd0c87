"""From a prepared card to the first case at the platform: seconds, commands, typed values.

    python -m benchmarks.first_hour [--repository STICK] [--out first-hour]
    python -m benchmarks.first_hour --unit https://10.73.85.1/ --zones zones.json [--fingerprint SHA-256]

Without ``--unit`` all of it happens on a booted Debian 13 (root, systemd-nspawn, mmdebstrap, mosquitto): the card is
prepared, the first boot installs the package from it, and the looped example street is watched; the example platform
runs behind a Mosquitto with TLS. With ``--unit`` the steps at the pole are measured on a real device, over a cable or its
access point: press its button first. The phone is a program that asks what the page's scripts ask: it reads and draws
nothing, so the times are the device's, without the person's.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import click

from benchmarks.first_hour.at_the_pole import Visit, visit
from benchmarks.first_hour.phone import Phone
from benchmarks.first_hour.steps import Steps
from benchmarks.machine import headline

_ROOT = Path(__file__).parents[2]


@click.command()
@click.option("--unit", help="Address of a device's page; else a Debian is booted here.")
@click.option("--fingerprint", help="SHA-256 of its certificate, from the label.")
@click.option(
    "--zones",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="zones.json to be drawn; with --unit.",
)
@click.option("--name", default="-", help="Who accepts the device; it stands on the form alone.")
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Of the packages, as deb/build --repository writes it; else they are built.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("first-hour"),
    show_default=True,
    help="New folder for the form and what the parts have logged.",
)
def main(
    unit: str | None,
    fingerprint: str | None,
    zones: Path | None,
    name: str,
    repository: Path | None,
    out: Path,
) -> None:
    """Measure the way from the card to the first case, or the part of it at the pole."""
    steps = Steps()
    out.mkdir(parents=True)
    click.echo(headline())
    if unit is not None:
        if zones is None:
            raise click.UsageError("--unit goes with --zones")
        drawn = json.loads(zones.read_bytes())["zones"]
        code = click.prompt("Code under the lid")
        visit(
            Phone(unit, fingerprint=fingerprint),
            steps,
            Visit(code=code, zones=drawn, name=name, form=out / "acceptance.pdf"),
        )
        _sum(steps, after=None)
        return
    from benchmarks.first_hour.booted import FIRST_BOOT, whole_way  # noqa: PLC0415 - pytest is not at a pole

    whole_way(steps, out.resolve(), repository or _built(out / "stick"))
    _sum(steps, after=FIRST_BOOT)


def _built(stick: Path) -> Path:
    options = ["--suite", "trixie", "--arch", "amd64", "--repository", str(stick)]
    options += ["--keys", str(stick.with_name("keys")), "--out", str(stick.with_name("dist"))]
    subprocess.run([_ROOT / "deb" / "build", *options], check=True, capture_output=True)
    return stick


def _sum(steps: Steps, after: str | None) -> None:
    since = (
        ""
        if after is None
        else f", {steps.seconds(after=after):.0f} s of them after the first boot"
    )
    click.echo(f"  {steps.seconds():7.1f} s  together{since}")
    click.echo(f"  {len(steps.commands)} commands: {', '.join(steps.commands)}")
    click.echo(f"  {len(steps.typed)} typed values: {', '.join(steps.typed)}")


if __name__ == "__main__":
    main()
