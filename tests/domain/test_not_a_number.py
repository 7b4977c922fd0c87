"""Figures that are none: nothing that is written with one is refused when it is read, and nothing shown is false."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agent.analysis.decision_trace import Trace
from agent.config.loading import load
from agent.domain.measure import Measure
from agent.domain.scene import WHOLE_FRAME, Detection
from agent.perception.background_model import NoveltyModel
from agent.runtime.replay import replay
from agent.scenarios import street_vending
from agent.telemetry.status_file import (
    Status,
)
from provisioning.cli import main
from provisioning.commands.watch import lines
from provisioning.console.rounding import compared
from tests.support.paths import STREET
from tests.support.scenes import box_at, looked, moment, paving, with_goods, zone
from tests.support.statuses import status

floats = st.floats(-1e12, 1e12) | st.sampled_from([math.nan, math.inf, -math.inf])
needs = st.sampled_from(["at_least", "at_most"])


@given(floats)
def test_every_status_that_is_written_can_be_read_and_shown(value: float) -> None:
    text = status(value).model_dump_json()
    read = Status.model_validate_json(text)
    expected = value if math.isfinite(value) else None
    assert read.uptime_s == read.cameras["street"].for_s == expected
    assert read.pending[0].measures[0].value == expected
    shown = "\n".join(lines(read, None))
    assert not re.search(r"\b(nan|inf)\b", shown)
    assert "\n".join(lines(read, read))


@given(st.floats(allow_nan=False, allow_infinity=False), needs, st.floats(-1e9, 1e9))
def test_a_comparison_is_true_as_it_is_shown(value: float, need: str, threshold: float) -> None:
    assert_true(compared(value, need, threshold), value, threshold)


@pytest.mark.parametrize(
    ("value", "need", "threshold", "shown"),
    [
        (-67.2, "at_least", 60.0, "  -67.20  < 60"),
        (59.999, "at_least", 60.0, "  59.999  < 60"),
        (60.0, "at_least", 60.0, "   60.00  ≥ 60"),
        (0.2, "at_most", 0.6, "    0.20  ≤ 0.6"),
        (0.6001, "at_most", 0.6, "  0.6001  > 0.6"),
        (5.0, "at_least", 1234567.5, "    5.00  < 1234567.5"),
    ],
)
def test_the_sign_is_the_one_that_holds(
    value: float, need: str, threshold: float, shown: str
) -> None:
    assert compared(value, need, threshold).strip() == shown.strip()
    assert_true(shown, value, threshold)


def assert_true(shown: str, value: float, threshold: float) -> None:
    left, sign, right = shown.split()
    a, b = float(left), float(right)
    assert {"≥": a >= b, "<": a < b, "≤": a <= b, ">": a > b}[sign]
    assert {"≥": value >= threshold, "<": value < threshold, "≤": value <= threshold}.get(
        sign, value > threshold
    )


@given(floats, floats)
def test_a_trace_is_json_whatever_was_measured(value: float, threshold: float) -> None:
    trace = Trace()
    trace.note(1.0, (Measure("stood_s", value, threshold),), looked=True)
    trace.note(2.0, (Measure("stood_s", 1.0, threshold),), looked=True)
    trace.close(2.0)
    document = json.dumps(trace.document(2.0), allow_nan=False)
    assert len(json.loads(document)["moments"]) >= 1
    again = Trace.restored(json.loads(json.dumps(trace.snapshot())), 0.0)
    assert json.dumps(again.document(2.0), allow_nan=False) == document


def test_what_stands_hidden_since_a_restart_has_stood_for_a_time_that_is_one() -> None:
    before, place = NoveltyModel(), box_at(0.5, 0.7, 0.2, 0.3)
    goods = with_goods(paving(), place)
    for step in range(80):
        before.update(paving() if step < 40 else goods, step / 5, ())
    after = NoveltyModel()
    after.restore(json.loads(json.dumps(before.snapshot())), 100.0)
    novelty = after.update(goods, 176.0, (WHOLE_FRAME,))  # people hide it from the first frame on
    [thing] = novelty.things
    assert thing.since_s <= thing.last_s < 176.0
    scenario = street_vending.build(street_vending.Settings(allowed_s=60), [zone("no_vending")])
    judged = scenario.judge(
        moment(176.0, novelty=novelty, observation=looked(Detection("stall", 0.9, thing.box)))
    )
    [measures] = judged.measures.values()
    assert measures[0].name == "stood_s"
    assert measures[0].value == 0  # it has not been watched yet


@pytest.mark.slow
def test_a_trace_with_infinity_of_an_older_agent_is_explained(tmp_path: Path) -> None:
    replay(load(STREET), base=STREET, out=tmp_path, frames_per_s=1, until_s=32)
    [database] = tmp_path.rglob("kerbwatch.sqlite3")
    with closing(sqlite3.connect(database)) as connection:
        for case_id, text in connection.execute("SELECT case_id, trace FROM traces").fetchall():
            trace = json.loads(text)
            for moment in trace["moments"]:
                moment[2] = -math.inf
            told = json.dumps(trace)
            assert "-Infinity" in told
            connection.execute("UPDATE traces SET trace = ? WHERE case_id = ?", (told, case_id))
        connection.commit()
    environment = {"KERBWATCH_LANGUAGE": "en"}
    shown = CliRunner(env=environment).invoke(main, ["explain", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    assert "not known" in shown.output
    assert "inf" not in shown.output
    printed = CliRunner(env=environment).invoke(main, ["explain", str(tmp_path), "--json"]).output

    def refused(name: str) -> Any:
        raise ValueError(name)

    document = json.loads(printed, parse_constant=refused)
    assert document["conditions"][0]["value"] is None
