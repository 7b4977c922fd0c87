"""How the example programs reach a broker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.example_platform import module
from tests.support.topics import DEVICE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.support.broker import Broker

consumer, command, reach = (
    module("consumer"),
    module("command"),
    module("kerbwatch_platform.contract.reach"),
)


def url_of(broker: Broker, files: tuple[Path, Path]) -> str:
    certificate, key = files
    ca = broker.authority.certificate_file
    return f"mqtts://127.0.0.1:{broker.port}?ca={ca}&certificate={certificate}&key={key}"


@pytest.mark.slow
def test_a_command_is_answered_through_tls(broker: Broker) -> None:
    device = Client(CallbackAPIVersion.VERSION2, DEVICE)
    subscribed: list[Any] = []

    def answer(client: Client, _userdata: object, message: Any) -> None:
        told = {"command_id": json.loads(message.payload)["command_id"], "status": "done"}
        client.publish("kerbwatch/v2/city/corner/answers", json.dumps(told), qos=1)

    device.on_message = answer
    device.on_subscribe = lambda *told: subscribed.append(told)
    device.connect(*reach.place(device, url_of(broker, broker.device_files), DEVICE))
    device.subscribe("kerbwatch/v2/city/corner/commands", qos=1)
    device.loop_start()
    try:
        wait_until(lambda: subscribed)
        url = url_of(broker, broker.authority.issue("platform-command"))
        answered = command.command(url, "city", "corner", {"command": "pace"})
        assert answered["status"] == "done"
    finally:
        device.disconnect()
        device.loop_stop()


@pytest.mark.parametrize(
    ("url", "place", "tls"),
    [
        ("mqtt://somewhere", ("somewhere", 1883), False),
        ("mqtts://somewhere", ("somewhere", 8883), True),
        ("mqtts://us%40er:pass%2Fword@[::1]:9", ("::1", 9), True),
    ],
)
def test_the_scheme_decides_on_tls_and_port(url: str, place: tuple[str, int], tls: bool) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    assert reach.place(client, url, "platform-1") == place
    assert (client._ssl_context is not None) is tls


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@somewhere",
        "somewhere:1883",
        "mqtts:somewhere",
        "mqtt://somewhere?ca=ca.pem",
        "mqtts://somewhere?insecure=1",
        "mqtts://somewhere?ca=/nowhere/ca.pem",
    ],
)
def test_what_is_no_broker_is_refused_in_words(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        consumer.main([url, str(tmp_path / "platform.db")])
    told = capsys.readouterr().err
    assert "mqtts://" in told
    assert "secret" not in told
    with pytest.raises(ValueError, match="mqtts://"):
        command.command(url, "city", "corner", {})
