"""What a broker's answer means, whatever it is."""

from __future__ import annotations

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from agent.delivery.reason_codes import know_every_code, meaning

know_every_code()


@pytest.mark.parametrize(
    "packet",
    [PacketTypes.CONNACK, PacketTypes.PUBACK, PacketTypes.SUBACK, PacketTypes.DISCONNECT],
)
def test_every_code_is_read_in_every_packet_a_broker_answers_with(packet: int) -> None:
    for code in range(256):
        read = ReasonCode(packet, identifier=code)
        read.unpack(bytes([code]))
        assert read.value == code
        assert str(read)


def test_only_what_concerns_the_message_itself_puts_it_aside() -> None:
    for code in (0x01, 0x10, 0x7F, 0x80, 0x83, 0x87, 0x91, 0x97):
        assert meaning(code) == "not now"
    for code in (0x90, 0x95, 0x99, 0xFF):
        assert meaning(code) == "refused"
    assert [code for code in range(256) if meaning(code) == "taken"] == [0]
