"""What a finding of ``kerbwatch check`` carries: a stable code, a fix that can be run, a page to print."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from agent.analysis import reference_image
from agent.config.loading import load
from agent.protocol.fields import Name, Word
from agent.storage.paths import COMMISSIONING
from agent.telemetry.picture_figures import Figures, PictureFigures
from drivers.cameras import Frame, Picture
from drivers.disk import make_folder
from drivers.time_source import time_source
from provisioning.check import broker, report, speed
from provisioning.check.cameras import picture_quality
from provisioning.check.findings import Device, Finding
from provisioning.check.fixes import FIXES
from provisioning.wording.check_codes import CHECK_CODES
from tests.support.certificates import Authority
from tests.support.command_line import kerbwatch, refused
from tests.support.paths import ROOT
from tests.support.pdf import pages_of, text_of
from tests.support.sites import site_of, write_site, write_uplink_site, zone
from tests.support.topics import DEVICE, TENANT

STREET = ROOT / "examples" / "street"
FROM_CODE = re.compile(r'code="(\w+)"')


@pytest.fixture
def device(tmp_path: Path) -> Device:
    site = write_site(tmp_path, site_of(scenarios={"misparked_bikes": {}}, zones=[zone()]))
    return Device(site, site, load(site))


def _codes_in_code() -> set[str]:
    sources = (ROOT / "provisioning" / "check").glob("*.py")
    return {code for path in sources for code in FROM_CODE.findall(path.read_text("utf-8"))}


def test_every_code_is_a_word_of_the_contract_and_stands_on_the_page_of_codes() -> None:
    codes = _codes_in_code()
    assert len(codes) > 40
    assert set(CHECK_CODES) == codes, "each has a name for people"
    for code in codes:
        TypeAdapter(Word).validate_python(code)
    for page in ("acceptance.md", "acceptance.zh-CN.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        last_table = text[text.rindex("| --- | --- | --- |") :]
        assert set(re.findall(r"^\| `(\w+)` \|", last_table, re.MULTILINE)) == codes, page


def test_a_program_reads_code_subject_and_fix_and_the_words_of_both_languages(
    tmp_path: Path,
) -> None:
    done = kerbwatch("check", STREET, "--json", language="en")
    rows = json.loads(done.output)["findings"]
    assert rows
    for row in rows:
        TypeAdapter(Word).validate_python(row["code"])
        assert row["subject"] is None or TypeAdapter(Name).validate_python(row["subject"])
        assert row["fix"] is None or row["fix"] in FIXES
        assert row["words"]["en"]["what"] == row["what"]
    [agent] = [row for row in rows if row["code"] == "agent_runs"]
    assert agent["words"]["zh_CN"]["check"] == "监测程序"


def test_a_fix_that_is_not_on_the_list_is_refused_with_the_list() -> None:
    told = refused(kerbwatch("check", STREET, "--fix", "rm -rf /", language="en"), 1)
    for name in FIXES:
        assert name in told


def test_a_picture_that_lost_its_focus_or_flickers_is_a_warning(device: Device) -> None:
    dice = np.random.default_rng(1)
    sharp = dice.integers(60, 200, (180, 320), dtype=np.uint8)
    make_folder(device.base / "state")
    make_folder(device.base / "state" / COMMISSIONING)
    assert device.configuration is not None
    frame = _frame(0, sharp)
    reference_image.keep(device.base / "state", frame, ())

    def found(sharpness: float, noise: float | None) -> list[tuple[str, str]]:
        told = picture_quality("street", sharpness, noise, device)
        return [(each.code, each.severity) for each in told]

    assert found(200.0, 1.5) == [("camera_focus", "ok"), ("camera_noise", "ok")]
    assert found(20.0, 12.0) == [("camera_focus", "warning"), ("camera_noise", "warning")]
    assert found(200.0, None) == [("camera_focus", "ok")]


def _frame(sequence: int, luma: Picture) -> Frame:
    colour = luma[..., None].repeat(3, 2)
    return Frame("street", sequence, luma, lambda: colour, float(sequence), datetime.now(UTC))


def test_noise_is_what_flickers_by_itself_and_not_what_moves_or_grows_brighter() -> None:
    dice = np.random.default_rng(2)
    scene = dice.integers(40, 200, (180, 320)).astype(np.float64)

    def seen(sigma: float, *, brighter: float = 0.0, moved: bool = False) -> Picture:
        picture = scene + brighter + dice.normal(0, sigma, scene.shape)
        if moved:
            picture[:, :120] = 128
        return np.clip(picture, 0, 255).astype(np.uint8)

    frames = iter([seen(5.0), seen(5.0, brighter=20.0, moved=True), seen(5.0)])
    figures = PictureFigures(lambda _: next(given))
    given = iter(_frame(number, luma) for number, luma in enumerate(frames))
    first, second = figures.of("street"), figures.of("street")
    assert (first.noise, first.sharpness is not None) == (None, True)
    assert second.noise == pytest.approx(5.0, rel=0.1)
    assert PictureFigures(lambda _: None).of("street") == Figures()


def test_an_authority_that_ends_soon_is_a_warning_of_its_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", "Example CA", days=5.5)
    identity = authority.issue(f"{TENANT}/{DEVICE}", days=100)
    site = write_uplink_site(tmp_path, 1, authority=authority, identity=identity)
    told = {each.code: each for each in broker.broker(Device(site, site, load(site)))}
    assert told["device_certificate_days"].severity == "ok"
    assert told["authority_certificate_days"].severity == "warning"
    assert "5 days left" in told["authority_certificate_days"].what


def test_the_time_service_is_found_by_what_it_leaves_while_it_runs(tmp_path: Path) -> None:
    assert time_source(tmp_path).service is None
    (tmp_path / "run" / "chrony").mkdir(parents=True)
    (tmp_path / "run" / "chrony" / "chronyd.pid").write_text("1\n")
    (tmp_path / "sys" / "class" / "rtc" / "rtc0").mkdir(parents=True)
    found = time_source(tmp_path)
    assert (found.service, found.own_clock) == ("chrony", True)


def test_without_a_running_agent_no_speed_is_told(device: Device) -> None:
    assert list(speed.speed(device)) == []


@pytest.mark.parametrize(("language", "words"), [("en", "To do"), ("zh_CN", "处理")])
def test_the_report_is_one_page_however_much_is_wrong(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, words: str
) -> None:
    monkeypatch.setenv("KERBWATCH_LANGUAGE", language)
    wrong = [
        Finding("disk", "fault", f"finding {n}", "means this", "do that", code="disk_space")
        for n in range(60)
    ]
    pdf = report.page(device, wrong)
    assert pages_of(pdf, tmp_path) == 1
    text = text_of(pdf)
    assert words in text
    assert "finding 59" in text


def test_the_report_is_written_where_it_was_asked_for(tmp_path: Path) -> None:
    kerbwatch("check", STREET, "--report", tmp_path / "check.pdf", language="zh_CN")
    assert (tmp_path / "check.pdf").read_bytes().startswith(b"%PDF")
