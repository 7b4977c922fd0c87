"""The pages about the package: its commands, settings and queries are those that are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import click
import pytest
from kerbwatch_platform import store
from kerbwatch_platform.cli import main
from kerbwatch_platform.settings import Retention, Settings

from tests.support.page_blocks import blocks, commands
from tests.support.paths import ROOT
from tests.support.postgres import postgres

if TYPE_CHECKING:
    from pathlib import Path


def called(words: list[str]) -> click.Command:
    """The command that a line names; it has every option that the line gives."""
    command: click.Command = main
    while words:
        context = click.Context(command)
        known = {option for each in command.get_params(context) for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= known or isinstance(
            command, click.Group
        ), words
        if not isinstance(command, click.Group):
            return command
        if words[0] == "--settings":
            words = words[2:]
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no {words[0]}"
        command, words = found, words[1:]
    return command


def test_every_command_on_a_page_is_there_with_its_options() -> None:
    seen = set()
    for page, text in blocks("console platform"):
        for line, _ in commands(text):
            program, *words = shlex.split(line.partition(" > ")[0])
            if program == "python":
                assert (ROOT / words[0]).is_file(), (page, line)
            else:
                assert program == "kerbwatch-platform", (page, line)
                seen.add(called(words).name)
    assert {"account", "archive", "figures", "export", "uploads"} & seen


def test_every_part_of_the_settings_on_a_page_is_taken(tmp_path: Path) -> None:
    whole = {
        "database": "dbname=platform",
        "broker": "mqtt://localhost",
        "evidence_folder": str(tmp_path),
        "signing_key_file": str(tmp_path / "key.pem"),
    }
    for _, text in blocks("toml platform"):
        Settings.model_validate(whole | tomllib.loads(text))


@pytest.mark.parametrize("page", ["evidence-desk.md", "evidence-desk.zh-CN.md"])
def test_each_period_on_the_page_is_that_of_the_settings(page: str) -> None:
    text = (ROOT / "docs" / "platform" / page).read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| [^|]+ \| `(\w+_days)` \| (\d+)\b", text, re.MULTILINE))
    assert told == {name: f"{each:g}" for name, each in Retention().model_dump().items()}


@pytest.mark.slow
def test_every_query_about_the_store_runs() -> None:
    with postgres() as server, store.connect(server.address()) as connection:
        store.migrate(connection)
        for _, text in blocks("sql platform"):
            connection.execute(text.encode())


def test_the_fault_suite_is_started_as_its_page_says() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.platform.faults", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for _, text in blocks("console faults"):
        for line, _ in commands(text.replace("  #", "\x00#")):
            words = shlex.split(line.partition("\x00")[0])
            assert words[:2] in (["./desk", "check"], ["python", "-m"]), line
            names = [word for word in words[3:] if word.isidentifier() or "-" in word.strip("-")]
            assert all(name in told for name in names if not name.startswith("-")), line
