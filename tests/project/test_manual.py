"""The technician's manual is followed command by command, from the corner's folder to the unit that is taken down.

A block marked ``console follows`` is executed in its order, against a real agent, broker and platform; the folders
of a device stand for ``/etc/kerbwatch`` and the stick. What needs a booted system (``console checked``, and
``kerbwatch units``) is held against the commands that there are.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import polib
import pytest

from provisioning.cli import main
from provisioning.page.from_card import made, take
from tests.support import catalogue
from tests.support.broker import Broker
from tests.support.command_line import kerbwatch
from tests.support.example_platform import example_platform
from tests.support.offline_authority import PASSPHRASE, Office
from tests.support.paths import DOCS, ROOT
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.sites import as_toml, zone

__all__ = ["corner_at"]

PAGES = ("technician.md", "moving.md", "removing.md")
_BLOCK = re.compile(r"^```(?P<mark>[a-z]+ [a-z]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
OTHERS = {"apt", "cp", "systemctl"}
"""Programs of the system that the manual calls."""
ANSWERS = {"apply": "y\ny\n", "move": "y\n", "ca": f"{PASSPHRASE}\n", "decommission": "corner-17\n"}
"""What somebody types when the command asks."""
SERIAL = "10000000a1b2c3d4"
"""Of the manual's unit."""
NO_TRACKS = "no tracks are kept yet"
MAY_FAIL = {"installation_whole"}
"""A tree that is worked on is not as it was installed."""


class Line(NamedTuple):
    """A command of the manual, and the section in which it stands."""

    section: str
    follows: bool
    words: list[str]


def lines_of(page: str) -> list[Line]:
    found = []
    for section in re.split(r"^## ", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE):
        for block in _BLOCK.finditer(section):
            if block["mark"] in {"console follows", "console checked"}:
                name, follows = section.split("\n", 1)[0], block["mark"].endswith("follows")
                found += [
                    Line(name, follows, shlex.split(line)) for line in block["text"].splitlines()
                ]
    assert found, f"{page} has no command"
    return found


LINES = {page: lines_of(page) for page in PAGES}


def own(words: list[str]) -> list[str]:
    """The words after ``kerbwatch``, without ``sudo`` and what the shell takes; none of another program's."""
    words = words[1:] if words[0] == "sudo" else words
    words = words[: words.index(">")] if ">" in words else words
    return words[1:] if words[0] == "kerbwatch" else []


def choices_that_there_are_not(words: list[str]) -> Iterator[str]:
    """What a command would refuse of these words without looking at any file."""
    command: click.Command = main
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    context = click.Context(command)
    given, left, _ = command.make_parser(context).parse_args(words)
    yield from left
    for option in command.params:
        if isinstance(option.type, click.Choice) and given.get(option.name or "") is not None:
            option.type.convert(given[option.name or ""], option, context)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_manual_is_one_with_its_options(page: str) -> None:
    for line in LINES[page]:
        words = own(line.words)
        if words:
            assert list(choices_that_there_are_not(words)) == []
        else:
            program, *rest = [word for word in line.words if word != "sudo"]
            assert program in OTHERS
            if program == "systemctl":
                assert (ROOT / "systemd" / f"{rest[-1]}.service").exists()


def test_a_wrong_option_and_a_wrong_choice_are_found() -> None:
    with pytest.raises(click.NoSuchOption):
        list(choices_that_there_are_not(["picture", "site", "--zone-names"]))
    with pytest.raises(click.BadParameter):
        list(choices_that_there_are_not(["ca", "revoke", "authority", "a/b", "--reason", "tired"]))


@pytest.mark.parametrize("language", ["", ".zh-CN"])
def test_the_commands_that_the_manual_counts_are_those_that_stand_in_it(language: str) -> None:
    text = (DOCS / f"technician{language}.md").read_text(encoding="utf-8")
    [with_est, without, label, by_hand] = [
        int(row) for row in re.findall(r"^\| [^|]+ \| (\d+) \| \d+ \|$", text, re.MULTILINE)
    ]
    lines = LINES["technician.md"]
    office = [" ".join(own(each.words)[:2]) for each in lines if each.section.startswith("1.")]
    pole = [each for each in lines if each.section.startswith("3.")]
    needed = [office.count(name) for name in ("card prepare", "page code")]
    assert needed == [1, 0]
    assert with_est == sum(needed)
    assert without == with_est + office.count("ca sign")
    assert label == sum(name.startswith(("page identity", "fleet")) for name in office)
    carried = sum(name.startswith(("identity", "ca sign")) for name in office)
    checked = office.count("config validate")
    optional = sum("--gpio" in each.words for each in pole)
    assert by_hand == len(pole) - optional + carried + checked


@pytest.mark.parametrize("column", ["msgid", "msgstr"])
def test_what_the_manual_quotes_is_what_is_said(column: str) -> None:
    page = "technician.md" if column == "msgid" else "technician.zh-CN.md"
    text = (DOCS / page).read_text(encoding="utf-8").split("\n## ")[-1]
    quoted = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    said = [getattr(entry, column) for entry in polib.pofile(str(catalogue.PATH))]
    assert len(quoted) > 10
    for quote in quoted:
        assert any(quote in each for each in said), quote


