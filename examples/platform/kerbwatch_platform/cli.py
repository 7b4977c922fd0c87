"""``kerbwatch-platform``: every command of the platform."""

from __future__ import annotations

import click


@click.group()
def main() -> None:
    """A city's side of Kerbwatch."""
