"""The documents: their examples work and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import NamedTuple

import polib
import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter

from agent.config.loading import from_tables
from agent.protocol.commands import any_of
from agent.protocol.downlink import Receipt
from agent.protocol.events import Message
from provisioning.cli import main
from tests.support import catalogue
from tests.support.command_line import kerbwatch
from tests.support.paths import ROOT
from training.__main__ import RECIPES
from training.__main__ import main as training

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("contract/*.md"),
        *ROOT.glob("examples/platform/*.md"),
    ]
)
COMMANDS = ROOT / "docs" / "commands.md"
TOP = (
    *(
        "agent",
        "benchmarks",
        "deb",
        "docs",
        "drivers",
        "examples",
        "models",
        "provisioning",
        "systemd",
    ),
    *("tests", "training", "wording"),
)
"""Folders of the tree that documents name files of."""
TEXTS = sorted({*PAGES, *ROOT.glob("training/**/*.md"), *ROOT.glob("models/*/CARD.md")})
STATE = ROOT / "contract" / "examples" / "state-online.json"
_PATH = re.compile(rf"(?<![\w./:-])(?:{'|'.join(TOP)})/[\w./*-]*")
_FILE = re.compile(r"`(?P<name>[\w./-]+\.py)`")
_MODULE = re.compile(r"python3? (?:-P )?-m (?P<name>[a-z_]\w*(?:\.\w+)*)")
_PLACEHOLDER = re.compile(r"[A-Z]{4,}")
_BLOCK = re.compile(r"^```(?P<mark>[a-z]+ [a-z]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ANCHOR = re.compile(r"\]\((?P<target>[^)#\s]*)#(?P<anchor>[^)\s]+)\)")
_LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")


class Block(NamedTuple):
    """An example that is marked to be tried: by its language and what it is."""

    page: Path
    mark: str
    text: str


BLOCKS = [
    Block(page, block["mark"], block["text"])
    for page in PAGES
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8"))
]


def marked(mark: str) -> list[Block]:
    found = [block for block in BLOCKS if block.mark == mark]
    assert found, f"no page has a block marked {mark!r}"
    return found


def test_every_mark_is_one_that_is_tried() -> None:
    assert {block.mark for block in BLOCKS} == {
        "toml site",
        "toml facts",
        "json zones",
        "json message",
        "json receipt",
        "json command",
        "json state",
        "console runs",
        "console follows",  # with checked by tests/project/test_manual.py
        "console checked",
        "console issues",  # by tests/provisioning/test_ca.py
        "sh runs",  # by tests/identity/test_server_trust.py
        # Those below by tests/platform/test_pages.py.
        "console asks",
        "console keys",  # with orders and verifies by tests/platform/test_command_pages.py
        "console maps",
        "console orders",
        "console consumes",
        "console pretends",
        "console starts",
        "console verifies",
        "json signed",
        "python start",
        "sh generates",
        "sh installs",
        "sql model",
        "sql runs",
        "text rights",
        # Those below by tests/platform/test_package_pages.py.
        "console faults",
        "console platform",
        "sql platform",
        "toml platform",
    }


def test_every_site_in_the_documents_is_accepted() -> None:
    for block in marked("toml site"):
        from_tables(tomllib.loads(block.text))


def test_what_a_city_files_in_the_documents_fits_the_sites_of_its_page() -> None:
    for block in marked("toml facts"):
        facts = tomllib.loads(block.text)
        sites = [site for site in marked("toml site") if site.page == block.page]
        assert sites, f"{block.page}: no site to hold the facts"
        for site in sites:
            tables = tomllib.loads(site.text)
            for name, settings in facts.pop("scenarios", {}).items():
                tables["scenarios"][name] |= settings
            from_tables(tables | facts | {"site": tables["site"] | facts["site"]})


def test_every_drawing_in_the_documents_fits_the_sites_of_its_page() -> None:
    for block in marked("json zones"):
        sites = [site for site in marked("toml site") if site.page == block.page]
        assert sites, f"{block.page}: no site to hold the zones"
        for site in sites:
            from_tables(tomllib.loads(site.text) | json.loads(block.text))


def test_every_message_in_the_documents_is_one_of_the_contract() -> None:
    for block in marked("json message"):
        Message.model_validate_json(block.text)


def test_every_state_in_the_documents_is_that_of_the_contract() -> None:
    for block in marked("json state"):
        assert json.loads(block.text) == json.loads(STATE.read_text(encoding="utf-8"))


def test_every_word_of_the_platform_in_the_documents_is_heeded() -> None:
    for block in marked("json receipt"):
        Receipt.model_validate_json(block.text)
    for block in marked("json command"):
        TypeAdapter(any_of()).validate_json(block.text)


@pytest.mark.slow
def test_every_command_in_the_documents_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for block in marked("console runs"):
        for line in block.text.splitlines():
            assert line.startswith("$ kerbwatch ")
            ran = CliRunner().invoke(main, shlex.split(line)[2:])
            assert ran.exit_code == 0, f"{line}\n{ran.output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for link in _LINK.finditer(page.read_text(encoding="utf-8")):
        target = link["target"]
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """What a link may name in a page: its headings, as the platforms that show Markdown spell them."""
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_a_page_leads_to_a_heading(page: Path) -> None:
    for link in _ANCHOR.finditer(page.read_text(encoding="utf-8")):
        target = page.parent / link["target"] if link["target"] else page
        if "://" not in link["target"] and target.suffix == ".md":
            assert link["anchor"] in anchors(target), f"{page.name}: {link[0]}"


def named_paths(text: str) -> set[str]:
    """What a document names of the tree, without stand-ins such as ``models/MODEL-int8``."""
    found = {match[0].rstrip(".") for match in _PATH.finditer(text)}
    found |= {match["name"] for match in _FILE.finditer(text)}
    return {path for path in found if not _PLACEHOLDER.search(path.replace("README", ""))}


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_document_names_exists(page: Path) -> None:
    named = named_paths(page.read_text(encoding="utf-8"))
    gone = {
        path
        for path in named
        if not any(True for folder in (ROOT, page.parent) for _ in folder.glob(path))
    }
    assert not gone


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_that_a_document_starts_exists(page: Path) -> None:
    for match in _MODULE.finditer(page.read_text(encoding="utf-8")):
        assert importlib.util.find_spec(match["name"]) is not None, match[0]


def training_commands(text: str) -> list[list[str]]:
    """The arguments of each ``python -m training …`` of a document, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [
        shlex.split(match) for match in re.findall(r"python -m training (make [^`\n#]*)", joined)
    ]


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_model_that_a_document_makes_can_be_made_so(page: Path) -> None:
    for name, *arguments in training_commands(page.read_text(encoding="utf-8")):
        command = training.commands[name]
        stand_ins = {"MODEL": "street"}  # for others, as in `--seed N`, 1 will do
        fitting = [re.sub(r"^[A-Z]+$", "1", stand_ins.get(each, each)) for each in arguments]
        context = command.make_context(name, fitting, resilient_parsing=False)
        assert context.params["model"] in RECIPES


