"""``kerbwatch-platform figures`` and ``archive``, as they are typed."""

from __future__ import annotations

import csv
import io
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
    assert by_duckdb.stdout_bytes == told.stdout_bytes


def test_what_is_wrong_is_said(weeks: Weeks, chosen: Path) -> None:
    told = run(chosen, "figures", "daily", "--period", "Q4")
    assert told.exit_code == 2
    assert "Q4 不是时间段" in told.output
    nowhere = run(
        chosen, "figures", "daily", "--period", "2026Q4", "--folder", str(chosen.parent / "none")
    )
    assert nowhere.exit_code == 1
    assert "没有归档" in nowhere.output
