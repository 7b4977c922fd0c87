"""``kerbwatch replay``: runs recorded footage through the analysis, and prints the events in words."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.config.schema import CameraSection, Configuration
from provisioning import wording
from provisioning.console.progress import Progress
from provisioning.wording import say, say_many
from provisioning.wording.case_sentences import duration, in_words
from provisioning.wording.vocabulary import STAGES, kind_in_words, known_in_words, things_in_words
from provisioning.wording.width import display_width, padded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.protocol.events import Event
    from agent.runtime.replay import ReplayReport
    from provisioning.rendering.annotated_frames import Show


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which part of the footage is analysed, and at which rate."""

    from_s: float
    until_s: float | None
    frames_per_s: float | None


def with_footage(
    configuration: Configuration, overrides: Sequence[str], option: str = "--camera"
) -> Configuration:
    """Put other footage in place of cameras, each given as ``CAMERA_ID=PATH``.

    Raises:
        click.BadParameter: The form is wrong, or there is no such camera or file.
    """
    cameras = {camera.camera_id: camera for camera in configuration.cameras}
    for override in overrides:
        camera_id, equals, text = override.partition("=")
        path = Path(text)
        if not equals or not text:
            raise click.BadParameter(say("give it as CAMERA_ID=PATH"), param_hint=option)
        if camera_id not in cameras:
            fault = say(
                "no camera {camera_id!r}; there are: {known}",
                camera_id=camera_id,
                known=list(cameras),
            )
            raise click.BadParameter(fault, param_hint=option)
        if not path.exists():
            fault = say("there is nothing at {path}", path=path)
            raise click.BadParameter(fault, param_hint=option)
        cameras[camera_id] = CameraSection(
            camera_id=camera_id,
            driver="picture_folder" if path.is_dir() else "video_file",
            settings={"folder" if path.is_dir() else "path": str(path.absolute())},
        )
    return configuration.model_copy(update={"cameras": tuple(cameras.values())})


def replay_site(
    configuration: Configuration,
    *,
    base: Path,
    stretch: Stretch,
    out: Path | None,
    state: Path | None,
    as_json: bool,
    show: Show | None = None,
) -> None:
    """Replay a site's footage and print its cases and a summary.

    Args:
        configuration: The site.
        base: The folder that relative paths in it are taken from.
        stretch: Which part of the footage.
        out: Where events and evidence are kept, if anywhere.
        state: Where to go on from, if anywhere.
        as_json: Print one JSON document and nothing else.
        show: Draws what is seen, if anything does.
    """
    from agent.runtime.replay import replay  # noqa: PLC0415 - loads the network's runtime

    with Progress(say("replay"), quiet=as_json) as progress:

        def tell(event: Event) -> None:
            line = in_words(event)
            if line is not None and not as_json:
                progress.line(line)

        report = replay(
            configuration,
            base=base,
            out=out,
            state=state,
            frames_per_s=stretch.frames_per_s,
            on_frame=None if show is None else show.take,
            from_s=stretch.from_s,
            until_s=stretch.until_s,
            on_event=tell,
            on_progress=progress.at,
            packets=out is not None,
        )
    if as_json:
        _print_json(report)
    else:
        _print_summary(report, out)


def _print_summary(report: ReplayReport, out: Path | None) -> None:
    click.echo()
    click.echo(say("Summary"))
    rows = list(_rows(report))
    width = max(display_width(name) for name, _ in rows)
    for name, figure in rows:
        click.echo(f"  {padded(name, width)}  {padded(figure, 12, right=True)}")
    for remark in report.remarks:
        click.echo("  " + wording.in_words(remark))
    if out is not None:
        click.echo(
            say_many(
                "Kept in {folder}: events.jsonl ({count} event), evidence/",
                "Kept in {folder}: events.jsonl ({count} events), evidence/",
                len(report.events),
                folder=out,
            )
        )


def _print_json(report: ReplayReport) -> None:
    summary = dataclasses.asdict(report)
    del summary["lines"]
    summary["events"] = [json.loads(line) for line in report.lines]
    summary["opened_by_kind"] = report.opened_by_kind
    click.echo(json.dumps(summary, ensure_ascii=False, indent=2))


def _rows(report: ReplayReport) -> Iterator[tuple[str, str]]:
    for kind, count in sorted(report.opened_by_kind.items()):
        yield say("cases opened: {kind}", kind=kind_in_words(kind)), str(count)
    yield say("events"), str(len(report.events))
    for label, count in sorted(report.tracks_by_label.items()):
        yield say("tracks: {label}", label=things_in_words(label)), str(count)
    yield say("footage"), duration(report.footage_s)
    yield say("frames analysed"), str(report.frames)
    if report.frames_not_judged:
        yield say("frames that could not be judged"), str(report.frames_not_judged)
    yield say("model runs"), str(report.runs)
    yield say("took"), say("{seconds:.1f} s", seconds=report.total_s)
    yield say("of it in inference"), say("{seconds:.1f} s", seconds=report.session_s)
    for stage, seconds in report.stage_s.items():
        yield (
            say("of it in {stage}", stage=known_in_words(STAGES, stage)),
            say("{seconds:.1f} s", seconds=seconds),
        )
