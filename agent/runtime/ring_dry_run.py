"""What other zones give over the frames of the last minutes: the whole analysis, with networks of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from agent.analysis.dry_run import BlockOf, judged
from agent.analysis.track_records import TrackMoment, shape_of
from agent.runtime.judging import open_networks, pipeline_of
from drivers import pictures
from drivers.cameras import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from agent.analysis.dry_run import DryRun, Stored
    from agent.config.schema import Configuration
    from agent.runtime.judging import Networks
    from agent.runtime.ring_frames import RingFrame


class Score(NamedTuple):
    """What a classifier said last of a zone."""

    zone_id: str
    classifier: str
    meaning: str
    probability: float


def ring_dry_run(
    configuration: Configuration,
    frames: Mapping[str, tuple[dict[str, Any], list[RingFrame]]],
    pace: Callable[[TrackMoment], None],
) -> tuple[DryRun, list[Score]]:
    """Judge frames by a configuration.

    Args:
        configuration: The proposal.
        frames: Camera → what was known before them, and they.
        pace: Called after each frame.

    Raises:
        ModelError: A network cannot be used.
    """
    one_thread = configuration.models.model_copy(update={"threads": 1})
    networks = open_networks(configuration.model_copy(update={"models": one_thread}))
    scores: dict[tuple[str, str, str], Score] = {}
    streams = [
        _moments(configuration, camera_id, known, of_camera, networks, scores)
        for camera_id, (known, of_camera) in frames.items()
    ]
    [found] = judged([configuration], streams, pace)
    return found, list(scores.values())


def _moments(
    configuration: Configuration,
    camera_id: str,
    known: dict[str, Any],
    frames: list[RingFrame],
    networks: Networks,
    scores: dict[tuple[str, str, str], Score],
) -> Iterator[Stored]:
    """A camera's frames, seen and asked about by the networks, as its tracks would be stored."""
    pipeline = None
    zones = configuration.drawn(camera_id)
    about = BlockOf("ring", frozenset(map(shape_of, zones)), networks.verifier is not None)
    for number, each in enumerate(frames):
        bgr = pictures.decoded(np.frombuffer(each.bgr, np.uint8))
        luma = pictures.decoded(np.frombuffer(each.luma, np.uint8), cv2.IMREAD_GRAYSCALE)
        frame = Frame(camera_id, number, luma, lambda bgr=bgr: bgr, each.now_s, each.at)  # type: ignore[misc]
        if pipeline is None:
            pipeline = pipeline_of(
                configuration,
                camera_id,
                (bgr.shape[1], bgr.shape[0]),
                detector=networks.detector,
                birth_confidence=networks.birth_confidence,
                classifiers=networks.classifiers,
                verifier=networks.verifier,
            )
            pipeline.restore(known, 0.0)
        pipeline.step(pipeline.masked(frame))
        asked = pipeline.scores
        probabilities = [] if asked is None else asked.probabilities
        for classifier, meaning, zone, probability in probabilities:
            key = zone.zone_id, classifier, meaning
            scores[key] = Score(*key, probability)
        moment = TrackMoment(
            pipeline.shown,
            each.now_s,
            each.at,
            probabilities=tuple((a, b, shape_of(zone), p) for a, b, zone, p in probabilities),
            candidates=() if asked is None else tuple(asked.candidates),
        )
        yield camera_id, about, moment
