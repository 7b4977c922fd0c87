"""Promises about why a case opened: the trace is small, keeps what matters, and is told in words."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.analysis.decision_trace import MAX_MOMENTS, Trace, Traces
from agent.config.loading import load
from agent.domain.measure import Measure
from agent.runtime.replay import replay
from provisioning.commands.stored_case import conditions, find
from tests.support.command_line import kerbwatch
from tests.support.paths import STREET
from tests.support.staged_clips import BUNDLED, replayed

stays = st.lists(
    st.tuples(st.floats(0.05, 30), st.floats(0, 1), st.booleans()), min_size=1, max_size=400
)


def told(stay: list[tuple[float, float, bool]]) -> tuple[Trace, list[tuple[float, float]]]:
    """A made-up stay noted frame by frame, and what was noted."""
    trace, now_s, noted = Trace(), 0.0, []
    for step_s, support, looked in stay:
        now_s += step_s
        measures = (Measure("dwell_s", now_s, 60.0), Measure("support", support, 0.5))
        trace.note(now_s, measures, looked=looked)
        noted.append((now_s, support))
    trace.close(now_s)
    return trace, noted


@given(stays)
def test_a_trace_stays_small_however_long_the_stay(stay: list[tuple[float, float, bool]]) -> None:
    trace, noted = told(stay)
    assert len(trace.moments) <= MAX_MOMENTS
    assert len(json.dumps(trace.document(noted[-1][0]))) < 8192
    assert trace.frames == len(noted)
    assert trace.looks == sum(looked for _, _, looked in stay)


@given(stays)
def test_a_trace_keeps_the_first_moment_and_the_last_and_invents_none(
    stay: list[tuple[float, float, bool]],
) -> None:
    trace, noted = told(stay)
    times = [moment.at_s for moment in trace.moments]
    assert times[0] == noted[0][0]
    assert times[-1] == noted[-1][0]
    assert times == sorted(set(times))
    assert set(times) <= {at_s for at_s, _ in noted}


def test_the_moment_at_which_the_time_was_up_is_kept_in_an_hour_of_frames() -> None:
    trace, _ = told([(0.2, 0.9, False)] * 18_000)
    assert any(moment.at_s == pytest.approx(60, abs=0.21) for moment in trace.moments)


@given(stays, stays)
def test_what_led_to_the_opening_is_kept_however_long_the_case_stays_open(
    before: list[tuple[float, float, bool]], after: list[tuple[float, float, bool]]
) -> None:
    trace, noted = told(before)
    trace.freeze()
    kept = list(trace.frozen)
    now_s = noted[-1][0]
    for step_s, support, looked in after * 3:
        now_s += step_s
        measures = (Measure("dwell_s", now_s, 60.0), Measure("support", support, 0.5))
        trace.note(now_s, measures, looked=looked)
    assert trace.frozen == kept
    document = trace.document(now_s)
    assert len(document["moments"]) <= 2 * MAX_MOMENTS
    assert len(json.dumps(document)) < 8192


@given(stays, st.floats(-1000, 1000))
def test_a_trace_goes_on_after_a_restart_as_if_there_had_been_none(
    stay: list[tuple[float, float, bool]], shift_s: float
) -> None:
    trace, noted = told(stay)
    again = Trace.restored(json.loads(json.dumps(trace.snapshot())), shift_s)
    last_s = noted[-1][0]
    assert again.document(last_s + shift_s)["measures"] == trace.document(last_s)["measures"]
    for ours, theirs in zip(again.moments, trace.moments, strict=True):
        assert ours.at_s == pytest.approx(theirs.at_s + shift_s, abs=1e-6)
        assert ours.values == theirs.values


def test_what_is_measured_after_the_opening_does_not_change_what_the_case_opened_by() -> None:
    trace = Trace()
    trace.note(10.0, (Measure("stood_s", 10.0, 10.0),), looked=True)
    trace.freeze()
    unnamed = (Measure("stood_s", 1.0, 30.0), Measure("crowd_share", 0.1, 0.6, "at_most"))
    trace.note(20.0, unnamed, looked=True)
    again = Trace.restored(json.loads(json.dumps(trace.snapshot())), 0.0)
    for each in (trace, again):
        [measure] = each.document(20.0)["measures"]
        assert measure == {"name": "stood_s", "needs": "at_least", "threshold": 10.0}


def test_a_place_where_nothing_is_pending_any_more_is_forgotten() -> None:
    traces = Traces()
    measured = {"kerb": (Measure("dwell_s", 1.0, 10.0),)}
    traces.note("misparked_bike", 1.0, measured, frozenset(), ())
    assert traces.of("misparked_bike", "kerb") is not None
    traces.note("misparked_bike", 2.0, {}, frozenset(), ["kerb"])  # its case is open
    assert traces.of("misparked_bike", "kerb") is not None
    traces.note("misparked_bike", 3.0, {}, frozenset(), ())
    assert traces.of("misparked_bike", "kerb") is None


@pytest.fixture(scope="module")
def results() -> Path:
    """What a replay of the bundled street leaves, at two frames a second."""
    return replayed(BUNDLED, 2).out


def case_ids(results: Path) -> list[str]:
    lines = (results / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return [each["body"]["case_id"] for each in events if each["type"] == "case.opened"]


@pytest.mark.slow
def test_every_case_of_a_replay_is_explained_by_its_configured_threshold(results: Path) -> None:
    ids = case_ids(results)
    assert len(ids) == 3
    for case_id in ids:
        case = find(results, case_id)
        held = conditions(case)
        assert held[0].name in {"dwell_s", "stood_s", "full_s"}
        assert held[0].threshold == 10.0
        assert held[0].value is not None
        assert held[0].value >= 10.0
        since = held[0].since
        assert since is not None
        late_s = (datetime.fromisoformat(case.opened["opened_at"]) - since).total_seconds()
        assert 0 <= late_s < 5
        assert case.last["state"] == "cleared"
        assert len(json.dumps(case.trace)) < 8192


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "It opened when all of these conditions were met"), ("zh_CN", "问题")],
)
def test_a_case_is_explained_in_words_and_pictures(
    results: Path, tmp_path: Path, language: str, words: str
) -> None:
    strip = tmp_path / "strip.png"
    first = case_ids(results)[0]
    done = kerbwatch("explain", results, first, "--strip", strip, language=language)
    assert done.exit_code == 0, done.output
    assert words in done.output
    assert first in done.output
    assert "≥ 10" in done.output
    picture = cv2.imread(str(strip))
    assert picture is not None
    assert picture.shape[1] > 3 * picture.shape[0]


@pytest.mark.slow
def test_the_newest_case_is_explained_unless_another_is_named(results: Path) -> None:
    shown = kerbwatch("explain", results, "--json")
    assert json.loads(shown.output)["case_id"] == max(case_ids(results))
    missing = kerbwatch("explain", results, "zzz")
    assert missing.exit_code == 1
    assert "no case zzz" in missing.output
    many = kerbwatch("explain", results, case_ids(results)[0][:2])
    assert many.exit_code == 1


def test_where_nothing_was_watched_there_is_nothing_to_explain(tmp_path: Path) -> None:
    done = kerbwatch("explain", tmp_path)
    assert done.exit_code == 1
    assert "no database" in done.output


@pytest.mark.slow
def test_a_restart_in_the_middle_of_a_stay_keeps_its_trace(tmp_path: Path) -> None:
    site, state = load(STREET), tmp_path / "state"
    replay(site, base=STREET, state=state, frames_per_s=2, until_s=23)
    replay(site, base=STREET, state=state, frames_per_s=2, from_s=23, until_s=32)
    case = find(tmp_path, None)
    began_at = datetime.fromisoformat(case.opened["began_at"])
    first_at = case.moments[0][0]
    assert 0 <= (first_at - began_at).total_seconds() < 5
