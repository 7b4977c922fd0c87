"""The pages of docs/platform: what they show is what the files are, and what they run works as they say."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, get_args

import pytest

from agent.config.sections.site import SiteSection
from agent.config.sections.uplink import UplinkSection
from agent.domain.picture import PictureFault
from agent.evidence.pictures import MAX_CLOSE_UPS, MAX_PLATE_VIEWS
from agent.perception.picture_faults import APART_S, SMALL_BELOW_PX, WIDE_PX
from agent.protocol.commands import COMMANDS, REASONS, Status, name_of
from agent.protocol.event_codes import profiles
from agent.protocol.examples import examples
from agent.protocol.picture_transfer import MAX_PICTURE_BYTES, PIECE_BYTES, NotSentBody
from agent.protocol.topics import CHANNELS
from agent.scenarios import load_scenario, scenario_names
from tests.support import code_generators
from tests.support.example_platform import PLATFORM, module
from tests.support.page_blocks import PAGES, blocks, commands
from tests.support.paths import DOCS, ROOT
from tests.support.platform_stores import InSqlite
from tests.support.ports import free_port, listens
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

NO_CODE = {"events.md": "none known", "events.zh-CN.md": "未知"}
TOPIC = "kerbwatch/v2/example-city/example-corner/events"


def test_the_program_on_the_first_page_is_the_file() -> None:
    for _, text in blocks("python start"):
        assert text == (PLATFORM / "start.py").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 80


def test_the_tables_on_a_page_are_those_of_the_file() -> None:
    model = (PLATFORM / "sqlite.sql").read_text(encoding="utf-8")
    for _, text in blocks("sql model"):
        for table in re.findall(r"CREATE TABLE.*?^\);$", text, re.MULTILINE | re.DOTALL):
            assert table in model


def test_every_query_on_a_page_runs() -> None:
    for _, text in blocks("sql runs"):
        InSqlite().run(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_marked_for_what_tries_it(page: Path) -> None:
    """What the marks may be, and that each is tried: tests/project/test_docs.py."""
    fences = re.findall(r"^\s*```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [mark for mark in fences[::2] if not re.fullmatch("[a-z]+ [a-z]+", mark)] == []


def test_the_rights_on_the_page_are_those_of_the_file() -> None:
    file = (ROOT / "examples" / "brokers" / "mosquitto.acl").read_text(encoding="utf-8")
    rights = [line for line in file.splitlines() if line and not line.startswith("#")]
    for _, text in blocks("text rights"):
        assert [line for line in text.splitlines() if line] == rights


def test_the_signed_command_on_the_page_is_that_of_the_contract() -> None:
    whole = examples()["command-signed"]
    for _, text in blocks("json signed"):
        shown = json.loads(text)
        assert shown.keys() == whole.keys()
        parts = zip(shown["jws"].split("."), whole["jws"].split("."), strict=True)
        assert all(part.startswith(cut.removesuffix("…")) for cut, part in parts)


def test_code_is_generated_on_the_page_as_it_is_in_its_test() -> None:
    used = inspect.getsource(code_generators)
    for _, text in blocks("sh generates"):
        options = re.findall(r"(?<=\s)(--?[a-zA-Z][\w-]*)", text)
        assert len(options) == 9
        assert [each for each in options if f'"{each}"' not in used] == []
        schemas = re.findall(r"\S+schema\.json", text)
        assert [(ROOT / each).is_file() for each in schemas] == [True, True]


def test_generators_are_installed_on_the_page_in_the_versions_of_their_test() -> None:
    lock = (code_generators.PINNED / "requirements.lock").read_text(encoding="utf-8")
    packages = (code_generators.PINNED / "package.json").read_text(encoding="utf-8")
    npm = json.loads(packages)["dependencies"]
    for _, text in blocks("sh installs"):
        [(name, version)] = re.findall(r"([\w-]+)==([\d.]+)", text)
        assert f"\n{name}=={version} " in f"\n{lock}"
        told = dict(re.findall(r"([\w-]+)@([\d.]+)", text))
        assert set(told) == {"json-schema-to-typescript", "typescript"}
        assert told.items() <= npm.items()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8")):
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("page", ["commands.md", "commands.zh-CN.md"])
def test_the_page_of_commands_names_every_command_and_every_reason(page: str) -> None:
    text = (DOCS / "platform" / page).read_text(encoding="utf-8")
    assert [name for name in map(name_of, COMMANDS) if f"| `{name}` |" not in text] == []
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", text, re.MULTILINE)
    assert set(listed) == {"code", "status"} | set(REASONS) | set(get_args(Status))


@pytest.mark.parametrize("page", ["docs/platform/events.md", "docs/platform/events.zh-CN.md"])
def test_the_page_counts_the_commands_and_says_when_silence_is_a_fault(page: str) -> None:
    """As the desk's question does; a quiet device of the defaults is heard well before."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.search(rf"\b{len(COMMANDS)} (?:commands|种命令)", text)
    [minutes] = {int(told) for told in re.findall(r"(\d+) (?:minutes without|分钟内两者)", text)}
    questions = (PLATFORM / "questions.sql").read_text(encoding="utf-8")
    assert f":now_s - {minutes * 60} THEN 'silent'" in questions
    defaults = UplinkSection()
    assert defaults.heartbeat_silence_s + 2 * defaults.heartbeat_s < minutes * 60
    decision = ROOT / "docs" / "decisions" / "0062-heartbeats-tell-news.md"
    assert f"{minutes} minutes of silence" in decision.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["events.md", "events.zh-CN.md"])
