"""The verbs ``dry_run.*``: one dry run at a time, in a process of its own."""

from __future__ import annotations

import json
import logging
import secrets
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from agent.config.faults import ConfigError
from agent.config.loading import from_tables
from agent.control.errors import RefusedError
from agent.control.messages.base import Words
from agent.control.messages.dry_run import (
    DryRunResult,
    ProgressReply,
    StartedReply,
)
from agent.runtime.dry_run_worker import LENGTH
from drivers import programs
from drivers.files.documents import parsed_json, parsed_toml
from drivers.memory import available_bytes
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.analysis.frame_ring import Recent
    from agent.config.schema import Configuration
    from agent.control.messages.dry_run import (
        AskDryRun,
        AskDryRunProgress,
        AskDryRunResult,
    )
    from agent.control.verbs import Caller

LEAST_BYTES = 280_000_000
"""So much memory must be available for it: the networks take most of it."""
LONGEST_LINE = 16_000_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """One dry run."""

    job: str
    process: subprocess.Popen[bytes]
    state: Literal["running", "done", "failed"] = "running"
    share: float = 0.0
    because: Words | None = None
    result: DryRunResult | None = None
    given_up: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class DryRuns:
    """The dry runs of one device.

    Args:
        configuration: As the agent has it now.
        tracks: The folder of the tracks.
        tails: What of them is not on the disk yet.
        recent: The frames of the last minutes.
    """

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        tracks: Path,
        tails: Callable[[], dict[str, bytes]],
        recent: Callable[[], dict[str, Recent]],
    ) -> None:
        self._configuration, self._tracks = configuration, tracks
        self._tails, self._recent = tails, recent
        self._job: _Job | None = None

    def start(self, asked: AskDryRun, _: Caller) -> StartedReply:
        """Begin one; the one before is given up."""
        now = self._configuration().model_dump(mode="json", by_alias=True)
        then = _proposed(now, asked)
        free_bytes = available_bytes()
        if free_bytes is not None and free_bytes < LEAST_BYTES:
            raise RefusedError(
                "memory",
                said(
                    "a dry run needs {needed_mb:.0f} MB of memory, and {free_mb:.0f} MB are available",
                    needed_mb=LEAST_BYTES / 1e6,
                    free_mb=free_bytes / 1e6,
                ),
            )
        self.end()
        tails, recent = self._tails(), self._recent()
        head = {
            "now": now,
            "then": then,
            "hours": asked.hours,
            "tracks": str(self._tracks),
            "tails": {camera_id: len(tail) for camera_id, tail in tails.items()},
            "recent": {
                camera_id: {
                    "known": one.known,
                    "frames": [
                        [each.now_s, each.at.isoformat(), len(each.bgr), len(each.luma)]
                        for each in one.frames
                    ],
                }
                for camera_id, one in recent.items()
            },
        }
        content = json.dumps(head).encode()
        process = subprocess.Popen(
            programs.python("-m", "agent.runtime.dry_run_worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        job = self._job = _Job(secrets.token_hex(4), process)
        shown = [part for one in recent.values() for f in one.frames for part in (f.bgr, f.luma)]
        parts = [LENGTH.pack(len(content)), content, *tails.values(), *shown]
        threading.Thread(target=_follow, args=(job, parts), name="dry run", daemon=True).start()
        return StartedReply(job=job.job)

    def progress(self, asked: AskDryRunProgress, _: Caller) -> ProgressReply:
        """How far it is."""
        job = self._known(asked.job)
        with job.lock:
            return ProgressReply(job=job.job, state=job.state, share=job.share, because=job.because)

    def result(self, asked: AskDryRunResult, _: Caller) -> DryRunResult:
        """What came of it."""
        job = self._known(asked.job)
        with job.lock:
            if job.result is None:
                why = (
                    said("it goes on: ask how far it is")
                    if job.because is None
                    else job.because.said()
                )
                raise RefusedError("not_yet" if job.state == "running" else "failed", why)
            return job.result

    def _known(self, name: str) -> _Job:
        if self._job is None or self._job.job != name:
            raise RefusedError(
                "unknown_job", said("there is no such dry run any more: begin another")
            )
        return self._job

    def end(self) -> None:
        """Give up the one that goes on."""
        if self._job is not None and self._job.process.poll() is None:
            self._job.given_up = True
            self._job.process.kill()


def _proposed(now: dict[str, Any], asked: AskDryRun) -> dict[str, Any]:
    """The tables of the proposal, whose faults are all told.

    Raises:
        RefusedError: It is no configuration.
    """
    then = dict(now) if asked.site is None else _parsed(parsed_toml, asked.site, "site.toml")
    if asked.zones is not None:
        drawn = _parsed(parsed_json, asked.zones, "zones.json")
        zones = drawn.get("zones") if isinstance(drawn, dict) else None
        if not isinstance(zones, list):
            raise RefusedError("invalid", said('zones.json: must be {{"zones": [...]}}'))
        then["zones"] = zones
    elif "zones" not in then:
        then["zones"] = now["zones"]
    try:
        from_tables(then)
    except ConfigError as error:
        raise RefusedError("invalid", str(error)) from error
    return then


def _parsed(parse: Callable[[str], Any], text: str, file: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        reason = said("{file}: cannot be read: {reason}", file=file, reason=reason_of(error))
        raise RefusedError("invalid", reason) from error


def _follow(job: _Job, parts: list[bytes]) -> None:
    """Give a process its job, and take what it says, until it ends."""
    assert job.process.stdin is not None
    assert job.process.stdout is not None
    with suppress(OSError):  # it may have ended already
        for part in parts:
            job.process.stdin.write(part)
        job.process.stdin.flush()
    while line := job.process.stdout.readline(LONGEST_LINE):
        try:
            _take(job, json.loads(line))
        except (ValueError, ValidationError):
            _log.warning("a dry run says what cannot be read")
    job.process.wait()
    with suppress(OSError):
        job.process.stdin.close()
    job.process.stdout.close()
    with job.lock:
        if job.state == "running":
            job.state = "failed"
            job.because = Words.of(said("the dry run ended without a result: see the agent's log"))


def _take(job: _Job, told: dict[str, Any]) -> None:
    with job.lock:
        if "share" in told:
            job.share = float(told["share"])
        if "failed" in told:
            job.state, job.because = "failed", Words.model_validate(told["failed"])
        if "result" in told:
            job.result = DryRunResult.model_validate(told["result"])
            job.state, job.share = "done", 1.0
