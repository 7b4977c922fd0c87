"""Promises of the device's process: killed and started again, it goes on where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.protocol.events import CaseEvent, Event, HeartbeatEvent, InventoryEvent
from agent.protocol.heartbeat import VerifierHealth
from tests.support.agent_process import watched_corner
from tests.support.broker import Broker
from tests.support.colour_verifier import write_verifier
from tests.support.paths import ROOT
from tests.support.sites import write_site
from tests.support.waiting import wait_until


@pytest.mark.slow
def test_a_killed_agent_goes_on_with_its_case_and_leaves_no_gap(
    broker: Broker, start_agent: Callable[[], subprocess.Popen[str]]
) -> None:
    with broker.platform(lasting=True) as platform:

        def births() -> int:
            return len({e.event_id for e in platform.events if e.type == "device.birth"})

        for run in range(1, 4):
            agent = start_agent()
            wait_until(lambda: births() == run)  # noqa: B023
            wait_until(lambda: platform.sequences("case.opened"))
            beats = len(platform.sequences("device.heartbeat"))
            wait_until(lambda: len(platform.sequences("device.heartbeat")) > beats)  # noqa: B023
            agent.send_signal(signal.SIGKILL)
            agent.communicate(timeout=30)
        agent = start_agent()
        wait_until(lambda: births() == 4)
        agent.send_signal(signal.SIGTERM)
        agent.communicate(timeout=60)
        assert agent.returncode == 0
        assert len(platform.sequences("case.opened")) == 1
        assert len({event.epoch for event in platform.events}) == 1
        wait_until(lambda: any(b'"online":false' in one.payload for one in platform.received))
        numbers = sorted({event.sequence for event in platform.events})
        waiting = 1  # a heartbeat that came up while the agent stopped
        assert numbers[-1] - len(numbers) <= waiting


@pytest.mark.slow
@pytest.mark.parametrize("intact", [True, False])
def test_a_heartbeat_tells_of_the_verifier_and_a_refused_one_stops_nothing(
    broker: Broker, start_agent: Callable[[], subprocess.Popen[str]], tmp_path: Path, intact: bool
) -> None:
    folder = write_verifier(tmp_path / "models")
    write_site(tmp_path, watched_corner(broker, models={"verifier": "verifier"}))
    if not intact:
        (folder / "model.onnx").write_bytes(b"another network")
    with broker.platform(lasting=True) as platform:

        def told() -> list[VerifierHealth]:
            beats = [each.body for each in platform.events if isinstance(each, HeartbeatEvent)]
            return [beat.verifier for beat in beats if beat.verifier is not None]

        start_agent()
        if intact:
            wait_until(lambda: any(each.suppressed for each in told()))
            health = told()[-1]
            assert (health.state, health.reason) == ("ready", None)
            assert health.runs >= 2
            assert {(each.zone_id, each.kind) for each in health.suppressed} == {
                ("kerb", "misparked_bike")
            }
        else:
            wait_until(lambda: platform.sequences("case.opened"))
            health = told()[-1]
            assert (health.state, health.runs, health.suppressed) == ("refused", 0, ())
            assert str(health.reason).startswith("verifier: sha256: model.onnx has")


def test_a_wrong_configuration_is_refused_with_every_fault(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[site]\ntenant = "a b"\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "agent", str(tmp_path)],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3
    for place in ("site.tenant", "site.device_id", "site.address", "cameras"):
        assert place in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_platform_has_the_document_of_every_configuration_that_a_case_names(
    broker: Broker, start_agent: Callable[[], subprocess.Popen[str]]
) -> None:
    with broker.platform(lasting=True) as platform:

        def told(*types: str) -> list[Event]:
            return [event for event in list(platform.events) if event.type in types]

        start_agent()
        wait_until(lambda: told("device.inventory") and told("case.opened"))
        [inventory] = {event.event_id: event for event in told("device.inventory")}.values()
        case = told("case.opened")[0]
        assert isinstance(inventory, InventoryEvent)
        assert isinstance(case, CaseEvent)
        assert inventory.body.configuration_sha256 == case.body.configuration_sha256
        [camera], [zone] = inventory.body.cameras, inventory.body.zones
        assert (camera.width_px, camera.height_px) == (640, 360)
        assert (zone.place_id, zone.camera_id) == (case.body.place.place_id, camera.camera_id)
        [judged] = zone.judged
        assert (judged.kind, judged.code) == (case.body.kind, case.body.code)
        assert judged.allowed_s == case.body.allowed_s
