"""Real streets raise nothing, and the same streets with a problem put in raise just that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from agent.config import loading
from agent.runtime.replay import ReplayReport, replay
from tests.support.compositing import Standing, film
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

VIDEOS = ROOT.parent / "shared" / "data" / "videos"
WHOLE_PICTURE = ROOT / "examples" / "sites" / "whole-picture.toml"

needs_videos = pytest.mark.skipif(
    not VIDEOS.exists(), reason="the real clips are not part of the project (../shared/data/videos)"
)

MIN_TRACKS = {
    "dev_pedestrians_vtest.mp4": ("person", 30),
    "dev_traffic_intersection_opendatacam.mp4": ("car", 20),
    "dev_parking_cars_intel.mp4": ("car", 1),
    "dev_person_bicycle_car_intel_preview.mp4": ("person", 1),
}
"""Per clip, what moves in it and how many tracks of that there must be: a blind run fails."""


def judge(video: Path) -> ReplayReport:
    site = loading.load(WHOLE_PICTURE)
    camera = site.cameras[0].model_copy(update={"settings": {"path": str(video)}})
    return replay(site.model_copy(update={"cameras": (camera,)}), base=ROOT)


def opened(report: ReplayReport) -> Counter[str]:
    return Counter(event.body.kind for event in report.events if event.type == "case.opened")


@needs_videos
@pytest.mark.parametrize("name", sorted(MIN_TRACKS))
def test_a_real_street_without_a_problem_opens_no_case_and_is_really_seen(name: str) -> None:
    report = judge(VIDEOS / name)
    label, least = MIN_TRACKS[name]
    family = ("car", "bus", "truck") if label == "car" else (label,)
    assert sum(report.tracks_by_label.get(each, 0) for each in family) >= least
    assert opened(report) == {}


PROBLEMS = {
    "dev_pedestrians_vtest.mp4": [
        Standing("bicycle", 0.80, 0.86, 0.14, from_s=12, until_s=36),
        Standing("stall", 0.30, 0.92, 0.26, from_s=20, until_s=36),
        Standing("vendor", 0.46, 0.93, 0.06, from_s=18, until_s=36),
    ],
    "dev_parking_cars_intel.mp4": [
        Standing("bicycle", 0.80, 0.90, 0.14, from_s=8, until_s=26),
        Standing("stall", 0.25, 0.95, 0.28, from_s=8, until_s=26),
        Standing("vendor", 0.43, 0.96, 0.07, from_s=8, until_s=26),
    ],
}


@needs_videos
@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_a_bike_and_an_attended_stall_put_into_a_real_street_open_exactly_those_cases(
    name: str, tmp_path: Path
) -> None:
    video = tmp_path / "composited.avi"
    film(VIDEOS / name, video, PROBLEMS[name], frames_per_s=5, ends_s=40)
    assert opened(judge(video)) == {"misparked_bike": 1, "street_vending": 1}
