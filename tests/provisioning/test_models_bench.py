"""``kerbwatch models bench``: a row for every model, precision and number of threads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioning.cli import main
from provisioning.commands.models_bench import Row, advice_for
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


def row(model: str, cpu_ms: float, threads: int = 1, installed: bool = True) -> Row:
    return Row(model, "FP32", installed, threads, 9, cpu_ms, cpu_ms, cpu_ms, cpu_ms, 0.1)


def test_of_the_detectors_that_fit_the_largest_is_advised() -> None:
    # At six runs a second 0.6 of a core are 100 ms a run.
    rows = [row("street", 40.0), row("street-640", 90.0), row("bin-state", 70.0)]
    found = advice_for(rows)
    assert found["detector"].model == "street-640"
    assert found["detector"].fits
    assert found["detector"].core_share == pytest.approx(0.54)
    assert found["bin_state"].model == "bin-state"


def test_where_none_fits_the_quickest_is_advised_and_how_often_it_may_look() -> None:
    found = advice_for([row("street", 200.0), row("street-640", 500.0)])["detector"]
    assert (found.model, found.fits, found.runs_per_s) == ("street", False, 3.0)


def test_what_is_not_installed_or_takes_more_threads_is_not_advised() -> None:
    rows = [row("street", 40.0), row("street", 12.0, installed=False), row("street-640", 80.0, 2)]
    assert advice_for(rows)["detector"].model == "street"


def test_the_table_ends_with_what_to_write_into_the_configuration() -> None:
    done = kerbwatch("models", "bench", "street", "bin-state-int8", "--seconds", "0.1")
    assert done.exit_code == 0, done.output
    assert '[models] detector = "street":' in done.output
    assert '[models] bin_state = "bin-state-int8":' in done.output
