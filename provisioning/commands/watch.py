"""``kerbwatch watch``: what a running agent sees and does, live in the terminal."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from agent.config.loading import load
from agent.config.site_files import site_folder
from agent.telemetry.status_file import FILE, CameraStatus, Status
from drivers.clock import SystemClock
from drivers.files.privileges import become_keeper_of, read_file
from provisioning.console.local_time import local
from provisioning.console.rounding import compared, figure, holds
from provisioning.wording import MAX_SHOWN, say
from provisioning.wording.case_sentences import duration
from provisioning.wording.recovered import recovered
from provisioning.wording.vocabulary import (
    CAMERA_STATES,
    STAGES,
    kind_in_words,
    known_in_words,
    label_in_words,
    measure_in_words,
    reason_in_words,
)
from provisioning.wording.width import padded
from wording.harmless import harmless, harmless_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.protocol.heartbeat import ViewHealth

OLD_S = 10.0
_HOME, _CLEAR_LINE, _CLEAR_REST = "\x1b[H", "\x1b[K", "\x1b[J"
_OTHER_SCREEN, _OWN_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class NotRunningError(LookupError):
    """No agent writes a status, or its last status is old."""


def watch(site: Path, *, every_s: float, once: bool, as_json: bool) -> None:
    """Show the agent's status, again and again until interrupted.

    Args:
        site: The site that the agent watches.
        every_s: How often the view is drawn.
        once: Show it once; so it is also where the output is no terminal.
        as_json: Print the status as it is.

    Raises:
        ConfigError: The site cannot be read.
        NotRunningError: No agent is running (only when shown once).
    """
    base = site_folder(site)
    path = base / load(site).storage.run_dir / FILE
    become_keeper_of(path.parent)
    if as_json:
        click.echo(harmless_json(read(path).model_dump_json(indent=2)))
    elif once or not sys.stdout.isatty():
        click.echo("\n".join(_shown(read(path), None)))
    else:
        _live(path, every_s)


def read(path: Path) -> Status:
    """Read an agent's last status.

    Raises:
        NotRunningError: There is none, it cannot be read, or it is old.
    """
    try:
        status = Status.model_validate_json(read_file(path))
    except FileNotFoundError as error:
        text = say("The agent does not run, or is just starting: there is no {path}.", path=path)
        raise NotRunningError(text) from error
    except PermissionError as error:
        text = say("{path} may not be read: put `sudo` in front.", path=path)
        raise NotRunningError(text) from error
    except (OSError, ValidationError) as error:
        text = say("{path} cannot be read; is the agent of another version?", path=path)
        raise NotRunningError(text) from error
    age_s = _age_s(status, SystemClock())
    if age_s > OLD_S:
        raise NotRunningError(
            say(
                "The agent's last status is {age} old: it hangs or has ended.",
                age=duration(age_s),
            )
        )
    if age_s < -OLD_S:  # a running agent writes again within a second, by the clock as it is now
        raise NotRunningError(
            say(
                "The agent's last status is {age} ahead of this clock: the clock was set back, "
                "and the agent hangs or has ended.",
                age=duration(-age_s),
            )
        )
    return status


def _age_s(status: Status, clock: SystemClock) -> float:
    """Age of a status, by the monotonic clock, as the wall clock may have been set since."""
    if status.monotonic_s is None:
        return (clock.now() - status.at).total_seconds()
    if status.boot_id != clock.boot_id:
        return OLD_S + clock.monotonic_s()  # whoever wrote it went with the boot before
    return clock.monotonic_s() - status.monotonic_s


def _live(path: Path, every_s: float) -> None:
    """Draw in place on a screen of its own; Ctrl-C gives the terminal back as it was."""
    before: Status | None = None
    sys.stdout.write(_OTHER_SCREEN)
    try:
        while True:
            try:
                status = read(path)
                shown = list(_shown(status, before))
                before = status
            except NotRunningError as error:
                shown, before = [str(error)], None
            rows = shutil.get_terminal_size().lines
            drawn = "".join(f"{line}{_CLEAR_LINE}\r\n" for line in shown[: rows - 1])
            sys.stdout.write(f"{_HOME}{drawn}{_CLEAR_REST}")
            sys.stdout.flush()
            time.sleep(every_s)
    finally:
        sys.stdout.write(_OWN_SCREEN)
        sys.stdout.flush()


def _shown(status: Status, before: Status | None) -> Iterator[str]:
    """The view; text from a camera or a broker stays on its line."""
    return (harmless(line, MAX_SHOWN) for line in lines(status, before))


def lines(status: Status, before: Status | None) -> Iterator[str]:
    """The view, line by line.

    Args:
        status: The agent's present status.
        before: Its status when the view was last drawn, for rates; None: since the start.
    """
    yield f"{status.device_id}  {status.address}  {local(status.at, status.timezone, 'seconds')}"
    heat = "–" if status.temperature_c is None else f"{status.temperature_c:.0f} °C"
    yield say(
        "up {uptime}   processor {heat}   analysis rate × {factor}",
        uptime=duration(status.uptime_s),
        heat=heat,
        factor=figure(status.rate_factor),
    )
    yield _uplink(status)
    yield from _verifier(status)
    for camera_id, camera in status.cameras.items():
        yield ""
        yield from _camera(camera_id, camera, status, before)
    yield ""
    yield from _cases(status)


def _uplink(status: Status) -> str:
    waiting = sum(status.waiting.values())
    if status.uplink is None:
        return say("no broker is configured; {waiting} event(s) wait", waiting=waiting)
    if status.uplink.connected_since is None:
        reason = recovered(status.uplink.last_error or "–")
        return say(
            "broker not connected ({reason}); {waiting} event(s) wait",
            reason=reason,
            waiting=waiting,
        )
    return say(
        "connected since {since}; {confirmed} confirmed, {waiting} wait",
        since=local(status.uplink.connected_since, status.timezone),
        confirmed=status.uplink.confirmed,
        waiting=waiting,
    )


def _verifier(status: Status) -> Iterator[str]:
    """What the verifier does, where a scenario would ask it."""
    told = status.verifier
    if told is None or told.state == "off":
        return
    if told.state != "ready":
        yield say("judges without the verifier: {reason}", reason=recovered(told.reason or "?"))
        return
    kept = sum(each.count for each in told.suppressed)
    yield say(
        "verifier asked {runs} ×, {kept} candidate(s) were no case by its word",
        runs=told.runs,
        kept=kept,
    )


def _camera(
    camera_id: str, now: CameraStatus, status: Status, before: Status | None
) -> Iterator[str]:
    last = None if before is None else before.cameras.get(camera_id)
    began_s = 0.0 if before is None else before.uptime_s or 0.0
    since_s = max((status.uptime_s or 0.0) - began_s, 0.1)

    def rate(count: int, counted: int) -> float:
        return (count - counted) / since_s

    yield say(
        "camera {camera}: {state}, for {since}",
        camera=camera_id,
        state=known_in_words(CAMERA_STATES, now.state),
        since=duration(now.for_s),
    )
    yield "  " + say(
        "{captured:.1f} frames/s captured, {analysed:.1f} analysed, {runs:.1f} model runs/s",
        captured=rate(now.captured, last.captured if last else 0),
        analysed=rate(now.analysed, last.analysed if last else 0),
        runs=rate(now.network_runs, last.network_runs if last else 0),
    )
    share = 100 * now.gated / now.analysed if now.analysed else 0
    yield "  " + say(
        "{share:.0f} % of the frames needed no model run; {dropped} dropped; reopened {reopened} ×",
        share=share,
        dropped=now.dropped,
        reopened=now.reopened,
    )
    if now.view is not None:
        yield from _view(now.view)
    if now.stage_s and now.analysed:
        stages = [
            f"{known_in_words(STAGES, name)} {1e3 * each_s / now.analysed:.1f}"
            for name, each_s in now.stage_s.items()
            if each_s is not None
        ]
        yield "  " + say("milliseconds per frame: {stages}", stages=stages)
    if now.tracks:
        seen = [label_in_words(label, count) for label, count in sorted(now.tracks.items())]
        yield "  " + say("tracked now: {seen}", seen=seen)
    for each in status.pending:
        if each.camera_id == camera_id:
            yield "  " + say("zone {zone}", zone=each.zone_id)
            for measure in each.measures:
                condition = measure.value, measure.needs, measure.threshold
                mark = "✓" if holds(*condition) else " "
                name = padded(measure_in_words(measure.name), 34)
                yield f"    {mark} {name} {compared(*condition)}"


def _view(view: ViewHealth) -> Iterator[str]:
    yield "  " + say(
        "view {state}, for {since}", state=reason_in_words(view.view), since=duration(view.for_s)
    )
    if not view.commissioned:
        yield "  " + say("no reference image: see `kerbwatch commission`")
    for zone_id, because in view.abstaining.items():
        yield "  " + say(
            "zone {zone} abstains: {reason}", zone=zone_id, reason=reason_in_words(because)
        )


def _cases(status: Status) -> Iterator[str]:
    if not status.cases:
        yield say("no case is open")
        return
    yield say("open cases:")
    for case in status.cases:
        kind, stands = padded(kind_in_words(case.kind), 18), duration(case.stands_s)
        yield f"  {kind}  {padded(case.zone_id, 14)}  {stands}  {case.case_id}"
