"""The same clip, model and zones through supervision and trackers, and through Kerbwatch.

    python -m venv .venv-bench && .venv-bench/bin/pip install -e '.[bench]'
    .venv-bench/bin/python -m benchmarks.peers [--runs 3]

What a careful user of the two libraries would write: detect in every frame, ByteTrack, a
``PolygonZone`` per zone, and a clock per track. Once on the whole picture and once on the crops
that Kerbwatch looks at. Detection itself (preparing, network, decode) is our own code in all
three, so that only what is done around it differs. Reading the clip is left out everywhere.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import click
import cv2
import numpy as np
import supervision
from trackers import ByteTrackTracker

from agent import inference
from agent.config import loading
from agent.config.schema import Configuration
from agent.domain.ids import DerivedIds
from agent.domain.scene import WHOLE_FRAME, Box, Detection
from agent.perception.tile_merge import merge
from agent.perception.tiling import regions_for
from agent.protocol.base import ClockReading
from agent.runtime.composition import WEAK_SHARE, assemble
from benchmarks.machine import headline, spread
from drivers import cameras
from drivers.cameras import Frame, Picture

STREET = Path(__file__).parents[1] / "examples" / "street"
ALARMING = {"no_parking": {"bicycle", "motorcycle"}, "no_vending": {"stall"}}
"""What must not stand in a zone of a kind. A bin's state cannot be had from boxes."""


@dataclass
class Measured:
    """What one pass over the clip cost and found."""

    cpu_s: float = 0.0
    network_runs: int = 0
    frames: int = 0
    found: str = ""


def _frames(site: Configuration) -> Iterator[Frame]:
    section = site.cameras[0]
    settings = section.driver_settings(STREET).model_copy(
        update={"frames_per_s": site.analysis.frames_per_s}
    )
    camera = cameras.load_driver(section.driver).open_camera(section.camera_id, settings)
    while (frame := camera.read()) is not None:
        frame.bgr()  # decoded before the clock runs
        yield frame
    camera.close()


def _counted(site: Configuration, work: Callable[[Frame], None], into: Measured) -> None:
    for frame in _frames(site):
        began_s = time.process_time()
        work(frame)
        into.cpu_s += time.process_time() - began_s
        into.frames += 1


def kerbwatch(site: Configuration) -> Measured:
    """Kerbwatch as it is: cases, evidence pictures and the database among the cost."""
    measured = Measured()
    opened: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        parts = assemble(
            site,
            state_dir=Path(folder),
            evidence_dir=Path(folder) / "evidence",
            ids=DerivedIds("peers"),
            clock=lambda frame: ClockReading(
                state="replay", boot_id="peers", monotonic_s=frame.monotonic_s
            ),
            boot_id="peers",
        )

        def take(frame: Frame) -> None:
            changes = parts.analysis.take(frame)
            opened.extend(each.case.kind for each in changes if each.type == "case.opened")

        _counted(site, take, measured)
        measured.network_runs = sum(one.runs for one in parts.analysis.pipelines.values())
        parts.close()
    measured.found = f"{len(opened)} cases ({', '.join(sorted(opened))})"
    return measured


class _Peer:
    """supervision and trackers on one camera's zones."""

    def __init__(self, site: Configuration, regions: list[Box] | None) -> None:
        self._detector = _detector(site)
        self._labels = sorted(set(self._detector.manifest.labels))
        self._tracker = ByteTrackTracker(
            frame_rate=site.analysis.frames_per_s,
            lost_track_buffer=30,
            track_activation_threshold=0.35,
            high_conf_det_threshold=0.35,
        )
        self._regions = regions or [WHOLE_FRAME]
        self._sections = [zone for zone in site.zones if zone.kind in ALARMING]
        self._zones: list[Any] = []
        self._since_s: dict[tuple[str, int], float] = {}
        self._allowed_s = 10.0
        self.alarms: set[tuple[str, int]] = set()

    @property
    def network_runs(self) -> int:
        return self._detector.session.runs

    def take(self, frame: Frame) -> None:
        bgr = frame.bgr()
        height, width = bgr.shape[:2]
        if not self._zones:
            self._zones = [
                supervision.PolygonZone(np.array(zone.polygon) * (width, height))
                for zone in self._sections
            ]
        found = [self._detect(bgr, region) for region in self._regions]
        tracked = self._tracker.update(self._as_theirs(merge(found), width, height))
        for section, zone in zip(self._sections, self._zones, strict=True):
            inside = tracked[zone.trigger(tracked)]
            for label, track_id in zip(inside.class_id, inside.tracker_id, strict=True):
                if track_id >= 0 and self._labels[label] in ALARMING[section.kind]:
                    self._dwell((section.zone_id, int(track_id)), frame.monotonic_s)

    def _detect(self, bgr: Picture, region: Box) -> tuple[Box, list[Detection]]:
        height, width = bgr.shape[:2]
        crop = bgr[
            int(region.top * height) : int(np.ceil(region.bottom * height)),
            int(region.left * width) : int(np.ceil(region.right * width)),
        ]
        return region, [
            Detection(
                each.label,
                each.confidence,
                Box(
                    region.left + each.box.left * region.width,
                    region.top + each.box.top * region.height,
                    region.left + each.box.right * region.width,
                    region.top + each.box.bottom * region.height,
                ),
            )
            for each in self._detector.detect(crop)
        ]

    def _as_theirs(self, found: tuple[Detection, ...], width: int, height: int) -> Any:
        if not found:
            return supervision.Detections.empty()
        return supervision.Detections(
            xyxy=np.array(
                [
                    (
                        each.box.left * width,
                        each.box.top * height,
                        each.box.right * width,
                        each.box.bottom * height,
                    )
                    for each in found
                ]
            ),
            confidence=np.array([each.confidence for each in found]),
            class_id=np.array([self._labels.index(each.label) for each in found]),
        )

    def _dwell(self, key: tuple[str, int], now_s: float) -> None:
        if now_s - self._since_s.setdefault(key, now_s) >= self._allowed_s:
            self.alarms.add(key)


