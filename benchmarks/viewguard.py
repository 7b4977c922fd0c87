"""How well bad views are found, how often good ones are doubted, and what looking costs.

    python -m benchmarks.viewguard

Every rendered clip and, where they are, the real ones are held against their own first picture, once
as they are, once at dusk and in rain, and once with each fault at several strengths. A fault is found
at a picture if any rule tells it; a doubt about a picture as it is, is a false one. Dusk and rain are
made from the same pictures here; no real night was at hand.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np

from agent.domain.scene import Zone
from agent.perception.view_health import Settings, ViewMonitor
from agent.perception.view_health.checks import WHOLE, Judge
from agent.scenarios import zone_kinds
from benchmarks.machine import headline
from drivers.cameras._recorded import luma_of
from tests.support import view_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.cameras import Picture

ROOT = Path(__file__).parent.parent
VIDEOS = ROOT.parent / "shared" / "data" / "videos"
GROUND = ((0.05, 0.3), (0.95, 0.3), (0.95, 0.95), (0.05, 0.95))
FAULTS = {
    "covered": [(f"{s:.0%}", view_faults.covered(s)) for s in (0.25, 0.5, 0.75, 0.95)],
    "moved": [(f"{s:.0%}", view_faults.moved(s)) for s in (0.01, 0.03, 0.06, 0.12, 0.25)],
    "turned": [(f"{d}°", view_faults.turned(d)) for d in (1, 2, 5, 10)],
    "blurred (σ at 1280 px)": [(f"{s} px", view_faults.blurred(s)) for s in (1, 2, 3, 4, 6, 10)],
    "dark (gamma)": [(f"{g}", view_faults.darkened(g)) for g in (2.5, 4, 6, 8)],
    "over-exposed (gain)": [(f"{g}", view_faults.over_exposed(g)) for g in (2, 3, 5, 10)],
}


def weather(kind: str, number: int, bgr: Picture) -> Picture:
    """The same street as it is, at dusk under lamps, or in rain with headlights."""
    if kind == "day":
        return bgr
    random = np.random.default_rng(number)
    height, width = bgr.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    lamps = sum(
        np.exp(
            -(((columns - x * width) / (0.25 * width)) ** 2 + ((rows - 0.6 * height) / height) ** 2)
        )
        for x in (0.2, 0.8)
    )
    light = 0.12 + 0.28 * lamps if kind == "dusk" else 0.7
    result = bgr * np.asarray(light)[..., None] if kind == "dusk" else bgr * 0.7 + 25
    if kind == "rain":
        drops = (random.random((height // 8, width)) > 0.985).astype(np.float32)
        streaks = cv2.resize(drops, (width, height), interpolation=cv2.INTER_NEAREST)
        result = result + 60 * streaks[..., None]
        if number % 20 < 3:  # headlights pass
            x = int(width * (0.2 + 0.2 * (number % 20)))
            cv2.circle(result, (x, int(0.7 * height)), width // 12, (255, 255, 255), -1)
    result = result + random.normal(0, 4 if kind == "dusk" else 2, bgr.shape)
    return np.clip(result, 0, 255).astype(np.uint8)


def pictures(path: Path) -> Iterator[Picture]:
    """One picture a second."""
    video = cv2.VideoCapture(str(path))
    every, number = max(1, round(video.get(cv2.CAP_PROP_FPS) or 10)), 0
    while video.grab():
        if number % every == 0:
            yield np.asarray(video.retrieve()[1], np.uint8)
        number += 1
    video.release()


def zones_of(path: Path) -> list[Zone]:
    drawn = path.with_name("zones.json")
    if not drawn.exists():
        return [Zone("ground", "street", zone_kinds()["no_parking"], GROUND, "ground")]
    return [
        Zone(name, "street", zone_kinds()[each["kind"]], tuple(map(tuple, each["polygon"])), name)
        for each in json.loads(drawn.read_text(encoding="utf-8"))["zones"]
        for name in [each["zone_id"]]
    ]


@click.command()
def main() -> None:
    """Print what was found, what was doubted wrongly, and the cost."""
    rendered = [
        ROOT / "examples" / "street",
        *sorted((ROOT / "tests" / "support" / "clips").glob("seed-*")),
    ]
    clips = [folder / "clip.mp4" for folder in rendered] + sorted(VIDEOS.glob("*.mp4"))
    shown = {path: list(pictures(path)) for path in clips}
    click.echo(headline())
    _false_alarms(shown)
    _found(shown)


def _false_alarms(shown: dict[Path, list[Picture]]) -> None:
    click.echo("\nas it is: pictures, doubted, told (defaults), milliseconds a picture")
    for kind in ("day", "dusk", "rain"):
        total = doubted = told = 0
        spent_s = 0.0
        for path, street in shown.items():
            guard = ViewMonitor(zones_of(path), Settings(), luma_of(street[0]))
            before = "good"
            for number, bgr in enumerate(street):
                luma = luma_of(weather(kind, number, bgr))
                began_s = time.perf_counter()
                verdict = guard.take(luma, float(number))
                spent_s += time.perf_counter() - began_s
                doubted += bool(verdict.resting)
                told += guard.state not in {before, "good"}
                before, total = guard.state, total + 1
        click.echo(
            f"  {kind:5} {total:5} {doubted:5} {told:5} ({told / total * 3600:.1f} an hour)"
            f"  {1e3 * spent_s / total:.2f} ms"
        )


def _found(shown: dict[Path, list[Picture]]) -> None:
    click.echo("\nshare of pictures with a fault in which some zone is no longer judged")
    for name, strengths in FAULTS.items():
        told = []
        for strength, fault in strengths:
            found = total = 0
            for path, street in shown.items():
                judge = Judge(
                    zones_of(path), Settings(), luma_of(street[0]), luma_of(street[0]).shape
                )  # type: ignore[arg-type]
                for bgr in street[5::10]:
                    signs = judge.signs(luma_of(fault(bgr)))
                    found += any(zones - {WHOLE} for zones in signs.zones.values())
                    total += 1
            told.append(f"{strength}: {found / total:.2f}")
        click.echo(f"  {name:24} {'  '.join(told)}")


if __name__ == "__main__":
    main()