def test_a_path_that_does_not_exist_is_found() -> None:
    assert named_paths("see `agent/seeing.py`, `mesh.py` and models/MODEL-int8.") == {
        "agent/seeing.py",
        "mesh.py",
    }


@pytest.mark.parametrize("page", ["certificates.md", "certificates.zh-CN.md"])
def test_what_a_page_quotes_of_the_device_is_what_the_device_says(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").split("\n## ")[-1]
    said = [
        each for entry in polib.pofile(str(catalogue.PATH)) for each in (entry.msgid, entry.msgstr)
    ]
    quoted = [
        quote
        for cell in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
        for quote in re.findall(r"`([^`]+)`", cell)
    ]
    assert len(quoted) > 10
    for quote in quoted:
        assert any(quote in each for each in said), quote


def test_the_page_of_rooms_names_every_room_once() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `agent/(\w+)/` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(each.parent.name for each in ROOT.glob("agent/*/__init__.py"))


def test_the_page_of_rooms_draws_the_floors_that_are_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    [layers] = [each["layers"] for each in contracts if each.get("containers") == ["agent"]]
    floors = [layer.split(" | ") for layer in layers]
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    [drawing] = re.findall(r"^```\n( runtime.*?)─", page, re.MULTILINE | re.DOTALL)
    rooms = {room for floor in floors for room in floor}
    drawn = [[word for word in line.split() if word in rooms] for line in drawing.splitlines()]
    assert drawn == floors


def test_the_page_of_commands_lists_the_exit_codes_that_the_command_lists() -> None:
    listed = dict(re.findall(r"^\| (\d+) \| (.+) \|$", COMMANDS.read_text("utf-8"), re.MULTILINE))
    shown = kerbwatch("--help").output
    assert listed == dict(re.findall(r"^ +(\d+)  (.+)$", shown, re.MULTILINE))


def test_the_page_of_commands_names_every_command() -> None:
    text = COMMANDS.read_text(encoding="utf-8")
    for name, command in main.commands.items():
        if not command.hidden:
            for leaf in getattr(command, "commands", {"": None}):
                assert f"kerbwatch {name} {leaf}".strip() in text
