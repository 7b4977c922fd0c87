"""Whatever a broker, a platform, a camera or a file said, a terminal shows it as text on its own line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from agent.audit import AuditLog
from agent.retention.legal_holds import LegalHold, LegalHolds
from agent.telemetry.status_file import FILE, UplinkStatus
from drivers.clock import SystemClock
from provisioning.wording import error_in_words, say
from tests.support.command_line import kerbwatch
from tests.support.sites import as_toml, site_of, write_site
from tests.support.statuses import quiet_status
from wording.messages import itemised, said

if TYPE_CHECKING:
    from pathlib import Path

_EVIL = "a\nforged line\x1b[2J\x9b1m\u202eb\u2028c\r"
SITE = site_of(site={"tenant": "t", "device_id": "corner-7", "address": "Example Road 1"})


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_site(tmp_path, SITE)


def run(*words: object) -> str:
    output = kerbwatch(*words).output
    assert_harmless(output)
    return output


def assert_harmless(output: str) -> None:
    assert not [each for each in output if each != "\n" and not each.isprintable()]
    assert not [line for line in output.splitlines() if line.startswith("forged")]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_facts_of_what_is_said_are_harmless_in_every_language(
    monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("KERBWATCH_LANGUAGE", language)
    inner = said("the broker cannot be reached: {reason}", reason=_EVIL)
    for text in (
        say("{url}: {reason}", url=_EVIL, reason=inner),
        say("Other drivers: {names}", names=[_EVIL, "b" * 100_000]),
        error_in_words(ValueError(inner)),
        error_in_words(ValueError(_EVIL * 10_000)),
    ):
        assert_harmless(text)
        assert "\n" not in text
        assert "forged line\\x1b[2J" in text
        assert len(text) < 2500
    assert error_in_words(ValueError(itemised(["x", "y"]))) == "  - x\n  - y"


def test_keys_and_values_of_a_file_are_told_harmlessly(site: Path) -> None:
    evil = json.dumps(_EVIL)
    write_site(site, f"{as_toml(SITE)}[uplink]\n{evil} = 1\nbroker = {evil}\n")
    assert "forged line" in run("config", "validate", site)
    (site / "zones.json").write_text(json.dumps({_EVIL: 1, "zones": [{"kind": _EVIL}]}))
    assert "forged line" in run("config", "validate", site)


def test_what_the_uplink_was_told_is_watched_harmlessly(site: Path) -> None:
    uplink = UplinkStatus(connected_since=None, sent=0, confirmed=0, last_error=_EVIL)
    status = quiet_status(address=_EVIL, uplink=uplink)
    (site / "run").mkdir()
    (site / "run" / FILE).write_text(status.model_dump_json())
    assert run("watch", site, "--once").count("forged line") == 2
    assert json.loads(run("watch", site, "--json"))["uplink"]["last_error"] == _EVIL


def test_reasons_of_holds_and_records_are_listed_harmlessly(site: Path) -> None:
    state = site / "state"
    state.mkdir()
    LegalHolds(state).set(LegalHold(case_id="c-1", reason=_EVIL, by=_EVIL, at=datetime.now(UTC)))
    AuditLog(state / "audit", SystemClock(), by=_EVIL).append(
        "hold.set", case_id="c-1", reason=_EVIL
    )
    assert run("hold", "list", site).count("forged line") == 2
    assert run("audit", "show", site).count("forged line") == 2
