"""A drawn street on which things come to stand and go again, seen through the whole analysis.

Every thing has a colour of its own in the picture. The detector and the classifier know things by it,
so that what a scenario says goes by what it does with what they see, and not by how good they are.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.analysis.verifier import VerifierModel
from agent.config.loading import from_tables
from agent.config.schema import Configuration
from agent.domain.scene import Box, Detection
from agent.runtime.judging import pipeline_of
from tests.support.scenes import frame_of, paving, with_goods
from tests.support.sites import drawn_camera, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent.analysis.camera_pipeline import Pipeline
    from agent.domain.scene import Finding
    from agent.scenarios import Example, Standing
    from drivers.cameras import Frame, Picture

WIDTH_PX, HEIGHT_PX = 320, 180
FRAMES_PER_S = 2
AFTER_S = 40
"""For so long an example is watched after its problem has gone."""
CAMERA_ID, ZONE_ID = "street", "there"


class DrawnStreet:
    """The street, and both networks that look at it."""

    input_size_px = (WIDTH_PX, HEIGHT_PX)

    def __init__(self, things: Sequence[Standing]) -> None:
        self._things = [(thing, (index + 1, 200, 0)) for index, thing in enumerate(things)]
        self._ground = paving(WIDTH_PX, HEIGHT_PX)

    def frame(self, now_s: float) -> Frame:
        """The picture at one moment."""
        luma = self._ground
        there = [each for each in self._things if each[0].begins_s <= now_s < each[0].ends_s]
        for thing, (seed, *_) in there:
            luma = with_goods(luma, thing.box, seed)
        bgr = np.repeat(luma[..., None], 3, axis=2)
        for thing, colour in there:
            left, top, right, bottom = thing.box.pixels(WIDTH_PX, HEIGHT_PX)
            bgr[top:bottom, left:right] = colour
        return replace(frame_of(luma, now_s, CAMERA_ID), bgr=lambda: bgr)

    def detect(self, bgr: Picture) -> list[Detection]:
        """As the detector does: what has a name, in fractions of the crop."""
        return [
            Detection(thing.label, 0.9, box)
            for thing, box in self._seen(bgr)
            if thing.label is not None
        ]

    def detect_all(self, bgr: Picture) -> tuple[list[Detection], list[Detection]]:
        """The same, of which nothing is faint."""
        found = self.detect(bgr)
        return found, found

    def probabilities(self, bgr: Picture) -> dict[str, float]:
        """As a classifier does; what nothing in the crop means is improbable."""
        means = [(name, p) for thing, _ in self._seen(bgr) for name, p in thing.means.items()]
        return defaultdict(lambda: 0.05, means)

    def _seen(self, bgr: Picture) -> list[tuple[Standing, Box]]:
        height, width = bgr.shape[:2]
        found = []
        for thing, colour in self._things:
            ys, xs = np.nonzero((bgr == np.array(colour, np.uint8)).all(axis=2))
            if ys.size:
                edges = (xs.min() / width, ys.min() / height)
                ends = ((xs.max() + 1) / width, (ys.max() + 1) / height)
                found.append((thing, Box(*map(float, (*edges, *ends)))))
        return found


BOOT_S = 1000.0
"""By so much another boot's clock is ahead."""


def play(
    scenario: str,
    example: Example,
    *,
    boots_at_s: float = math.inf,
    verified: bool = False,
    settings: Mapping[str, Any] | None = None,
    zone: Mapping[str, Any] | None = None,
) -> Iterator[tuple[float, list[Finding], Pipeline]]:
    """Play an example through configuration, composition and pipeline, until well after it is over.

    Args:
        scenario: The scenario's name.
        example: What to play.
        boots_at_s: When the device starts anew from what it has written down, on a clock that is
            ``BOOT_S`` ahead.
        verified: Whether there is a verifier though the example has none; it says what
            :attr:`Standing.means` says.
        settings: Of the scenario, beside the example's.
        zone: What is said of the zone, beside where it is.

    Yields:
        For each frame its second, what was said of it, and the pipeline.
    """
    street, verified = DrawnStreet(example.things), verified or example.verified
    drawn = {"zone_id": ZONE_ID, "kind": example.zone.name, "polygon": example.polygon}
    configuration = from_tables(
        site_of(
            cameras=[drawn_camera(CAMERA_ID)],
            scenarios={scenario: {**example.settings, **(settings or {})}},
            zones=[{**drawn, "camera_id": CAMERA_ID, **(zone or {})}],
        )
    )
    pipeline, ahead_s = _pipeline(configuration, street, verified), 0.0
    for step in range(int(example.ends_s + AFTER_S) * FRAMES_PER_S):
        now_s = step / FRAMES_PER_S
        if now_s == boots_at_s:
            saved, ahead_s = json.loads(json.dumps(pipeline.snapshot())), BOOT_S
            pipeline = _pipeline(configuration, street, verified)
            pipeline.restore(saved, BOOT_S)
        frame = replace(street.frame(now_s), monotonic_s=now_s + ahead_s)
        yield now_s, pipeline.step(frame), pipeline


def _pipeline(configuration: Configuration, street: DrawnStreet, verified: bool) -> Pipeline:
    return pipeline_of(
        configuration,
        CAMERA_ID,
        (WIDTH_PX, HEIGHT_PX),
        detector=street,
        birth_confidence={},
        classifiers=dict.fromkeys(configuration.classifiers_needed, street),
        verifier=VerifierModel(street) if verified else None,
    )
