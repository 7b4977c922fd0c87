"""``kerbwatch models bench``: a row for every model, precision and number of threads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioning.cli import main
from tests.support.command_line import kerbwatch
from tests.support.red_bike_model import write_model


@pytest.mark.slow
def test_the_models_are_measured_with_threads_and_in_both_precisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    done = kerbwatch("models", "bench", "street", "--seconds", "0.1", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    rows = document["rows"]
    assert {row["precision"] for row in rows} == {"FP32", "INT8"}
    assert 1 in {row["threads"] for row in rows}
    for row in rows:
        assert row["model"] == "street"
        assert row["runs"] >= 5
        assert 0 < row["fastest_ms"] <= row["median_ms"] <= row["slowest_ms"]


def test_a_model_in_whole_numbers_is_measured_as_it_is() -> None:
    """It once was quantised a second time, and every model's table was lost over it."""
    command = ["models", "bench", "bin-state-int8", "--seconds", "0.1", "--json"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert {row["precision"] for row in rows} == {"INT8"}
    assert len(rows) == len({row["threads"] for row in rows})


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    done = kerbwatch("models", "bench", "--pictures", tmp_path)
    assert done.exit_code == 1
    assert str(tmp_path) in done.output


def test_a_model_that_is_not_there_is_named() -> None:
    done = kerbwatch("models", "bench", "nobody", "--seconds", "0.1")
    assert done.exit_code == 3
    assert "nobody" in done.output
