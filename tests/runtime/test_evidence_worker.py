"""Promises about the thread that makes packets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.evidence.packets import MOST_TRIES, StoppedError
from agent.protocol.signed import parts_of
from agent.runtime.evidence_worker import EvidenceWorker, OwnRedactor, packets_of
from tests.support.packing import PacketDevice
from tests.support.waiting import wait_until


@pytest.fixture
def device(tmp_path: Path) -> Iterator[PacketDevice]:
    device = PacketDevice(tmp_path)
    with device.database:
        device.tell()
        yield device


def worker_of(device: PacketDevice, stop: threading.Event, pace: float = 1.0) -> EvidenceWorker:
    return EvidenceWorker(
        device.database, device.folder / "evidence", device.writer, lambda: pace, stop
    )


def test_a_case_that_was_told_gets_its_packet_and_the_thread_ends_when_told(
    device: PacketDevice,
) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=worker_of(device, stop).run)
    thread.start()
    wait_until(lambda: device.waiting == 0)
    stop.set()
    thread.join()
    assert len(device.events()) == 1


def test_an_agent_that_ends_again_and_again_meanwhile_loses_no_copy(device: PacketDevice) -> None:
    def ends(_: float) -> None:
        raise StoppedError

    evidence = device.folder / "evidence"
    for _ in range(MOST_TRIES + 1):
        with pytest.raises(StoppedError):
            packets_of(device.database, evidence, device.writer, ends).do_next()
    assert device.waiting == 1
    packets_of(device.database, evidence, device.writer).do_next()
    assert len(device.queued()) == 2


def test_a_redactor_is_opened_once_and_anew_after_it_was_closed() -> None:
    own = OwnRedactor()
    first = own()
    assert own() is first
    own.close()
    assert own() is not first


def test_without_a_detector_the_packet_says_that_the_model_was_refused(
    device: PacketDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "street").mkdir(parents=True)
    (tmp_path / "models" / "street" / "manifest.toml").write_text("", encoding="utf-8")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    packets_of(device.database, device.folder / "evidence", device.writer).do_next()
    [event] = device.events()
    told = json.loads(parts_of(event.body.jws).payload)
    assert {each["not_redacted"] for each in told["pictures"]} == {"model_refused"}
    assert device.queued() == []