def test_the_page_of_events_names_every_channel_and_how_long_a_piece_is(page: str) -> None:
    text = (DOCS / "platform" / page).read_text(encoding="utf-8")
    levels = {each.name: "".join(f"/{{{level}}}" for level, _ in each.levels) for each in CHANNELS}
    listed = re.findall(r"^\| `kerbwatch/v2/{tenant}/{device}/(\w+)([^`]*)` \|", text, re.MULTILINE)
    assert dict(listed) == levels
    assert f" {PIECE_BYTES:,} " in text


@pytest.mark.parametrize("page", ["events.md", "events.zh-CN.md"])
def test_the_page_of_events_names_every_fault_of_a_picture(page: str) -> None:
    text = (DOCS / "platform" / page).read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_0-9]+)` \| ([^|]+) \|$", text, re.MULTILINE))
    assert set(get_args(PictureFault)) <= set(rows)
    assert f" {SMALL_BELOW_PX} " in rows["small"]
    assert f" {APART_S:.0f} " in rows["no_ten_seconds"]
    assert "{} × {}".format(*WIDE_PX) in rows["below_720p"]
    assert f"{MAX_CLOSE_UPS} " in text
    assert f"{MAX_PLATE_VIEWS} " in text


@pytest.mark.parametrize("page", ["pictures.md", "pictures.zh-CN.md"])
def test_the_page_of_pictures_has_the_bounds_of_the_contract(page: str) -> None:
    text = (DOCS / "platform" / page).read_text(encoding="utf-8")
    [pictures] = [each for each in CHANNELS if each.name == "pictures"]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", text, re.MULTILINE))
    assert set(rows) == {level for level, _ in pictures.levels}
    assert f"{MAX_PICTURE_BYTES:,}" in rows["size"]
    assert f"{PIECE_BYTES:,}" in text
    body = get_args(NotSentBody.model_fields["because"].annotation)
    assert [word for word in body if f"`{word}`" not in text] == []


@pytest.mark.parametrize("page", ["events.md", "events.zh-CN.md"])
def test_the_page_of_events_names_every_type(page: str) -> None:
    text = (DOCS / "platform" / page).read_text(encoding="utf-8")
    schema = json.loads((ROOT / "contract/writer/event.schema.json").read_text(encoding="utf-8"))
    types = set(schema["discriminator"]["mapping"])
    assert [name for name in sorted(types) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", ["events.md", "events.zh-CN.md"])
def test_the_page_has_the_code_of_every_kind_that_a_device_tells(page: str) -> None:
    """A kind, or what a case of that kind may be told as instead."""
    text = (DOCS / "platform" / page).read_text(encoding="utf-8")
    row = r"^\| `(\w+)`([^|]*) \| (\S+) \| (\d{5}) \| ([^|]+) \|$"
    listed = re.findall(row, text, re.MULTILINE)
    kinds = {load_scenario(name).KIND for name in scenario_names()}
    assert {kind for kind, instead, *_ in listed if not instead} == kinds
    standard, classic = profiles()["gbt-47678-5"].matters, profiles()["classic"].matters
    by_name = {matter.name: key for key, matter in standard.items()}
    told = {by_name[name] for _, _, name, *_ in listed}
    shared = set(get_args(SiteSection.model_fields["shared_bikes_as"].annotation))
    assert told == kinds | shared | {"unlicensed_vending"}
    for _, _, name, code, old in listed:
        key = by_name[name]
        assert (standard[key].code, classic[key].code or NO_CODE[page]) == (code, old)


@pytest.fixture
def platform_db(tmp_path: Path) -> Path:
    """A database with the examples in it that the pages have a device send."""
    [(sent, _)] = {each for _, text in blocks("console pretends") for each in commands(text)}
    db = module("storing").opened(tmp_path / "platform.db")
    for name in sent.split(" 1883 ")[1].split():
        document = examples()[f"message-{name}"]
        module("storing").take(db, TOPIC, json.dumps(document).encode())
    db.close()
    return tmp_path


def drawn(text: str) -> str:
    """A table, however wide SQLite's release takes a Chinese character to be."""
    return re.sub("( |─)+", r"\1", text)


@pytest.mark.parametrize("mark", ["console asks", "console maps"])
def test_what_a_page_asks_is_answered(platform_db: Path, mark: str) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip(
            "the pages' queries are NOT run here: there is no sqlite3 (apt package sqlite3)"
        )
    (platform_db / "examples").symlink_to(ROOT / "examples")
    for _, text in blocks(mark):
        for command, expected in commands(text):
            told = command.replace("python ", f"{sys.executable} ", 1)
            done = subprocess.run(
                told, shell=True, cwd=platform_db, capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), command
            assert drawn(done.stdout) == drawn(expected), command


@pytest.mark.slow
def test_each_consumer_is_started_as_its_page_says(tmp_path: Path) -> None:
    """It waits for a broker that is not there yet, and ends in order."""
    for number, (_, text) in enumerate(blocks("console consumes")):
        [(command, _)] = commands(text)
        told = shlex.split(command.replace("1883", str(free_port())))
        assert told[0] == "python"
        told = [sys.executable, str(ROOT / told[1]), *told[2:]]
        folder = tmp_path / str(number)
        folder.mkdir()
        with subprocess.Popen(told, cwd=folder) as process:
            wait_until((folder / "platform.db").exists)
            process.terminate()
            assert process.wait(60) in (0, -signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_a_platform_is_started_as_the_first_page_says(
    page: str, mosquitto: str, tmp_path: Path
) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("the first page is NOT run here: there is no sqlite3 (apt package sqlite3)")
    for each in ("examples", "contract"):
        (tmp_path / each).symlink_to(ROOT / each)
    [text] = [text for name, text in blocks("console starts") if name == page]
    [more] = {text for _, text in blocks("console pretends")}  # on another page, with this one's
    port = free_port()
    with ExitStack() as running:
        for command, expected in commands(text) + commands(more):
            told = shlex.split(command.replace("1883", str(port)).removesuffix("&"))
            told[0] = {"python": sys.executable, "/usr/sbin/mosquitto": mosquitto}.get(
                told[0], told[0]
            )
            if command.endswith("&"):
                process = running.enter_context(
                    subprocess.Popen(
                        told, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                    )
                )
                running.callback(process.kill)
                wait_until(lambda: listens(port))
            else:
                done = subprocess.run(
                    told, cwd=tmp_path, capture_output=True, text=True, check=True
                )
                assert done.stdout == expected
