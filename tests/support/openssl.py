"""Keys and certificates as a city's IT makes them, shown by a broker and tried on it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from agent.config.schema import UplinkSection
from agent.delivery.link_errors import LinkError
from agent.delivery.mqtt_connection import Connection
from tests.support.broker import Broker
from tests.support.topics import DEVICE, STATE


def openssl(folder: Path, script: str) -> None:
    """Make keys and certificates as a city's IT does."""
    done = subprocess.run(
        ["bash", "-ec", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


MOSQUITTOS_MANUAL = """
openssl req -new -x509 -days 30 -extensions v3_ca -keyout ca.key -out ca.crt -nodes -subj /CN=Old
for each in server device; do
  openssl genrsa -out $each.key 2048
  openssl req -out $each.csr -key $each.key -new -subj /CN=localhost
  openssl x509 -req -in $each.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out $each.crt -days 30
done
"""
"""mosquitto-tls(7), without its questions: an authority without keyUsage, and a name in CN alone."""


def settings_of(
    broker: Broker, folder: Path, host: str = "localhost", **changes: Any
) -> UplinkSection:
    files = {"ca_file": "ca.crt", "certificate_file": "device.crt", "key_file": "device.key"}
    told = {name: folder / file for name, file in files.items()}
    return broker.settings(**{**told, "broker": f"mqtts://{host}:{broker.port}", **changes})


def shows(broker: Broker, folder: Path, certificate: str = "server.crt") -> None:
    """Let a broker show other certificates than those it was made with."""
    broker.stop()
    pki = broker.authority.certificate_file.parent
    for source, target in {"ca.crt": "ca.pem", certificate: "broker.pem"}.items():
        shutil.copy(folder / source, pki / target)
    shutil.copy(folder / Path(certificate).with_suffix(".key"), pki / "broker.key")
    broker.start()


def connects(settings: UplinkSection) -> str | None:
    """Why it does not; None if it does."""
    connection = Connection(settings, client_id=DEVICE, will=(STATE, b""))
    try:
        connection.open()
    except LinkError as error:
        return error.reason
    finally:
        connection.close()
    return None
