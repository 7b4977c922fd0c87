"""Where the time goes: stages beside the networks, and a still scene beside always looking.

    python -m benchmarks.pipeline [--runs 5]

Everything is measured in one run on one machine; figures of one machine are not another's.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import click
import cv2

from agent.config import loading
from agent.config.schema import Configuration
from agent.runtime.replay import ReplayReport, replay
from benchmarks.machine import headline, spread

STREET = Path(__file__).parents[1] / "examples" / "street"
STILL_S = 300.0


def _timed(site: Configuration, base: Path) -> tuple[ReplayReport, float]:
    began_s = time.process_time()
    report = replay(site, base=base)
    return report, time.process_time() - began_s


def _one_thread(site: Configuration) -> Configuration:
    models = site.models.model_copy(update={"threads": 1})
    return site.model_copy(update={"models": models})


def _still(site: Configuration, folder: Path) -> Configuration:
    """The clip's first picture, standing still."""
    read, picture = cv2.VideoCapture(str(STREET / "clip.mp4")).read()
    if not read:
        raise click.ClickException("the example clip cannot be read")
    cv2.imwrite(str(folder / "still.png"), picture)
    settings = {
        "folder": str(folder),
        "timeline": [{"from_s": 0, "file": "still.png"}],
        "frames_per_s": 5,
        "until_s": STILL_S,
    }
    camera = site.cameras[0].model_copy(update={"driver": "picture_folder", "settings": settings})
    return site.model_copy(update={"cameras": (camera,)})


def _always_looking(site: Configuration) -> Configuration:
    """Every region looked at in every frame, whether it changed or not."""
    analysis = site.analysis.model_copy(
        update={
            "look_every_s": 0.0,
            "look_again_s": 1e-6,
            "runs_per_s": 1000.0,
            "change_threshold": 1e-9,
        }
    )
    return site.model_copy(update={"analysis": analysis})


@click.command()
@click.option("--runs", default=5, show_default=True, help="How often each thing is measured.")
def main(runs: int) -> None:
    """Measure the pipeline on the example street."""
    click.echo(headline())
    site = _one_thread(loading.load(STREET))
    moving = [_timed(site, STREET)[0] for _ in range(runs)]
    first = moving[0]
    click.echo(f"\nclip: {first.frames} frames, {first.footage_s:.0f} s, {first.runs} network runs")
    click.echo(f"  whole replay       {spread([one.total_s for one in moving], 's')}")
    click.echo(f"  inside session.run {spread([one.session_s for one in moving], 's')}")
    for stage in first.stage_s:
        click.echo(f"  {stage:<18} {spread([one.stage_s[stage] for one in moving], 's')}")
    outside = [(sum(one.stage_s.values()) - one.session_s) / one.session_s for one in moving]
    click.echo(f"  stages outside session.run, as a share of it: {spread(outside, '')}")
    with tempfile.TemporaryDirectory() as folder:
        still = _still(site, Path(folder))
        gated = [_timed(still, STREET) for _ in range(runs)]
        always = [_timed(_always_looking(still), STREET) for _ in range(runs)]
    click.echo(f"\nstill scene, {STILL_S:.0f} s of event time at 5 frames a second")
    for name, measured in (("gated", gated), ("always looking", always)):
        cpu = spread([seconds for _, seconds in measured], "s of CPU")
        click.echo(f"  {name:<15} {measured[0][0].runs:5d} runs  {cpu}")
    share = median(s for _, s in gated) / median(s for _, s in always)
    same = [one.opened_by_kind for one, _ in gated] == [one.opened_by_kind for one, _ in always]
    click.echo(f"  gated / always: {share:.3f}; the same cases: {'yes' if same else 'NO'}")


if __name__ == "__main__":
    main()
