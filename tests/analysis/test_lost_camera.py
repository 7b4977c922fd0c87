"""Promises of a camera that gives no frames: its zones abstain, and it is told at once."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.runtime.device import run
from agent.storage import outbox_queries
from tests.support.assembled_site import camera_of, events_of, parts_of
from tests.support.crossing import camera, crossing
from tests.support.ports import free_port
from tests.support.waiting import wait_until

AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("red_model")


def test_a_case_of_a_lost_camera_abstains_once_and_goes_on_when_frames_come_again(
    tmp_path: Path,
) -> None:
    site = crossing(camera("east", (2, 60), seconds=40), places=("gate",))
    parts, source = parts_of(site, tmp_path / "state"), camera_of(site)
    while (frame := source.read()) is not None and frame.monotonic_s < 20:
        if not 12 <= frame.monotonic_s < 20:
            parts.analysis.take(frame)
    for silent_s in (8.0, 8.5, 9.0):
        parts.analysis.abstain("east", "camera_lost", silent_s=silent_s, at=AT)
    assert parts.analysis.sights["east"].view.state == "camera_lost"
    while frame is not None:
        parts.analysis.take(frame)
        frame = source.read()
    assert parts.analysis.sights["east"].view.state == "good"
    events = events_of(parts)
    assert [event["type"] for event in events] == [
        "case.opened",
        "case.abstained",
        "case.persisting",
    ]
    assert events[1]["body"]["abstention"]["because"] == "camera_lost"
    assert events[2]["body"]["abstention"] is None
    parts.close()


def test_the_time_without_frames_adds_nothing_to_a_stay(tmp_path: Path) -> None:
    """It stands since 2 s and may for 4 s; from 4 s on nothing is seen for 30 s."""
    site = crossing(camera("east", (2, 90), seconds=60), places=("gate",))
    parts, source = parts_of(site, tmp_path / "state"), camera_of(site)
    opened_s = None
    while (frame := source.read()) is not None:
        if 4 <= frame.monotonic_s < 34:
            continue
        if frame.monotonic_s == 34:
            parts.analysis.abstain("east", "camera_lost", silent_s=30.0, at=AT)
        changes = parts.analysis.take(frame)
        if changes and opened_s is None:
            opened_s = frame.monotonic_s
    assert opened_s is not None
    assert 36 <= opened_s <= 46
    parts.close()


def test_a_camera_lost_before_its_first_frame_lets_yesterdays_case_abstain(tmp_path: Path) -> None:
    site = crossing(camera("east", (2, 60), seconds=12), places=("gate",))
    parts, source = parts_of(site, tmp_path / "state"), camera_of(site)
    while (frame := source.read()) is not None:
        parts.analysis.take(frame)
    parts.analysis.rest()
    parts.close()
    parts = parts_of(site, tmp_path / "state")
    [change] = parts.analysis.abstain("east", "camera_lost", silent_s=25.0, at=AT)
    assert change.type == "case.abstained"
    body = events_of(parts)[-1]["body"]
    assert body["began_at"] < body["abstention"]["since"] <= "2026-05-04T20:00:00+08:00"
    parts.close()


@pytest.mark.slow
def test_a_camera_that_never_gives_a_frame_is_told_in_an_urgent_heartbeat(tmp_path: Path) -> None:
    away = {
        "camera_id": "east",
        "driver": "rtsp",
        "settings": {"url": f"rtsp://127.0.0.1:{free_port()}/x"},
    }
    site = crossing(away, places=("gate",))
    site = site.model_copy(
        update={
            "view_guard": site.view_guard.model_copy(update={"lost_after_s": 1.0}),
            "storage": site.storage.model_copy(update={"run_dir": tmp_path / "run"}),
        }
    )
    site = site.model_copy(
        update={"storage": site.storage.model_copy(update={"state_dir": tmp_path / "state"})}
    )
    stop = threading.Event()
    thread = threading.Thread(target=lambda: run(site, base=tmp_path, stop=stop))
    thread.start()

    def views() -> list[dict[str, Any]]:
        """What heartbeats say of views, in full or as news; at first there is nothing to read."""
        database = tmp_path / "state" / "kerbwatch.sqlite3"
        try:
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
                lane = outbox_queries.Lane.HEALTH
                rows = outbox_queries.waiting(connection, lane, limit=100, limit_bytes=1 << 30)
        except sqlite3.OperationalError:
            return []
        bodies = [json.loads(row.event)["body"] for row in rows]
        told = [body.get("changed", body) for body in bodies]
        return [body["views"] for body in told if "views" in body]

    try:
        wait_until(
            lambda: any(
                each["east"]["view"] == "camera_lost"
                and each["east"]["abstaining"] == {"kerb-east": "camera_lost"}
                for each in views()
            )
        )
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()
