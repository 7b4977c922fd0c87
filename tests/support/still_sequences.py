"""Real stills as a street: without the problem, with it, without it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from agent.config.loading import from_tables
from agent.config.schema import Configuration
from agent.runtime.replay import replay
from tests.support.compositing import Standing, put
from tests.support.paths import ROOT
from tests.support.sites import site_of, zone

DATA = ROOT.parent / "shared" / "data"
WITH_S, AFTER_S, END_S = 15.0, 45.0, 75.0
SCENARIO = {
    "misparked_bike": ("misparked_bikes", "no_parking", {}),
    "street_vending": ("street_vending", "no_vending", {}),
    "overflowing_bin": ("overflowing_bins", "bin", {"every_s": 1, "smooth_s": 3}),
}
COMPOSITED = [Standing("stall", 0.45, 0.88, 0.36), Standing("vendor", 0.68, 0.90, 0.10)]


def named(kind: str) -> list[dict[str, Any]]:
    """The triples of a kind, as they were named before any was run."""
    triples = json.loads(
        (Path(__file__).parent / "still_sequences.json").read_text(encoding="utf-8")
    )
    return list(triples[kind])


def judge(kind: str, triple: dict[str, Any], folder: Path) -> list[str]:
    """Replay one triple; the events' types with the seconds of the timeline they fell in.

    Returns:
        Such as ``["case.opened with", "case.cleared after"]``, which is what is right.
    """
    for part in ("before", "with", "after"):
        picture = cv2.imread(str(DATA / triple[part]))
        assert picture is not None, triple[part]
        shown = np.asarray(picture, np.uint8)
        if part == "with" and triple.get("composited"):
            shown = put(shown, COMPOSITED)
        cv2.imwrite(str(folder / f"{part}.png"), shown)
    report = replay(_site(kind, folder), base=folder, frames_per_s=2)
    return [f"{event.type} {_part(event.clock.monotonic_s)}" for event in report.events]


RIGHT = ["case.opened with", "case.cleared after"]


def _part(now_s: float) -> str:
    return "before" if now_s < WITH_S else "with" if now_s < AFTER_S else "after"


def _site(kind: str, folder: Path) -> Configuration:
    name, zone_kind, tuning = SCENARIO[kind]
    timeline = [
        {"from_s": 0, "file": "before.png"},
        {"from_s": WITH_S, "file": "with.png"},
        {"from_s": AFTER_S, "file": "after.png"},
    ]
    settings = {"folder": str(folder), "timeline": timeline, "frames_per_s": 2, "until_s": END_S}
    whole = [[0, 0], [1, 0], [1, 1], [0, 1]]
    return from_tables(
        site_of(
            site={"tenant": "example", "device_id": "stills"},
            cameras=[{"camera_id": "street", "driver": "picture_folder", "settings": settings}],
            scenarios={name: {"allowed_s": 5, "clear_after_s": 5, **tuning}},
            zones=[zone(zone_id="whole", kind=zone_kind, polygon=whole)],
        )
    )
