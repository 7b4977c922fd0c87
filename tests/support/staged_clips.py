"""The rendered clips with what was staged in them, and how a replay is held against that."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agent.config import loading
from agent.config.schema import Configuration
from agent.protocol.events import CaseEvent, Event
from agent.runtime.replay import ReplayReport, replay
from tests.support.paths import ROOT

BUNDLED = ROOT / "examples" / "street"
HELD_OUT = sorted((ROOT / "tests" / "support" / "clips").glob("seed-*"))


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """One problem, staged or reported: what, where, and from when until when in clip seconds."""

    kind: str
    zone_id: str
    begins_s: float
    ends_s: float


def site_of(clip: Path, scenarios: Mapping[str, Mapping[str, Any]] | None = None) -> Configuration:
    """The demo's site, with the clip and zones of the folder, and with other settings where told."""
    site = loading.load(BUNDLED)
    zones = json.loads((clip / "zones.json").read_text(encoding="utf-8"))["zones"]
    told = site.model_dump(mode="json", by_alias=True)
    told["zones"] = zones
    told["cameras"][0]["settings"]["path"] = str(clip / truth_of(clip)["clip"]["file"])
    for name, settings in (scenarios or {}).items():
        told["scenarios"][name] = {**told["scenarios"].get(name, {}), **settings}
    return Configuration.model_validate(told)


def truth_of(clip: Path) -> dict[str, Any]:
    return dict(json.loads((clip / "truth.json").read_text(encoding="utf-8")))


def staged(clip: Path) -> list[Told]:
    return sorted(
        Told(each["kind"], each["zone_id"], each["begins_s"], each["ends_s"])
        for each in truth_of(clip)["problems"]
    )


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay, and the folder of its results: to be read, never changed, for every test of a run reads it."""

    report: ReplayReport
    out: Path


@cache
def replayed(clip: Path, frames_per_s: float) -> Replayed:
    """A clip's replay, once in a process."""
    out = Path(tempfile.mkdtemp(prefix="kerbwatch-replayed-"))
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    return Replayed(replay(site_of(clip), base=clip, frames_per_s=frames_per_s, out=out), out)


def reported(events: list[Event]) -> list[Told]:
    """Every case that was opened; one that was not cleared has no end."""
    cases: dict[str, Told] = {}
    for event in events:
        assert isinstance(event, CaseEvent)
        body, now_s = event.body, event.clock.monotonic_s
        began_s = now_s - (event.occurred_at - body.began_at).total_seconds()
        ended_s = float("inf")
        if event.type == "case.cleared":
            ended_s = now_s - (event.occurred_at - body.last_present_at).total_seconds()
        if event.type == "case.opened":
            assert body.case_id not in cases
        cases[body.case_id] = Told(body.kind, body.place.zone_id, began_s, ended_s)
    return sorted(cases.values())