def peer(site: Configuration, regions: list[Box] | None) -> Measured:
    """Supervision and trackers: every frame, on the whole picture or on regions."""
    measured = Measured()
    theirs = _Peer(site, regions)
    _counted(site, theirs.take, measured)
    measured.network_runs = theirs.network_runs
    zones = sorted(zone for zone, _ in theirs.alarms)
    measured.found = f"{len(theirs.alarms)} alarms ({', '.join(zones)}), bins not judged"
    return measured


def bare(site: Configuration, regions: list[Box]) -> Measured:
    """The network alone: ``session.run`` on every region of every frame, nothing else counted."""
    measured = Measured()
    detector = _detector(site)
    tensor = np.random.default_rng(1).random(detector.manifest.input.shape, dtype=np.float32) * 255

    def run(_frame: Frame) -> None:
        for _ in regions:
            detector.session.run(tensor)

    _counted(site, run, measured)
    measured.network_runs = detector.session.runs
    return measured


def _detector(site: Configuration) -> inference.Detector:
    manifest = inference.load_manifest(inference.find_model(site.models.detector))
    least = min(each.threshold for each in manifest.classes)
    return inference.open_detector(
        site.models.detector, site.models.threads, threshold=WEAK_SHARE * least
    )


def _regions(site: Configuration) -> list[Box]:
    zones = [each.zone for each in site.zones]
    frame = next(_frames(site))
    height, width = frame.bgr().shape[:2]
    return regions_for(zones, (width, height), _detector(site).input_size_px)


@click.command()
@click.option("--runs", default=3, show_default=True, help="How often each is measured.")
def main(runs: int) -> None:
    """Measure Kerbwatch beside supervision with trackers."""
    cv2.setNumThreads(1)
    site = loading.load(STREET)
    models = site.models.model_copy(update={"threads": 1})
    site = site.model_copy(update={"models": models})
    regions = _regions(site)
    click.echo(headline())
    versions = ", ".join(f"{name} {version(name)}" for name in ("supervision", "trackers"))
    click.echo(f"{versions}; {len(regions)} regions; one thread; CPU seconds, reading left out\n")
    ways: dict[str, Callable[[], Measured]] = {
        "session.run, whole picture": lambda: bare(site, [WHOLE_FRAME]),
        "session.run, regions": lambda: bare(site, regions),
        "supervision, whole picture": lambda: peer(site, None),
        "supervision, regions": lambda: peer(site, regions),
        "kerbwatch": lambda: kerbwatch(site),
    }
    cost: dict[str, float] = {}
    for name, way in ways.items():
        passes = [way() for _ in range(runs)]
        cost[name] = median(one.cpu_s for one in passes)
        cpu = spread([one.cpu_s for one in passes], "s")
        click.echo(f"  {name:<27} {passes[0].network_runs:5d} runs  {cpu}  {passes[0].found}")
    for name in ("supervision, whole picture", "supervision, regions"):
        of_bare = cost[name] / cost[name.replace("supervision", "session.run")]
        share = cost["kerbwatch"] / cost[name]
        click.echo(f"\n{name}: {of_bare:.2f} × the bare session; kerbwatch takes {share:.2f} of it")


if __name__ == "__main__":
    main()