class Unit:
    """A desk in the office, a stick, and a device with a real agent: what the manual's folders stand for."""

    def __init__(self, corner: WatchedCorner, desk: Path, broker: Broker) -> None:
        self._corner, self._desk = corner, desk
        self._stick, self._root = desk / "stick", desk / "root"
        for folder in (self._stick, self._root, desk / "corner-17"):
            folder.mkdir()
        self._office = Office(desk)
        shutil.copy(self._office.certificate_file, self._stick / "ca.crt")
        self._first_boot()
        self._trusted_by(broker)
        text = _site_of_the_manual()
        (desk / "corner-17" / "site.toml").write_text(text, encoding="utf-8")
        (desk / "corner-17" / "zones.json").write_text(
            json.dumps({"zones": [zone()]}), encoding="utf-8"
        )
        told = tomllib.loads(text)
        told["uplink"]["broker"] = f"mqtts://localhost:{broker.port}"
        del told["gpio"]  # there are no pins here
        told |= {name: corner.tables[name] for name in ("cameras", "storage", "models", "analysis")}
        (corner.folder / "site.toml").write_text(as_toml(told), encoding="utf-8")

    def _first_boot(self) -> None:
        """The part of the card's first boot that the label outside needs."""
        file = self._desk / "page-of-the-card.json"
        file.write_text(made()[0].model_dump_json(), encoding="utf-8")
        assert take(self._root, file) == ""

    def _trusted_by(self, broker: Broker) -> None:
        """Let the broker be one whose certificate the office has signed, and the devices'."""
        broker.stop()
        trusted = broker.authority.certificate_file
        certificate_file, key_file = self._office.server(self._desk / "broker")
        shutil.copy(certificate_file, trusted.parent / "broker.pem")
        shutil.copy(key_file, trusted.parent / "broker.key")
        both = trusted.read_bytes() + self._office.certificate_file.read_bytes()
        trusted.write_bytes(both)
        broker.start()

    def follow(self, line: Line) -> None:
        """Do what a line of the manual says, and hold it to its end."""
        words = [self._here(word) for word in line.words if word != "sudo"]
        if words[0] == "systemctl":
            does: dict[str, Callable[[], object]]
            does = {"start": self._corner.start, "disable": self._corner.stop}
            does[words[1]]()
        elif words[0] == "cp":
            shutil.copy(*words[1:])
        else:
            self._call(own(words), words[-1] if ">" in words else None)

    def _call(self, words: list[str], into: str | None) -> None:
        at_root = ["--root", str(self._root)] if words[0] == "page" else []
        ran = kerbwatch(*words, *at_root, typed=ANSWERS.get(words[0]), language="en")
        if into:
            # What runs the test may have no serial number: a Raspberry Pi has one.
            told = json.loads(ran.stdout) | ({"serial": SERIAL} if words[0] == "page" else {})
            Path(into).write_text(json.dumps(told), encoding="utf-8")
        if words[0] in {"check", "accept"} and ran.exit_code:
            assert self._failed() <= MAY_FAIL, ran.output
        elif words[0] == "dry-run" and ran.exit_code:
            assert NO_TRACKS in ran.output  # it takes five minutes until there are some
        else:
            assert ran.exit_code == 0, f"{shlex.join(words)}\n{ran.output}"

    def _failed(self) -> set[str]:
        """Codes of the faults that the check finds."""
        told = kerbwatch("check", self._corner.folder, "--json")
        found = json.loads(told.stdout)["findings"]
        return {each["code"] for each in found if each["severity"] == "fault"}

    def _here(self, word: str) -> str:
        return word.replace("/etc/kerbwatch", str(self._corner.folder)).replace(
            "/media/stick", str(self._stick)
        )


def _site_of_the_manual() -> str:
    found = re.search(
        r"^```toml site\n(.*?)^```$", (DOCS / PAGES[0]).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found
    return found[1]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="the code under the lid is made by root")
def test_the_manual_is_followed_command_by_command(
    broker: Broker,
    corner_at: Callable[..., WatchedCorner],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corner = corner_at()
    desk = tmp_path / "desk"
    desk.mkdir()
    monkeypatch.chdir(desk)
    monkeypatch.setenv("KERBWATCH_MODELS", str(corner.folder / "models"))
    unit = Unit(corner, desk, broker)
    with example_platform(broker, tmp_path / "platform.db"):
        for page in PAGES:
            for line in LINES[page]:
                if line.follows and own(line.words)[:1] != ["units"]:
                    unit.follow(line)
    assert (desk / "acceptance.pdf").read_bytes().startswith(b"%PDF")
    assert (desk / "labels.pdf").read_bytes().startswith(b"%PDF")
    assert not (corner.folder / "identity" / "current" / "device.key").exists()
