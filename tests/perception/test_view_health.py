"""Promises of the view guard, on footage with faults put in: what cannot be seen is not claimed."""

from __future__ import annotations

import json
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.schema import Configuration
from agent.perception.view_health import PROBLEMS, Settings, ViewMonitor
from agent.protocol.base import Blindness
from agent.protocol.events import CaseEvent
from agent.runtime.replay import ReplayReport, replay
from agent.storage.paths import COMMISSIONING
from drivers.cameras import Picture
from provisioning.wording.vocabulary import REASONS
from tests.support import staged_clips, view_faults
from tests.support.command_line import kerbwatch
from tests.support.scenes import paving, zone
from tests.support.staged_clips import BUNDLED, staged

SOON = {
    "blocked_after_s": 6,
    "covered_after_s": 6,
    "dark_after_s": 6,
    "over_exposed_after_s": 6,
    "moved_after_s": 6,
    "unsharp_after_s": 6,
    "frozen_after_s": 6,
    "return_after_s": 3,
}
"""For a clip of 100 s; the bike stands from 16.6 s to 69.7 s and is allowed 10 s."""
BEGINS_S, ENDS_S = 46.0, 58.0


def site_of(clip: Path, state: Path, **guard: Any) -> Configuration:
    told = staged_clips.site_of(BUNDLED).model_dump(mode="json", by_alias=True)
    told["cameras"][0]["settings"]["path"] = str(clip)
    told["view_guard"] = {**SOON, **guard}
    told["storage"]["state_dir"] = str(state)
    return Configuration.model_validate(told)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with the street's commissioning picture, taken by the command."""
    folder = tmp_path_factory.mktemp("commissioned")
    told = json.loads(
        site_of(BUNDLED / "clip.mp4", folder / "state").model_dump_json(by_alias=True)
    )
    (folder / "zones.json").write_text(json.dumps({"zones": told["zones"]}), encoding="utf-8")
    site = (BUNDLED / "site.toml").read_text(encoding="utf-8")
    site = site.replace('path = "clip.mp4"', f'path = "{BUNDLED / "clip.mp4"}"')
    (folder / "site.toml").write_text(
        site + '\n[storage]\nstate_dir = "state"\nrun_dir = "run"\n', encoding="utf-8"
    )
    (folder / "state").mkdir()
    done = kerbwatch("commission", folder)
    assert done.exit_code == 0, done.output
    return folder / "state"


def story(report: ReplayReport, kind: str = "misparked_bike") -> list[tuple[str, float]]:
    """What was told of one kind of case, and when in the footage."""
    return [
        (event.type.removeprefix("case."), event.clock.monotonic_s)
        for event in report.events
        if isinstance(event, CaseEvent) and event.body.kind == kind
    ]


def judged(
    tmp_path: Path, reference: Path, fault: view_faults.Fault, until_s: float = ENDS_S, **guard: Any
) -> ReplayReport:
    clip = view_faults.film(
        BUNDLED / "clip.mp4", tmp_path / "clip.avi", fault, from_s=BEGINS_S, until_s=until_s
    )
    state = tmp_path / "state"
    (state / COMMISSIONING).mkdir(parents=True)
    for path in (reference / COMMISSIONING).iterdir():
        (state / COMMISSIONING / path.name).write_bytes(path.read_bytes())
    return replay(site_of(clip, state, **guard), base=BUNDLED, frames_per_s=2, state=state)


FAULTS = {
    "view_blocked": lambda: view_faults.covered(0.9),
    "view_moved": lambda: view_faults.moved(0.04),
    "view_out_of_focus": lambda: view_faults.blurred(6),
    "view_dark": lambda: view_faults.darkened(8),
    "view_over_exposed": lambda: view_faults.over_exposed(10),
    "view_frozen": view_faults.frozen,
}


