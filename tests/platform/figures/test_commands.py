"""``kerbwatch-platform figures`` and ``archive``, as they are typed."""

from __future__ import annotations

import csv
import io
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from kerbwatch_platform.cli import main

if TYPE_CHECKING:
    from tests.platform.figures.conftest import Weeks
    from tests.support.postgres import Postgres

pytestmark = pytest.mark.slow


@pytest.fixture
def chosen(server: Postgres, tmp_path: Path) -> Path:
    """Settings of the drawn weeks' database."""
    path = tmp_path / "settings.toml"
    path.write_text(
        f'database = "{server.address()}"\nbroker = "mqtt://127.0.0.1:1"\n'
        f'evidence_folder = "{tmp_path / "evidence"}"\nsigning_key_file = "{tmp_path / "key.pem"}"\n'
        f'archive_folder = "{tmp_path / "archive"}"\n',
        encoding="utf-8",
    )
    return path


def run(chosen: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--settings", str(chosen), *words])


def figures_in(told: Result) -> list[list[str]]:
    """The lines of a file without the moments up to which they tell: an archive is as old as it is."""
    lines = csv.reader(io.StringIO(told.stdout_bytes.decode("utf-8-sig")))
    return [line[:-3] for line in lines]


def test_an_archive_tells_up_to_when_it_was_written(weeks: Weeks, chosen: Path) -> None:
    folder = chosen.parent / "archive"
    assert run(chosen, "archive").exit_code == 0
    written = datetime(2027, 1, 2, 3, 4, tzinfo=weeks.made.zone).timestamp()
    os.utime(folder / "verdicts.parquet", (written, written))
    told = run(chosen, "figures", "daily", "--period", "2027Q1", "--csv", "--folder", str(folder))
    [line, *_] = [line for line in csv.reader(io.StringIO(told.output)) if line[0] == "2027-01-01"]
    assert line[-3:] == ["2027-01-02 03:04", "2027-01-02 00:00", "2027-01-02 00:00"]
    table = run(chosen, "figures", "daily", "--period", "2027Q1", "--folder", str(folder))
    assert "本期尚未结束：统计截至 2027-01-02 03:04。" in table.stderr


def test_both_engines_print_the_same_file(weeks: Weeks, chosen: Path) -> None:
    written = run(chosen, "archive")
    assert written.exit_code == 0, written.output
    asked = ("figures", "sanitation", "--period", "2026Q4", "--csv")
    told = run(chosen, *asked)
    assert told.exit_code == 0, told.output
    assert told.stdout_bytes.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(told.stdout_bytes.decode("utf-8-sig"))))
    assert lines[0][1] == "责任单位"
    assert len(lines) > 3
    by_duckdb = run(chosen, *asked, "--folder", str(chosen.parent / "archive"))
    assert figures_in(by_duckdb) == figures_in(told)


def test_what_is_wrong_is_said(weeks: Weeks, chosen: Path) -> None:
    told = run(chosen, "figures", "daily", "--period", "Q4")
    assert told.exit_code == 2
    assert "Q4 不是时间段" in told.output
    nowhere = run(
        chosen, "figures", "daily", "--period", "2026Q4", "--folder", str(chosen.parent / "none")
    )
    assert nowhere.exit_code == 1
    assert "没有归档" in nowhere.output
