"""Signing in at the pole: the code under the lid, a press of the button, one session, waits that nothing resets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.audit import AuditLog, records, verify
from drivers.disk import replace_file
from drivers.testing import FakeClock
from provisioning.page.answers import PageError
from provisioning.page.code import ALPHABET, is_right, keep, new_code
from provisioning.page.lockout import FREE_TRIES, LONGEST_WAIT_S, Lockout, wait_after
from provisioning.page.page import Page
from provisioning.page.presses import PRESSED
from provisioning.page.sessions import IDLE_S, LONGEST_S, Sessions
from provisioning.page.setup import Setup
from provisioning.page.sign_in import PRESS_S
from provisioning.page.visit import DAY_S, Visit
from tests.support.small_disks import fill, in_memory_or_skip

CODE = "7K3MQ-9XW2T"
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
PHONE = "10.73.84.20"


class Pole:
    """A page's parts, at times that the test says."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 1000.0
        self.setup = Setup(folder / "state", folder / "run", folder / "agent", folder / "root")
        keep(CODE, self.setup.state_dir / "code.json")
        self.switch_on()

    def switch_on(self) -> None:
        """The process starts, and reads what is kept."""
        audit = AuditLog(self.setup.state_dir / "audit", FakeClock(NOON), by="page")
        self.page = Page(self.setup, audit, lambda: self.now_s)

    def reboot(self) -> None:
        """Memory is empty, and the time since boot begins again."""
        for path in (self.setup.run_dir / "session.json", self.setup.root_dir / PRESSED):
            path.unlink(missing_ok=True)
        self.now_s = 20.0
        self.switch_on()

    def press(self) -> None:
        replace_file(self.setup.root_dir / PRESSED, str(self.now_s))

    def attempt(self, code: str = CODE) -> str:
        return self.page.sign_in.attempt(code, PHONE, self.now_s)

    def refused(self, code: str = CODE) -> PageError:
        with pytest.raises(PageError) as caught:
            self.attempt(code)
        return caught.value

    def results(self) -> list[str]:
        return [str(each.facts.get("result")) for each in records(self.setup.state_dir / "audit")]


@pytest.fixture
def pole(tmp_path: Path) -> Pole:
    return Pole(tmp_path)


def test_code_and_press_together_sign_in(pole: Pole) -> None:
    pole.press()
    key = pole.attempt()
    assert pole.page.sessions.of(key, pole.now_s) is not None
    assert pole.results() == ["signed in"]


def test_a_right_code_without_a_press_is_not_even_looked_at(pole: Pole) -> None:
    assert pole.refused().code == "press_needed"
    assert pole.refused("wrong").code == "press_needed"
    assert pole.page.sign_in._lockout.failures == 0, "who is not here can lock nobody out"


def test_a_press_is_good_for_two_minutes(pole: Pole) -> None:
    pole.press()
    pole.now_s += PRESS_S + 1
    assert pole.refused().code == "press_needed"


def test_one_press_signs_in_once(pole: Pole) -> None:
    pole.press()
    pole.attempt()
    assert pole.refused().code == "press_needed"
    pole.now_s += 1
    pole.press()
    assert pole.attempt()


def test_a_press_of_before_the_boot_is_none(pole: Pole) -> None:
    pole.press()
    pole.now_s = 20.0
    assert pole.refused().code == "press_needed"


@pytest.mark.parametrize("typed", ["7k3mq9xw2t", " 7K3MQ 9XW2T ", "7K3MQ-9XW2T"])
def test_a_code_is_right_however_it_is_spaced(pole: Pole, typed: str) -> None:
    pole.press()
    assert pole.attempt(typed)


def test_look_alikes_are_read_as_what_they_look_like(tmp_path: Path) -> None:
    keep("01KQZ-10ABC", tmp_path / "code.json")
    assert is_right("OIkqz-LoABC", tmp_path / "code.json")


def test_no_code_is_right_where_none_was_made_or_its_record_is_damaged(tmp_path: Path) -> None:
    assert not is_right("", tmp_path / "code.json")
    for damage in ("", "{}", "[]", '{"salt": "zz", "hash": "00"}', '{"salt": 1, "hash": 2}'):
        (tmp_path / "code.json").write_text(damage)
        assert not is_right("", tmp_path / "code.json")


