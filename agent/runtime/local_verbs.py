"""Which verbs the local channel of this run has, and from what parts of the run each of them answers.

To add a verb: its messages in ``agent/control/messages/``, what does it in a file of ``agent/control/`` or here,
and one line in :func:`local_verbs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.analysis import reference_image
from agent.control.configuration_verbs import ConfigurationVerbs
from agent.control.live_pictures import PictureVerbs
from agent.control.messages.dry_run import AskDryRun, AskDryRunProgress, AskDryRunResult
from agent.control.messages.moving import AskMove
from agent.control.messages.pictures import AskPicture, AskReference, AskTracks
from agent.control.messages.reanchor import AskReanchor
from agent.control.messages.status import AskStatus, StatusReply
from agent.control.moving import Moving
from agent.control.reanchoring import Reanchoring
from agent.control.verbs import verb

if TYPE_CHECKING:
    from agent.control.configuration import Applying
    from agent.control.verbs import Verb
    from agent.delivery.followed_events import FollowedEvents
    from agent.delivery.uplink_supervisor import UplinkSupervisor
    from agent.runtime.metrics import Metrics
    from agent.runtime.reconfiguration import Reconfiguration
    from agent.runtime.run_context import RunContext
    from agent.runtime.showing import Showing
    from agent.runtime.vision_threads import VisionThreads


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of a run that verbs answer from."""

    run: RunContext
    vision: VisionThreads
    metrics: Metrics
    applying: Applying | None
    """None: the run has no files of a site."""
    reconfiguration: Reconfiguration
    showing: Showing
    uplink: UplinkSupervisor | None
    followed: FollowedEvents


def local_verbs(running: Running) -> tuple[Verb, ...]:
    """Every verb of this run."""
    pictures = PictureVerbs(
        [camera.camera_id for camera in running.run.configuration.cameras],
        running.showing.live,
        running.showing.walk,
        lambda camera_id: reference_image.load(running.run.state_dir, camera_id),
    )
    return (
        verb(AskStatus, lambda _, __: StatusReply(status=running.metrics.status())),
        verb(AskPicture, pictures.picture),
        verb(AskReference, pictures.reference),
        verb(AskTracks, pictures.tracks),
        *_on_configurations(running),
        verb(AskReanchor, Reanchoring(pictures).reanchor),
        verb(AskDryRun, running.showing.dry_runs.start),
        verb(AskDryRunProgress, running.showing.dry_runs.progress),
        verb(AskDryRunResult, running.showing.dry_runs.result),
    )


def _on_configurations(running: Running) -> tuple[Verb, ...]:
    if running.applying is None:
        return ()
    parts = running.run.parts
    moving = Moving(running.applying, running.reconfiguration, running.run.state_dir)
    configurations = ConfigurationVerbs(
        running.applying,
        running.reconfiguration,
        cases=lambda: parts.analysis.cases.open,
        vantages=parts.vantages,
    )
    return (*configurations.verbs, verb(AskMove, moving.move, changes=True))
