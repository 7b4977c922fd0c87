"""A connection that fails by the clock says so, on a real Mosquitto with real certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.mqtt import Connection, LinkError
from tests.broker import DEVICE, STATE, Authority, Broker, mosquitto, start_broker

__all__ = ["mosquitto", "start_broker"]  # fixtures


def refusal(broker: Broker, **changes: object) -> str:
    connection = Connection(broker.settings(**changes), client_id=DEVICE, will=(STATE, b""))
    with pytest.raises(LinkError) as caught:
        connection.open()
    connection.close()
    return caught.value.reason


@pytest.fixture
def broker_with_certificate(
    start_broker: Callable[..., Broker],
) -> Callable[[float, float], Broker]:
    """A broker whose certificate is valid in so many days, for so many."""

    def start(in_days: float, days: float) -> Broker:
        broker = start_broker()
        broker.stop()
        broker.authority.issue("broker", server=True, in_days=in_days, days=days)
        broker.start()
        return broker

    return start


def test_a_clock_that_is_behind_is_said_with_both_times(
    broker_with_certificate: Callable[[float, float], Broker],
) -> None:
    said = refusal(broker_with_certificate(400, 800))
    assert said.startswith("this device's clock says 20")
    assert "the broker's certificate is valid from 20" in said
    assert "NTP" in said


def test_a_certificate_that_has_expired_is_said_with_both_times(
    broker_with_certificate: Callable[[float, float], Broker],
) -> None:
    said = refusal(broker_with_certificate(-400, -2))
    assert said.startswith("the broker's certificate was valid until 20")
    assert "renew the certificate, or check the clock" in said


def test_another_fault_of_a_certificate_is_not_put_on_the_clock(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", "Another CA")
    said = refusal(start_broker(), ca_file=stranger.certificate_file)
    assert "not trusted" in said
    assert "clock" not in said