@pytest.mark.slow
@pytest.mark.parametrize("because", FAULTS)
def test_a_case_abstains_while_the_view_is_bad_and_goes_on_by_itself(
    tmp_path: Path, reference: Path, because: str
) -> None:
    report = judged(tmp_path, reference, FAULTS[because]())
    told = story(report)
    assert [what for what, _ in told] == ["opened", "abstained", "persisting", "cleared"]
    (_, abstained_s), (_, again_s), (_, cleared_s) = told[1:]
    assert BEGINS_S + 5 <= abstained_s <= BEGINS_S + 9
    assert again_s >= ENDS_S
    assert cleared_s >= 69.7
    [event] = [each for each in report.events if each.type == "case.abstained"][:1]
    assert isinstance(event, CaseEvent)
    assert event.body.abstention is not None
    assert event.body.abstention.because == because
    assert event.body.pictures == ()


@pytest.mark.slow
def test_a_view_that_hangs_behind_a_running_clock_abstains(tmp_path: Path, reference: Path) -> None:
    hangs, overlay, pictures = view_faults.frozen(), view_faults.clock("top right"), count()
    report = judged(tmp_path, reference, lambda bgr: overlay(hangs(bgr), next(pictures) // 2))
    told = story(report)
    assert [what for what, _ in told] == ["opened", "abstained", "persisting", "cleared"]
    [event] = [each for each in report.events if each.type == "case.abstained"][:1]
    assert isinstance(event, CaseEvent)
    assert event.body.abstention is not None
    assert event.body.abstention.because == "view_frozen"


@pytest.mark.slow
def test_a_lens_half_covered_hides_only_what_is_behind_it(tmp_path: Path, reference: Path) -> None:
    """The stall stands in the right half, the bin in the middle of the left."""
    report = judged(tmp_path, reference, view_faults.covered(0.45), until_s=90.0)
    assert [what for what, _ in story(report, "street_vending")][:2] == ["opened", "abstained"]
    kinds = {each.body.kind for each in report.events if each.type == "case.abstained"}
    assert "overflowing_bin" not in kinds
    [cleared] = [each for each in story(report, "overflowing_bin") if each[0] == "cleared"]
    [staged_bin] = [each for each in staged(BUNDLED) if each.kind == "overflowing_bin"]
    assert cleared[1] >= staged_bin.ends_s


@pytest.mark.slow
def test_what_goes_while_nobody_can_see_is_not_cleared_before_somebody_can(
    tmp_path: Path, reference: Path
) -> None:
    """The bike goes at 69.7 s, the view is back at 80 s."""
    told = story(judged(tmp_path, reference, view_faults.darkened(8), until_s=80.0))
    assert [what for what, _ in told] == ["opened", "abstained", "cleared"]
    assert told[2][1] >= 80.0


@pytest.mark.slow
def test_a_short_doubt_is_told_to_nobody(tmp_path: Path, reference: Path) -> None:
    """Four seconds of glare: shorter than what is told, longer than what clears."""
    told = story(judged(tmp_path, reference, view_faults.over_exposed(10), until_s=BEGINS_S + 4))
    assert [what for what, _ in told] == ["opened", "cleared"]
    assert told[1][1] >= 69.7


@pytest.mark.slow
def test_the_street_as_it_is_raises_no_doubt(tmp_path: Path, reference: Path) -> None:
    report = judged(tmp_path, reference, lambda bgr: bgr)
    assert {each.type for each in report.events} == {"case.opened", "case.cleared"}
    assert len(report.events) == 2 * len(staged(BUNDLED))


# The guard alone


@cache
def street() -> Picture:
    return paving()


def noisy(luma: Picture, seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, 1.5, luma.shape)
    return np.clip(luma + noise, 0, 255).astype(np.uint8)


def guard_of(reference: Picture | None, **told: Any) -> ViewMonitor:
    return ViewMonitor([zone("no_parking")], Settings(**told), reference)


def test_without_a_commissioning_picture_only_what_needs_none_is_told() -> None:
    guard = guard_of(None, dark_after_s=3)
    assert not guard.commissioned
    upside_down = np.ascontiguousarray(street()[::-1, ::-1])
    for now_s in range(30):
        guard.take(noisy(upside_down, now_s), now_s)
    assert guard.state == "good"
    for now_s in range(30, 40):
        guard.take(noisy(street() // 40, now_s), now_s)
    assert guard.state == "view_dark"


def test_a_rule_that_is_off_is_not_applied() -> None:
    guard = guard_of(None, off=("dark",), dark_after_s=0)
    for now_s in range(10):
        verdict = guard.take(noisy(street() // 40, now_s), now_s)
    assert (guard.state, verdict.resting) == ("good", {})


def test_a_picture_with_noise_is_not_frozen_and_one_without_is() -> None:
    guard = guard_of(None, frozen_after_s=5)
    for now_s in range(20):
        guard.take(noisy(street(), now_s), now_s)
    assert guard.state == "good"
    for now_s in range(20, 30):
        guard.take(street(), now_s)
    assert guard.state == "view_frozen"


def test_a_measurement_a_second_is_enough() -> None:
    guard = guard_of(street())
    first = guard.take(street(), 0.0)
    for step in range(1, 5):
        assert guard.take(street() // 40, step / 5) is first


def test_a_zone_rests_at_once_and_abstains_later() -> None:
    guard = guard_of(None, dark_after_s=10)
    guard.take(noisy(street(), 0), 0)
    assert guard.take(noisy(street() // 40, 1), 1).resting == {"no_parking": 1}
    assert guard.abstaining == {}
    for now_s in range(2, 12):
        guard.take(noisy(street() // 40, now_s), now_s)
    assert guard.abstaining["no_parking"].because == "view_dark"
    assert guard.abstaining["no_parking"].since_s == 1


PICTURES = st.sampled_from(["good", "dark", "burnt", "still"])


@cache
def shown(kind: str, seed: int) -> Picture:
    if kind == "dark":
        return noisy(street() // 40, seed)
    if kind == "burnt":
        return np.full_like(street(), 255)
    return street() if kind == "still" else noisy(street(), seed)


@pytest.mark.slow
@given(
    stretches=st.lists(st.tuples(PICTURES, st.integers(1, 15)), max_size=8),
    restart_at=st.integers(0, 60),
)
def test_whatever_was_shown_a_good_view_is_believed_again_by_itself(
    stretches: list[tuple[str, int]], restart_at: int
) -> None:
    told: dict[str, Any] = {"dark_after_s": 4, "over_exposed_after_s": 4, "frozen_after_s": 6}
    guard = guard_of(None, return_after_s=3, **told)
    now_s = 0
    for kind, seconds in stretches:
        for _ in range(seconds):
            verdict = guard.take(shown(kind, now_s), now_s)
            # What abstains rests: nothing is judged there, so nothing can be claimed.
            assert guard.abstaining.keys() <= verdict.resting.keys()
            assert (guard.state == "good") <= (not guard.abstaining)
            if kind in {"dark", "burnt"}:
                assert "no_parking" in verdict.resting
            if now_s == restart_at:
                saved, guard = guard.snapshot(), guard_of(None, return_after_s=3, **told)
                guard.restore(json.loads(json.dumps(saved)), 0.0)
            now_s += 1
    for _ in range(6):
        verdict = guard.take(shown("good", now_s), now_s)
        now_s += 1
    assert (guard.state, verdict.resting, verdict.parts) == ("good", {}, ())


def test_every_problem_can_be_told_to_the_platform_and_to_people() -> None:
    assert {f"view_{each}" for each in PROBLEMS} <= set(get_args(Blindness))
    assert set(REASONS) == {"good", *get_args(Blindness)}


def test_a_small_dark_zone_abstains_while_the_lit_one_does_not() -> None:
    left = zone("no_parking", ((0, 0), (0.4, 0), (0.4, 1), (0, 1)), zone_id="left")
    right = zone("no_parking", ((0.6, 0), (1, 0), (1, 1), (0.6, 1)), zone_id="right")
    guard = ViewMonitor([left, right], Settings(dark_after_s=0))
    night = street().copy()
    night[:, : night.shape[1] // 2] //= 40
    for now_s in range(3):
        verdict = guard.take(noisy(night, now_s), now_s)
    assert set(guard.abstaining) == {"left"}
    assert all(box.right <= 0.55 for box in verdict.parts)
