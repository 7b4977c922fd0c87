"""``kerbwatch accept``: one command checks, tests, records and prints; a name stands on the paper alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.config.loading import from_tables
from agent.control.messages.service import AcceptanceReply, AskCommission, CheckRow, TearOffReply
from agent.storage.paths import ACCEPTANCE, DATABASE
from provisioning.acceptance.findings import rows_of
from provisioning.commands.accept import form_pdf
from provisioning.rendering.pdf_font import MissingGlyphError
from tests.support.broker import Broker
from tests.support.command_line import kerbwatch
from tests.support.example_platform import example_platform
from tests.support.pdf import pages_of, text_of
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.sites import site_of, uplink_table, zone
from tests.support.waiting import wait_until

__all__ = ["corner_at"]
AT = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
TECHNICIAN = "张三丰"


def _accepted(**changes: object) -> AcceptanceReply:
    checks = (
        CheckRow(code="walk_test", state="passed", subject="kerb"),
        CheckRow(code="clock_synchronised", state="remark"),
        *(CheckRow(code=f"thing_{number}", state="passed") for number in range(80)),
    )
    told = {
        "state": "provisional",
        "number": 1,
        "result": "accepted_with_remarks",
        "at": AT,
        "role": "installer",
        "person_id": "team-7",
        "configuration_sha256": "ab" * 32,
        "checks": checks,
        "sha256": "cd" * 32,
        "kid": "the-key",
    }
    return AcceptanceReply.model_validate(told | changes)


TESTED = TearOffReply(
    case_id="case-1",
    kind="misparked_bike",
    zone_id="kerb",
    stored_at=AT,
    connected=True,
    with_receipts=True,
    ticket="TEST-0007",
    ticket_at=AT + timedelta(seconds=2.5),
)
WORDS: dict[tuple[str, str | None], str] = {("clock_synchronised", None): "时钟未同步"}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "zh_CN",
            ["装机验收单", "暂定：首夜尚未过去", "走动测试", "禁停", "用时 2.5 秒", "安装人员"],
        ),
        ("en", ["Acceptance of an installed device", "provisional", "walk test", "installer"]),
    ],
)
def test_the_form_says_all_of_it_on_one_page(
    tmp_path: Path, language: str, words: list[str]
) -> None:
    zones = [zone(), *(zone(zone_id=f"bay-{number}", kind="bay") for number in range(20))]
    site = from_tables(site_of(scenarios={"misparked_bikes": {}}, zones=zones))
    pdf = form_pdf(site, _accepted(), TESTED, TECHNICIAN, WORDS, [], language)
    text = text_of(pdf)
    for each in (*words, "TEST-0007", "team-7", TECHNICIAN, "时钟未同步", "bay-19", "cd" * 32):
        assert each in text, each
    assert pages_of(pdf, tmp_path) == 1
    assert pdf == form_pdf(site, _accepted(), TESTED, TECHNICIAN, WORDS, [], language)


def test_a_name_that_the_font_cannot_print_is_refused_and_named() -> None:
    site = from_tables(site_of(scenarios={"misparked_bikes": {}}, zones=[zone()]))
    with pytest.raises(MissingGlyphError, match=r"U\+20BB7"):
        form_pdf(site, _accepted(), None, "𠮷田", {}, [], "zh_CN")


def test_a_zones_name_that_the_font_cannot_print_costs_nobody_the_form() -> None:
    """After the acceptance nobody at the pole can name it otherwise."""
    named = zone(name={"zh": "停🚲区"})
    site = from_tables(site_of(scenarios={"misparked_bikes": {}}, zones=[named]))
    assert "停U+1F6B2区" in text_of(form_pdf(site, _accepted(), None, TECHNICIAN, {}, [], "zh_CN"))


def test_findings_become_checks_of_the_contract() -> None:
    rows = rows_of(
        [
            {"code": "disk_space", "severity": "warning", "subject": None},
            {"code": "check_carried_out", "severity": "fault", "subject": "time source"},
            {"code": "acceptance", "severity": "note", "subject": None},
        ]
    )
    assert rows == (
        CheckRow(code="disk_space", state="remark"),
        CheckRow(code="check_carried_out", state="failed"),
    )


@pytest.mark.slow
def test_one_command_accepts_a_device_and_no_name_leaves_the_paper(
    broker: Broker,
    corner_at: Callable[..., WatchedCorner],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corner = corner_at(uplink=uplink_table(broker.settings(confirm="platform")))
    monkeypatch.setenv("KERBWATCH_MODELS", str(corner.folder / "models"))
    form, platform_db = tmp_path / "form.pdf", tmp_path / "platform.db"
    with example_platform(broker, platform_db):
        corner.start()
        with corner.asked() as agent:
            assert agent.ask(AskCommission(camera_id="street"), timeout_s=90)[0].stored
        words = ["--id", "team-7", "--name", TECHNICIAN, "--walked", "kerb", "--form", form]
        done = kerbwatch("accept", corner.folder, *words, language="en")
        shown = kerbwatch("accept", corner.folder, "--show", "--json", language="en")
        wait_until(lambda: "device.acceptance" in _types(platform_db))
        corner.stop()
    record = json.loads(shown.stdout)
    failed = [each["code"] for each in record["checks"] if each["state"] == "failed"]
    assert set(failed) <= {"installation_whole"}, (
        done.output
    )  # a tree that is worked on is not as installed
    assert record["state"] == ("refused" if failed else "provisional")
    assert done.exit_code == (1 if failed else 0)
    states = {(each["code"], each["subject"]): each["state"] for each in record["checks"]}
    assert states["test_ticket", None] == "passed"
    assert states["walk_test", "kerb"] == "passed"
    assert states["commissioning_picture", "street"] == "passed"
    assert record["numbers"]["ticket_s"] > 0
    text = text_of(form.read_bytes())
    assert TECHNICIAN in text
    assert "装机验收单" in text
    kept = [path.read_bytes() for path in (corner.state_dir / ACCEPTANCE).iterdir()]
    with closing(sqlite3.connect(corner.state_dir / DATABASE)) as device:
        kept += [row[0].encode() for row in device.execute("SELECT event FROM outbox")]
    assert kept
    assert all(TECHNICIAN.encode() not in each for each in kept)


def _types(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as db:
        return {type_ for (type_,) in db.execute("SELECT type FROM event")}
