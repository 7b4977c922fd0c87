"""What a version has to show after an update: judged by what worked before, and never guessed.

A point that is *not known* is no pass; it is told as such. What did not work before the update is not held
against the new version: going back would not mend it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.files.version_record import Trial
    from provisioning.versions.working import Seen

STEADY_S = 60.0
"""An agent that has run for so long did not come up just to end again."""
ENDS_TOO_OFTEN = 5
"""An agent that systemd had to start again so often does not come up."""
Name = Literal["agent", "cameras", "models", "broker", "clip"]
State = Literal["held", "failed", "not_known", "waiting"]


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that a version has to show, whether it has, and why not."""

    name: Name
    state: State
    why: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """What systemd says of the agent: whether it is meant to run, and how often it had to be started again."""

    meant: bool
    restarts: int = 0


def judge(trial: Trial, seen: Seen | None, unit: Unit, *, over: bool) -> list[Point]:
    """The points that the running agent shows.

    Args:
        trial: What is on trial, and what worked before.
        seen: The agent of the version on trial, by its status; None: it does not say how it is.
        unit: What systemd says of it.
        over: Whether the time for the proof is over: what still has to be waited for has failed, unless somebody
            has stopped the agent.
    """
    points = [_agent(trial, seen, unit)]
    if seen is not None:
        points += [*_cameras(trial, seen), _models(trial, seen), _broker(trial, seen)]
    if not over or not unit.meant:
        return points
    return [
        Point(each.name, "failed", each.why) if each.state == "waiting" else each for each in points
    ]


def of_clip(fault: str | None) -> Point:
    """The point of the stored clip: held if nothing is said against it."""
    return Point("clip", "failed", fault) if fault is not None else Point("clip", "held")


def _agent(trial: Trial, seen: Seen | None, unit: Unit) -> Point:
    if unit.restarts >= ENDS_TOO_OFTEN:
        why = said("the agent ended {count} times by itself", count=unit.restarts)
        return Point("agent", "failed", why)
    if seen is not None:
        steady = seen.runs_s >= STEADY_S
        why = said("the agent ran for {seconds} s only", seconds=round(seen.runs_s))
        return Point("agent", "held") if steady else Point("agent", "waiting", why)
    if not unit.meant and trial.was is None:
        return Point("agent", "not_known", said("no agent runs here, as before the update"))
    if not unit.meant:
        return Point("agent", "waiting", said("somebody has stopped the agent"))
    return Point("agent", "waiting", said("the agent does not say that it runs"))


def _cameras(trial: Trial, seen: Seen) -> Iterator[Point]:
    with_frames = set(seen.working.cameras)
    demanded = set(seen.cameras) if trial.was is None else set(trial.was.cameras)
    silent = sorted(demanded & set(seen.cameras) - with_frames)
    if silent:
        yield Point("cameras", "waiting", said("no frames from {cameras}", cameras=silent))
    elif with_frames:
        yield Point("cameras", "held")
    else:
        yield Point("cameras", "not_known", said("no camera gave frames before the update either"))


def _models(trial: Trial, seen: Seen) -> Point:
    if not seen.models:
        return Point("models", "waiting", said("the agent judges with no model"))
    answered = None if trial.was is None else trial.was.verifier
    if seen.working.verifier is False and answered is not False:
        return Point("models", "waiting", said("the verifier is refused or fails"))
    return Point("models", "held")


def _broker(trial: Trial, seen: Seen) -> Point:
    if seen.working.broker is None:
        return Point("broker", "not_known", said("no broker is configured"))
    if seen.working.broker:
        return Point("broker", "held")
    if trial.was is None or trial.was.broker is None:
        why = said("the broker is not reached; whether it was before the update is not known")
        return Point("broker", "not_known", why)
    if trial.was.broker:
        why = said("the broker is not reached, and was before the update")
        return Point("broker", "waiting", why)
    return Point("broker", "not_known", said("the broker was not reached before the update either"))
