"""What a page has computed is there for its plot and its file, for a while and within bounds."""

from __future__ import annotations

from datetime import datetime, timedelta

from kerbwatch_platform import figures
from kerbwatch_platform.web import kept_figures
from kerbwatch_platform.web.kept_figures import KeptFigures

NOON = datetime.fromisoformat("2026-11-30T12:30:00+08:00")


def of(name: str = "2026Q4", *, later_ms: int = 0) -> figures.Period:
    return figures.period(name, "Asia/Shanghai", now=NOON + timedelta(milliseconds=later_ms))


def test_the_same_figure_of_the_same_moment_is_kept_and_no_other() -> None:
    kept, rows = KeptFigures(), [{"bikes": 3}]
    kept.keep("operators", of(), rows)
    assert kept.get("operators", of()) is rows
    assert kept.get("sanitation", of()) is None
    assert kept.get("operators", of("2026-11")) is None
    assert kept.get("operators", of(later_ms=1)) is None


def test_it_goes_after_some_minutes() -> None:
    now = [0.0]
    kept = KeptFigures(lambda: now[0])
    kept.keep("operators", of(), [])
    now[0] = kept_figures.KEPT_S - 1.0
    assert kept.get("operators", of()) == []
    now[0] = float(kept_figures.KEPT_S)
    assert kept.get("operators", of()) is None


def test_the_oldest_go_where_there_are_too_many() -> None:
    kept = KeptFigures()
    for n in range(kept_figures.MOST_FIGURES + 2):
        kept.keep("operators", of(later_ms=n), [])
    there = [kept.get("operators", of(later_ms=n)) for n in range(kept_figures.MOST_FIGURES + 2)]
    assert there == [None, None, *[[]] * kept_figures.MOST_FIGURES]


def test_so_they_do_where_their_rows_are_too_many_and_one_too_large_is_not_kept() -> None:
    kept = KeptFigures()
    half = [{"bikes": 1}] * (kept_figures.MOST_ROWS // 2)
    for n in range(3):
        kept.keep("overflows", of(later_ms=n), half)
    assert [kept.get("overflows", of(later_ms=n)) is half for n in range(3)] == [False, True, True]
    kept.keep("overflows", of(later_ms=3), [{"bikes": 1}] * (kept_figures.MOST_ROWS + 1))
    assert [kept.get("overflows", of(later_ms=n)) is half for n in (1, 2)] == [True, True]
    assert kept.get("overflows", of(later_ms=3)) is None
