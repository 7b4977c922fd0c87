"""Values that tests are told in: tracks, detections, zones and a small drawn street."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.domain.labels import CANDIDATE_KINDS
from agent.domain.scene import WHOLE_FRAME, Box, Detection, Observation, Track, Zone
from agent.scenarios import Moment, zone_kinds
from drivers.cameras import Frame

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def box_at(x: float, y: float, width: float = 0.1, height: float = 0.1) -> Box:
    """A box whose foot is at (x, y)."""
    return Box(x - width / 2, y - height, x + width / 2, y)


def seen(label: str, x: float, y: float, confidence: float = 0.9, **size: float) -> Detection:
    """A detection whose foot is at (x, y)."""
    return Detection(label, confidence, box_at(x, y, **size))


def looked(*detections: Detection) -> Observation:
    """A look at the whole frame."""
    return Observation((WHOLE_FRAME,), detections)


def bike_at(
    x: float, y: float, *, track_id: int = 1, since_s: float = 100.0, now_s: float = 100.0
) -> Track:
    """A bicycle that has stood at (x, y) since ``since_s``."""
    return Track(track_id, "bicycle", box_at(x, y), 0.9, since_s, now_s, since_s, True)


def person_at(x: float, y: float, *, track_id: int = 9, still_since_s: float | None = 0.0) -> Track:
    """A person on foot at (x, y)."""
    box = box_at(x, y, width=0.06, height=0.2)
    return Track(track_id, "person", box, 0.9, 0.0, 0.0, still_since_s, True)


def zone(kind: str, polygon: tuple[tuple[float, float], ...] = WHOLE, **facts: str) -> Zone:
    """A zone over the whole frame unless told otherwise."""
    name = facts.get("zone_id", kind)
    camera_id, place_id = facts.get("camera_id", "street"), facts.get("place_id", name)
    return Zone(name, camera_id, zone_kinds()[kind], polygon, place_id)


class FixedScores:
    """Says of every bin what the test says."""

    def __init__(self, overflowing: float = 0.0) -> None:
        self.value = overflowing
        self.asked = 0

    def probability(self, classifier: str, meaning: str, zone: Zone) -> float:
        assert (classifier, meaning, zone.kind.name) == ("bin_state", "overflowing", "bin")
        self.asked += 1
        return self.value

    def candidate(self, box: Box) -> Mapping[str, float] | None:
        return None


def sure_of(kind: str, probability: float = 0.93) -> dict[str, float]:
    """What the verifier says of a kind of candidate; the rest of the probability is spread evenly."""
    rest = (1 - probability) / (len(CANDIDATE_KINDS) - 1)
    return {each: probability if each == kind else rest for each in CANDIDATE_KINDS}


class VerifierScores(FixedScores):
    """Says of every candidate what the test says; None: there is no verifier."""

    def __init__(self, answer: Mapping[str, float] | None) -> None:
        super().__init__()
        self.answer = answer

    def candidate(self, box: Box) -> Mapping[str, float] | None:
        self.asked += 1
        return self.answer


def moment(now_s: float, **known: object) -> Moment:
    """A moment at which the whole frame was looked at and nothing was there, unless told."""
    facts: dict[str, object] = {
        "local": NOON + timedelta(seconds=now_s),
        "observation": looked(),
        "tracks": (),
        "stays": (),
        "novelty": None,
        "scores": FixedScores(),
        "changed": (),
    }
    return Moment(now_s=now_s, **{**facts, **known})  # type: ignore[arg-type]


def paving(width: int = 320, height: int = 180, seed: int = 1) -> NDArray[np.uint8]:
    """A grey picture with some structure, like a pavement."""
    random = np.random.default_rng(seed)
    ground = 110 + 25 * ((np.arange(width)[None, :] // 20 + np.arange(height)[:, None] // 14) % 2)
    return np.clip(ground + random.normal(0, 2, (height, width)), 0, 255).astype(np.uint8)


def with_goods(
    luma: NDArray[np.uint8], box: Box, seed: int = 5, contrast: float = 60
) -> NDArray[np.uint8]:
    """Something with a structure of its own put on a picture."""
    height, width = luma.shape
    rows = slice(int(box.top * height), int(box.bottom * height))
    columns = slice(int(box.left * width), int(box.right * width))
    result = luma.astype(np.float64)
    shape = result[rows, columns].shape
    coarse = np.random.default_rng(seed).normal(0, contrast, (shape[0] // 4 + 1, shape[1] // 4 + 1))
    result[rows, columns] = 120 + np.kron(coarse, np.ones((4, 4)))[: shape[0], : shape[1]]
    return np.clip(result, 0, 255).astype(np.uint8)


def frame_of(luma: NDArray[np.uint8], now_s: float, camera_id: str = "street") -> Frame:
    """A frame whose colour picture is its grey one."""
    bgr = np.repeat(luma[..., None], 3, axis=2)
    return Frame(
        camera_id, int(now_s * 10), luma, lambda: bgr, now_s, NOON + timedelta(seconds=now_s)
    )