def test_the_code_itself_is_nowhere_on_the_device(pole: Pole) -> None:
    pole.press()
    pole.attempt()
    pole.refused("WRONG-CODES")
    for path in pole.setup.state_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes().upper()
            assert b"7K3MQ" not in content
            assert b"WRONG-CODES" not in content


def test_codes_are_drawn_from_all_of_the_alphabet() -> None:
    drawn = {each for _ in range(400) for each in new_code() if each != "-"}
    assert drawn == set(ALPHABET)


def wrong(pole: Pole, times: int) -> None:
    for _ in range(times):
        pole.now_s += LONGEST_WAIT_S
        pole.press()
        assert pole.refused("WRONG").code == "wrong_code"


def test_after_three_wrong_codes_a_right_one_has_to_wait(pole: Pole) -> None:
    wrong(pole, FREE_TRIES)
    refused = pole.refused()
    assert (refused.code, refused.status) == ("locked", 429)
    assert refused.more == {"wait_s": 30}
    pole.now_s += 30
    assert pole.attempt()


def test_a_reboot_does_not_shorten_the_wait(pole: Pole) -> None:
    wrong(pole, FREE_TRIES + 2)
    pole.now_s += 100
    pole.reboot()
    pole.press()
    assert pole.refused().more == {"wait_s": 120}
    pole.now_s += 119
    assert pole.refused().code == "locked"
    pole.now_s += 1
    pole.press()
    assert pole.attempt()


def test_a_right_code_ends_the_count(pole: Pole) -> None:
    wrong(pole, FREE_TRIES - 1)
    pole.now_s += 1
    pole.press()
    pole.attempt()
    pole.now_s += 1
    wrong(pole, FREE_TRIES - 1)
    pole.press()
    pole.now_s += 1
    assert pole.attempt()


def test_a_damaged_count_is_a_long_wait(tmp_path: Path) -> None:
    (tmp_path / "failures.json").write_text("{torn")
    assert Lockout(tmp_path / "failures.json", 0.0).left_s(0.0) == LONGEST_WAIT_S


@given(st.integers(0, 5000))
def test_a_wait_grows_and_never_passes_an_hour(failures: int) -> None:
    assert 0 <= wait_after(failures) <= wait_after(failures + 1) <= LONGEST_WAIT_S


