"""Who runs a command of the platform reads its help in their own language."""

from __future__ import annotations

import os
import re
import subprocess
import sys

PROGRAM = """
import click
from kerbwatch_platform.cli import main

def told(command, name):
    print(f"{name}: {command.help or ''}".replace(chr(10), " "))
    for each in command.params:
        if isinstance(each, click.Option) and not each.hidden and each.help and each.name != "version":
            print(f"{name} {each.opts[0]}: {each.help}".replace(chr(10), " "))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            if not below.hidden:
                told(below, f"{name} {each}")

told(main, "platform")
"""


def test_the_help_of_every_command_and_option_is_chinese_where_chinese_is_spoken() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", PROGRAM],
        env=os.environ | {"KERBWATCH_LANGUAGE": "zh_CN"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout.splitlines()
    assert len(told) > 40
    assert [line for line in told if not re.search("[\u4e00-\u9fff]", line)] == []
