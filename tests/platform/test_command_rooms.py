"""A command of the platform loads its own room alone, and every room's commands are there."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click
import kerbwatch_platform
import pytest
from kerbwatch_platform.cli import COMMANDS, main

ROOMS = sorted(
    each.parent.name for each in Path(kerbwatch_platform.__file__).parent.glob("*/commands.py")
)


def test_every_room_that_has_commands_is_named_with_all_of_them() -> None:
    assert sorted(COMMANDS) == ROOMS
    for room, names in COMMANDS.items():
        assert find_spec(f"kerbwatch_platform.{room}.commands")
        found = import_module(f"kerbwatch_platform.{room}.commands").COMMANDS
        assert tuple(each.name for each in found) == names


def test_each_is_found_by_its_name_and_no_other() -> None:
    context = click.Context(main)
    assert all(main.get_command(context, name) for name in main.list_commands(context))
    assert main.get_command(context, "nothing") is None


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("work", ("alembic", "sqlalchemy", "matplotlib", "duckdb", "numpy", "starlette")),
        ("account", ("alembic", "sqlalchemy", "matplotlib", "duckdb", "numpy")),
        ("migrate", ("matplotlib", "duckdb", "numpy", "starlette", "paho")),
    ],
)
def test_what_a_command_does_not_need_is_not_loaded(
    command: str, unneeded: tuple[str, ...]
) -> None:
    code = (
        "import sys; from kerbwatch_platform.cli import main\n"
        f"try: main(['{command}', '--help'])\n"
        f"except SystemExit: print([each for each in {unneeded!r} if each in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"
