"""The options and help of commands, by subject: each file here is a group, and a new one is found by itself.

A file has ``COMMANDS``, the commands that ``kerbwatch`` gets of it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click


def commands() -> Iterator[click.Command]:
    """The commands of every file of this folder."""
    for module in iter_modules(__path__):
        yield from import_module(f"{__name__}.{module.name}").COMMANDS
