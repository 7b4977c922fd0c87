"""A real Mosquitto on loopback, with TLS and client certificates made for the occasion."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from agent.config.schema import UplinkSection
from tests.support.certificates import Authority
from tests.support.platform_client import Platform
from tests.support.ports import free_port, listens
from tests.support.topics import DEVICE, PREFIX
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Broker:
    """One Mosquitto: started, stopped, killed and started again on the same port."""

    def __init__(self, program: str, folder: Path, *options: str, tls: bool = True) -> None:
        self._program, self._folder, self.tls = program, folder, tls
        self.authority = Authority(folder / "pki", "Test CA")
        self.port = free_port()
        certificate_file, key_file = self.authority.issue("broker", server=True)
        self.device_files = self.authority.issue(DEVICE)
        self._platform_files = self.authority.issue("platform")
        self._configuration = folder / "mosquitto.conf"
        secured = [
            f"cafile {self.authority.certificate_file}",
            f"certfile {certificate_file}",
            f"keyfile {key_file}",
            "require_certificate true",
            "use_identity_as_username true",
        ]
        lines = [
            f"listener {self.port} 127.0.0.1",
            *(secured if tls else ["allow_anonymous true"]),
            "user root",
            "persistence true",
            f"persistence_location {folder}/",
            # 0 would be "no limit", but then 2.0.11 drops whom it has refused a publish.
            "max_queued_messages 1000000",
            *options,
        ]
        self._configuration.write_text("\n".join(lines) + "\n", encoding="ascii")
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the platform's programs find it, with the platform's certificate if it wants one."""
        return self._url(self._platform_files)

    def url_of(self, name: str) -> str:
        """The same for somebody else, with a certificate of their own."""
        return self._url(self.authority.issue(name))

    def _url(self, identity: tuple[Path, Path]) -> str:
        if not self.tls:
            return f"mqtt://127.0.0.1:{self.port}"
        certificate_file, key_file = identity
        files = {"ca": self.authority.certificate_file, "certificate": certificate_file}
        return f"mqtts://127.0.0.1:{self.port}?{urlencode(files | {'key': key_file})}"

    def start(self) -> None:
        log = (self._folder / "mosquitto.log").open("ab")
        with log:
            self._running = subprocess.Popen(
                [self._program, "-c", self._configuration], stdout=log, stderr=log
            )
        wait_until(self._listens)

    def stop(self) -> None:
        """End it in order: it keeps what it has acknowledged."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def reload(self) -> None:
        """Have it read its files again."""
        self.send_signal(signal.SIGHUP)

    def send_signal(self, number: signal.Signals) -> None:
        assert self._running is not None
        self._running.send_signal(number)

    def log(self) -> str:
        return (self._folder / "mosquitto.log").read_text(encoding="utf-8")

    def settings(self, **changes: Any) -> UplinkSection:
        """What a device needs to reach it; impatient, so that the tests are not long."""
        certificate_file, key_file = self.device_files
        values: dict[str, Any] = {
            "topic_prefix": PREFIX,
            "reconnect_max_s": 0.2,
            "connect_timeout_s": 5,
            "heartbeat_full_s": 0,
        }
        if self.tls:
            values |= {
                "broker": f"mqtts://127.0.0.1:{self.port}",
                "ca_file": self.authority.certificate_file,
                "certificate_file": certificate_file,
                "key_file": key_file,
            }
        else:
            values |= {"broker": f"mqtt://127.0.0.1:{self.port}", "username": DEVICE}
        return UplinkSection.model_validate(values | changes)

    def platform(self, name: str = "platform", *, lasting: bool = False) -> Platform:
        """A subscriber to everything; ``lasting``: its session outlives its connection."""
        return Platform(self, name, self._platform_files, lasting=lasting)

    def _end(self, number: signal.Signals) -> None:
        if self._running is not None:
            self._running.send_signal(number)
            self._running.wait(60)
            self._running = None

    def _listens(self) -> bool:
        assert self._running is not None
        assert self._running.poll() is None, self.log()
        return listens(self.port)


@pytest.fixture(scope="session")
def mosquitto() -> str:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("no mosquitto here; ./check installs it (apt package mosquitto)")
    return program


@pytest.fixture
def start_broker(mosquitto: str, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Start a broker with further lines of configuration, or without TLS."""
    brokers: list[Broker] = []

    def start(*options: str, tls: bool = True) -> Broker:
        broker = Broker(mosquitto, tmp_path / f"broker-{len(brokers)}", *options, tls=tls)
        brokers.append(broker)
        broker.start()
        return broker

    yield start
    for broker in brokers:
        broker.kill()


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    return start_broker()
