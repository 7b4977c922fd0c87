"""Promises about the packets of a replay: they are made as a device makes them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.config.loading import load
from agent.evidence.picture_context import PictureContext
from agent.protocol.events import CaseEvent
from agent.runtime.replay import ReplayReport, replay
from tests.support.red_bike_site import write_red_site


@pytest.fixture
def site(tmp_path: Path, red_model: Path) -> Path:
    folder = tmp_path / "site"
    write_red_site(folder, later_s=6.0)
    return folder


def replayed(site: Path, out: Path, *, packets: bool) -> ReplayReport:
    return replay(load(site), base=site, out=out, packets=packets)


def test_a_replay_leaves_copies_and_manifests_as_a_device_does(site: Path, tmp_path: Path) -> None:
    report = replayed(site, tmp_path / "out", packets=True)
    opened, cleared = report.events
    assert isinstance(opened, CaseEvent)
    folder = tmp_path / "out" / "evidence" / opened.body.case_id
    for picture in (*opened.body.pictures, *cleared.body.pictures):  # type: ignore[union-attr]
        name = picture.file.rpartition("/")[2].removesuffix(".jpg")
        context = PictureContext.from_json((folder / f"{name}.context.json").read_bytes())
        assert context.masks_applied
        assert (folder / f"{name}.redacted.jpg").exists() is context.background
        assert {"below_720p"} <= set(picture.faults) or picture.role == "close_up"
    assert (folder / "threshold.redacted.jpg").exists()
    assert sorted(path.name for path in folder.glob("*.jws")) == [
        "manifest-1.jws",
        "manifest-2.jws",
    ]


def test_the_copy_shows_the_cases_own_thing(site: Path, tmp_path: Path) -> None:
    report = replayed(site, tmp_path / "out", packets=True)
    threshold = next(
        each
        for each in report.events[0].body.pictures  # type: ignore[union-attr]
        if each.role == "threshold"
    )
    path = tmp_path / "out" / "evidence" / threshold.file
    copy = cv2.imread(str(path.with_suffix(".redacted.jpg")))
    assert copy is not None
    inside = np.asarray(copy[170:230, 300:360], np.int16)
    assert (inside[..., 2] - inside[..., 0]).mean() > 60, "it is red"


def test_what_is_told_of_the_cases_is_the_same_with_packets(site: Path, tmp_path: Path) -> None:
    def told(out: str, *, packets: bool) -> list[dict[str, object]]:
        report = replayed(site, tmp_path / out, packets=packets)
        return [{**json.loads(line), "sequence": None} for line in report.lines]

    assert told("with", packets=True) == told("without", packets=False)
