"""The audit log: nothing in it can be changed, taken out or cut off without that being seen."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.audit import AuditError, AuditLog, Head, records, verify
from agent.audit import log as audit_log
from drivers.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


def filled(folder: Path, count: int) -> AuditLog:
    audit = AuditLog(folder, FakeClock(NOON))
    for number in range(count):
        audit.append("configuration.changed", name=f"值 {number}", number=number)
    return audit


def lines(folder: Path) -> list[str]:
    return (folder / "000001.jsonl").read_text("utf-8").splitlines(keepends=True)


def put(folder: Path, changed: list[str]) -> None:
    (folder / "000001.jsonl").write_text("".join(changed), "utf-8")


def test_what_is_recorded_can_be_read_and_the_chain_holds(tmp_path: Path) -> None:
    audit = filled(tmp_path, 5)
    told = list(records(tmp_path))
    assert [each.facts["number"] for each in told] == [0, 1, 2, 3, 4]
    assert [each.number for each in told] == [1, 2, 3, 4, 5]
    assert {(each.by, each.clock) for each in told} == {("agent", "synchronised")}
    verdict = verify(tmp_path)
    assert verdict.breaks == ()
    assert (verdict.records, verdict.first, verdict.head) == (5, 1, audit.head())


def test_an_empty_log_holds(tmp_path: Path) -> None:
    assert verify(tmp_path / "none").breaks == ()
    assert AuditLog(tmp_path / "none", FakeClock(NOON)).head().number == 0


def changed_fact(told: list[str]) -> list[str]:
    return [*told[:2], told[2].replace("值 2", "值 9"), *told[3:]]


def changed_and_hashed_anew(told: list[str]) -> list[str]:
    record = json.loads(told[2])
    del record["hash"]
    record["facts"]["name"] = "值 9"
    forged = audit_log.AuditRecord(**record).line()
    return [*told[:2], forged, *told[3:]]


def taken_out(told: list[str]) -> list[str]:
    return [*told[:2], *told[3:]]


def swapped(told: list[str]) -> list[str]:
    return [told[0], told[2], told[1], *told[3:]]


def put_in(told: list[str]) -> list[str]:
    return [*told[:2], told[0], *told[2:]]


def made_unreadable(told: list[str]) -> list[str]:
    return [*told[:2], "{\n", *told[3:]]


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (changed_fact, 3),
        (changed_and_hashed_anew, 4),
        (taken_out, 3),
        (swapped, 2),
        (put_in, 3),
        (made_unreadable, 3),
        (lambda told: told[1:], 1),
    ],
)
def test_tampering_shows_at_its_place(
    tmp_path: Path, tamper: Callable[[list[str]], list[str]], line: int
) -> None:
    filled(tmp_path, 6)
    put(tmp_path, tamper(lines(tmp_path)))
    assert verify(tmp_path).breaks[0].line == line


@given(st.data())
def test_no_byte_can_be_changed_unseen(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("audit")
    filled(folder, 3)
    content = bytearray((folder / "000001.jsonl").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    known, before = AuditLog(folder, FakeClock(NOON)).head(), list(records(folder))
    (folder / "000001.jsonl").write_bytes(content)
    verdict = verify(folder, known)
    # Some spaces between JSON's parts say nothing; whatever else is changed is found.
    assert verdict.breaks or list(records(folder)) == before


def test_a_log_cut_off_at_its_end_is_found_by_what_was_told_before(tmp_path: Path) -> None:
    known = filled(tmp_path, 6).head()
    put(tmp_path, lines(tmp_path)[:4])
    assert verify(tmp_path).breaks == (), "by itself it looks whole"
    [found] = verify(tmp_path, known).breaks
    assert "record 6 is missing" in found.reason
    filled(tmp_path, 3)
    [found] = verify(tmp_path, known).breaks
    assert "is not the one" in found.reason


def test_a_record_torn_by_a_power_cut_is_cut_off_and_told(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    told = lines(tmp_path)
    put(tmp_path, [*told[:2], told[2][:40]])
    filled(tmp_path, 1)
    assert verify(tmp_path).breaks == ()
    assert [each.what for each in records(tmp_path)][2:] == [
        "audit.torn_record_cut_off",
        "configuration.changed",
    ]


def test_after_a_damaged_last_line_the_log_goes_on_and_the_break_stays_visible(
    tmp_path: Path,
) -> None:
    filled(tmp_path, 3)
    put(tmp_path, [*lines(tmp_path)[:2], "damaged\n"])
    filled(tmp_path, 2)
    verdict = verify(tmp_path)
    assert {each.line for each in verdict.breaks} == {3, 4}
    assert verdict.records == 4


def test_the_log_is_bounded_and_says_where_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "SEGMENT_BYTES", 2000)
    monkeypatch.setattr(audit_log, "SEGMENTS_KEPT", 3)
    filled(tmp_path, 200)
    kept = audit_log.segments(tmp_path)
    assert len(kept) == 3
    assert sum(path.stat().st_size for path in kept) < 3 * 3000
    verdict = verify(tmp_path)
    assert verdict.breaks == ()
    assert verdict.first > 100
    kept[0].unlink()
    assert any("missing" in each.reason for each in verify(tmp_path).breaks)


def test_an_untrusted_clock_is_said(tmp_path: Path) -> None:
    AuditLog(tmp_path, FakeClock(NOON, synchronised=False)).append("agent.started")
    assert next(records(tmp_path)).clock == "unsynchronised"


def test_several_processes_append_to_one_chain(tmp_path: Path) -> None:
    told = (
        "import sys; from pathlib import Path\n"
        "from agent.audit import AuditLog; from drivers.clock import SystemClock\n"
        "audit = AuditLog(Path(sys.argv[1]), SystemClock(), by=sys.argv[2])\n"
        "for number in range(40): audit.append('test', number=number)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", told, tmp_path, name]) for name in ("a", "b", "c")
    ]
    assert [each.wait() for each in writers] == [0, 0, 0]
    verdict = verify(tmp_path)
    assert (verdict.records, verdict.breaks) == (120, ())
    for name in ("a", "b", "c"):
        numbers = [each.facts["number"] for each in records(tmp_path) if each.by == name]
        assert numbers == list(range(40))


def test_a_disk_that_takes_nothing_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file, no folder")
    with pytest.raises(AuditError, match="audit"):
        AuditLog(tmp_path / "audit", FakeClock(NOON)).append("test")


def test_a_known_head_in_the_middle_is_enough(tmp_path: Path) -> None:
    known = filled(tmp_path, 3).head()
    filled(tmp_path, 3)
    assert verify(tmp_path, known).breaks == ()
    assert verify(tmp_path, Head(3, "0" * 64)).breaks != ()