def test_a_try_counts_before_its_code_is_looked_at(
    pole: Pole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who pulls the plug while the code is compared has spent the try."""
    counted: list[int] = []

    def look(code: str, path: Path) -> bool:
        kept = json.loads((pole.setup.state_dir / "failures.json").read_text())
        counted.append(kept["failures"])
        return is_right(code, path)

    monkeypatch.setattr("provisioning.page.sign_in.code.is_right", look)
    pole.press()
    pole.attempt()
    assert counted == [1]


def test_every_attempt_that_was_looked_at_is_in_the_audit_log(pole: Pole) -> None:
    wrong(pole, FREE_TRIES)
    pole.refused()
    pole.now_s += 60
    pole.press()
    pole.attempt()
    assert pole.results() == ["wrong code"] * 3 + ["locked", "signed in"]
    folder = pole.setup.state_dir / "audit"
    assert {each.facts["peer"] for each in records(folder)} == {PHONE}
    assert verify(folder).breaks == ()


def test_a_flood_of_attempts_without_a_press_writes_a_record_a_minute(pole: Pole) -> None:
    for _ in range(500):
        pole.now_s += 0.5
        pole.refused("x")
    told = list(records(pole.setup.state_dir / "audit"))
    assert 4 <= len(told) <= 6
    assert sum(int(each.facts["attempts"]) for each in told) <= 500


def test_who_signs_in_last_has_the_session_and_the_other_is_told(pole: Pole) -> None:
    pole.press()
    first = pole.attempt()
    pole.now_s += 5
    pole.press()
    second = pole.attempt()
    sessions = pole.page.sessions
    assert sessions.of(first, pole.now_s) is None
    assert sessions.was_replaced(first)
    assert sessions.of(second, pole.now_s) is not None
    assert not sessions.was_replaced("another")


def test_a_session_ends_when_nobody_touches_it_and_after_four_hours(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "session.json", 0.0)
    key = sessions.begin(0.0)
    assert sessions.of(key, IDLE_S - 1) is not None
    assert sessions.of(key, 2 * IDLE_S) is None
    key, now_s = sessions.begin(0.0), 0.0
    while sessions.of(key, now_s) is not None:
        now_s += IDLE_S / 2
    assert LONGEST_S < now_s <= LONGEST_S + IDLE_S


def test_a_session_outlives_the_process_and_ends_with_the_boot(tmp_path: Path) -> None:
    key = Sessions(tmp_path / "session.json", 500.0).begin(500.0)
    assert Sessions(tmp_path / "session.json", 510.0).of(key, 510.0) is not None
    assert Sessions(tmp_path / "session.json", 20.0).of(key, 20.0) is None
    assert key not in (tmp_path / "session.json").read_text()


@pytest.mark.parametrize(
    "kept", ["", "[]", "{}", '{"key_hash": 1, "csrf": 2, "began_s": 0, "seen_s": 0}']
)
def test_a_damaged_session_is_none(tmp_path: Path, kept: str) -> None:
    (tmp_path / "session.json").write_text(kept)
    assert Sessions(tmp_path / "session.json", 10.0).of("anything", 10.0) is None


def test_the_installers_rights_end_after_a_day_that_the_page_was_on(tmp_path: Path) -> None:
    """The time that the page was on counts, over restarts."""
    path = tmp_path / "visit.json"
    visit, now_s, on_s = Visit(path, 0.0), 0.0, 0.0
    visit.begin(now_s)
    while not visit.over(now_s):
        now_s, on_s = now_s + 90, on_s + 90
        if now_s > 10_000:
            now_s = 10.0
            visit = Visit(path, now_s)
        assert on_s < DAY_S * 1.1
    assert visit.over(now_s) == "time"
    assert Visit(path, 0.0).over(0.0) == "time"


@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_is_set_by_a_year_ends_no_visit(tmp_path: Path, days: int) -> None:
    """A board without a clock is set as soon as its network comes; the certificate was fetched the day before."""
    began_at = datetime.now(UTC) + timedelta(days=days)
    kept = {"began_at": began_at.isoformat(), "used_s": 3600.0, "over": ""}
    (tmp_path / "visit.json").write_text(json.dumps(kept))
    visit = Visit(tmp_path / "visit.json", 10.0)
    assert visit.over(20.0) == ""
    assert visit.over(10.0 + DAY_S - 3600.0 + 1.0) == "time"


def test_a_full_disk_ends_neither_session_nor_visit(tmp_path: Path) -> None:
    """It is then that somebody wants to look; what was noted last is lost at most."""
    with in_memory_or_skip(tmp_path / "disk", 0.2) as disk:
        sessions, visit = Sessions(disk / "session.json", 0.0), Visit(disk / "visit.json", 0.0)
        key = sessions.begin(0.0)
        visit.begin(0.0)
        fill(disk)
        for now_s in (100.0, 800.0, 1500.0):
            assert sessions.of(key, now_s) is not None
            assert visit.over(now_s) == ""
        with pytest.raises(OSError, match="No space left"):
            visit.end("accepted")
        assert visit.over(1600.0) == "accepted", "until this process ends"


def test_after_the_acceptance_nobody_signs_in_until_root_opens_another_visit(pole: Pole) -> None:
    pole.press()
    pole.attempt()
    pole.page.visit.end("accepted")
    pole.reboot()
    pole.press()
    refused = pole.refused()
    assert refused.code == "visit_over"
    assert "kerbwatch page on --visit" in refused.text
    (pole.setup.state_dir / "visit.json").unlink()
    pole.reboot()
    pole.press()
    assert pole.attempt()


def test_a_damaged_visit_is_over(tmp_path: Path) -> None:
    (tmp_path / "visit.json").write_text('{"began_at": "soon"}')
    assert Visit(tmp_path / "visit.json", 0.0).over(0.0) == "damaged"
