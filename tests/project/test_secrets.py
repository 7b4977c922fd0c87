"""What a camera is reached by leaves the process by no way: marked secrets, and everything that is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.audit.camera_address import without_secrets
from agent.config.faults import ConfigError
from agent.config.loading import load
from drivers.cameras.rtsp import Settings
from tests.support.broker import Broker
from tests.support.network_camera import Manner, NetworkCamera
from tests.support.paths import ROOT
from tests.support.platform_client import Platform
from tests.support.ports import free_port
from tests.support.sites import as_toml, site_of, write_site
from tests.support.topics import PREFIX
from tests.support.waiting import wait_until

MARKS = ("m4rk-user", "m4rk-password", "m4rk-path", "m4rk-query", "m4rk-broker")
USER, PASSWORD, PATH, QUERY, BROKER = MARKS
ADDRESS = f"{PATH}/user={USER}&password={PASSWORD}?token={QUERY}"


def site_of_cameras(port: int, cameras: dict[str, tuple[str, int]]) -> dict[str, Any]:
    """A site with RTSP cameras by name, scheme and port, and a broker; each has a password."""
    sections = []
    for name, (scheme, camera_port) in cameras.items():
        settings = {
            "url": f"{scheme}://127.0.0.1:{camera_port}/{ADDRESS}",
            "user": USER,
            "password_file": "camera.password",
            "open_timeout_s": 1,
        }
        sections.append({"camera_id": name, "driver": "rtsp", "settings": settings})
    uplink = {
        "broker": f"mqtt://127.0.0.1:{port}",
        "username": "device",
        "password_file": "broker.password",
        "topic_prefix": PREFIX,
        "heartbeat_s": 1,
        "heartbeat_full_s": 0,
    }
    return site_of(cameras=sections, view_guard={"lost_after_s": 1}, uplink=uplink)


def site(folder: Path, broker: Broker, ports: dict[str, tuple[str, int]]) -> str:
    text = as_toml(site_of_cameras(broker.port, ports))
    (folder / "camera.password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    (folder / "broker.password").write_text(f"{BROKER}\n", encoding="utf-8")
    write_site(folder, text)
    return text


@contextmanager
def agent(folder: Path, log: Path) -> Iterator[None]:
    with log.open("ab") as opened:
        command = [sys.executable, "-m", "agent", str(folder)]
        process = subprocess.Popen(command, stdout=opened, stderr=opened, cwd=ROOT)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def heartbeats(platform: Platform) -> list[dict[str, object]]:
    told = [event.model_dump(mode="json") for event in platform.events]
    return [each["body"] for each in told if each["type"] == "device.heartbeat"]


def commanded(folder: Path, *words: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "provisioning.cli", *words, str(folder)],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "KERBWATCH_LANGUAGE": "en"},
        check=False,
        timeout=200,
    )
    return done.stdout + done.stderr


def leaks(said: dict[str, bytes]) -> list[tuple[str, str]]:
    return [
        (where, mark) for where, text in said.items() for mark in MARKS if mark.encode() in text
    ]


@pytest.mark.slow
def test_nothing_of_a_cameras_address_or_login_leaves_the_process(
    tmp_path: Path, start_broker: Callable[..., Broker]
) -> None:
    """Cameras that refuse the login, have no such stream, cannot show who they are, are not there."""
    folder, log = tmp_path / "site", tmp_path / "log"
    folder.mkdir()
    broker = start_broker(tls=False)
    said: dict[str, bytes] = {}
    with ExitStack() as held:
        refusing = held.enter_context(NetworkCamera(Manner(user=USER, password="other")))
        missing = held.enter_context(NetworkCamera(Manner(describe=404)))
        plain = held.enter_context(NetworkCamera(Manner()))
        platform = held.enter_context(broker.platform())
        ports = {
            "refusing": ("rtsp", refusing.port),
            "missing": ("http", missing.port),
            "untrusted": ("rtsps", plain.port),
            "absent": ("rtsp", free_port()),
        }
        good = site(folder, broker, ports)
        with agent(folder, log):
            wait_until(lambda: any(all_lost(each, ports) for each in heartbeats(platform)))
            said["watch"] = commanded(folder, "watch", "--once", "--json")
            wait_until((folder / "state" / "last-good-configuration.json").exists)
        broken = good.replace('url = "rtsp:', f'url = "rtsp://{USER}:{PASSWORD}@h", transport = "')
        for name, text in {
            "user in the url": good.replace("rtsp://", f"rtsp://{USER}:{PASSWORD}@"),
            "another scheme": good.replace("rtsp://", "ftp://"),
            "a broker with a password": good.replace("mqtt://", f"mqtt://{USER}:{BROKER}@"),
            "no driver": good.replace('driver = "rtsp"', f'driver = "rtsp://{USER}:{PASSWORD}@h"'),
            "no user": good.replace(f'user = "{USER}"', f'user = "{USER}:{PASSWORD}"'),
            "no TOML": broken,
        }.items():
            (folder / "site.toml").write_text(text, encoding="utf-8")
            said[f"validate: {name}"] = commanded(folder, "config", "validate")
            assert b"site.toml" in said[f"validate: {name}"]
        (folder / "site.toml").write_text(
            good.replace("rtsp://", f"rtsp://{USER}:{PASSWORD}@"), encoding="utf-8"
        )
        with agent(folder, log):
            wait_until(lambda: any(is_last_good(each) for each in heartbeats(platform)))
        (folder / "site.toml").write_text(good, encoding="utf-8")
        for words in (
            ("config", "show"),
            ("check",),
            ("check", "--json"),
            ("commission",),
            ("audit", "show"),
        ):
            said[" ".join(words)] = commanded(folder, *words)
        said["messages"] = b"\n".join(each.payload for each in platform.received)
    said["log"] = log.read_bytes()
    kept = folder / "state" / "last-good-configuration.json"
    assert kept.stat().st_mode & 0o077 == 0
    for path in (*(folder / "state").rglob("*"), *(folder / "run").rglob("*")):
        if path.is_file() and path != kept:
            said[str(path.relative_to(folder))] = path.read_bytes()
    assert b"refuses the user or the password" in said["log"]
    assert b"127.0.0.1" in said["config show"]
    assert leaks(said) == []


def all_lost(body: dict[str, object], names: dict[str, tuple[str, int]]) -> bool:
    told = body["cameras"]
    assert isinstance(told, dict)
    return set(told) == set(names) and not {"opening", "running"} & set(told.values())


def is_last_good(body: dict[str, object]) -> bool:
    told = body["configuration"]
    return isinstance(told, dict) and told["state"] == "last_good" and bool(told["faults"])


@pytest.mark.parametrize(
    "settings",
    [
        f'{{ url = "rtsp://{USER}:{PASSWORD}@h/{PATH}" }}',
        f'{{ url = "ftp://h/{PATH}?token={QUERY}" }}',
        f'{{ url = "rtsp://h:99999/{ADDRESS}" }}',
        f'{{ url = "rtsp://[h/{ADDRESS}" }}',
        f'{{ url = "rtsp://h/{PATH} {QUERY}" }}',
        f'{{ url = "rtsp://h/", user = "{USER}:{PASSWORD}", password_file = "p" }}',
        f'{{ url = "rtsp://h/", transport = "rtsp://{USER}:{PASSWORD}@h" }}',
        f'{{ url = "rtsp://h/", password = "{PASSWORD}" }}',
        f'{{ url = ["rtsp://h/{ADDRESS}"] }}',
        f'{{ url = "rtsp://h/", open_timeout_s = "/user={USER}&password={PASSWORD}" }}',
    ],
)
def test_a_fault_of_the_configuration_repeats_nothing_of_an_address(
    tmp_path: Path, settings: str
) -> None:
    head = '[site]\ntenant = "t"\ndevice_id = "d"\naddress = "x"\n'
    text = f'{head}[[cameras]]\ncamera_id = "c"\ndriver = "rtsp"\nsettings = {settings}\n'
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    said = {
        "faults": json.dumps(refused.value.faults).encode(),
        "text": str(refused.value).encode(),
    }
    assert leaks(said) == []


def test_what_an_older_agent_knew_of_an_address_is_neither_kept_nor_told_as_a_change(
    tmp_path: Path,
) -> None:
    write_site(tmp_path, site_of_cameras(1883, {"street": ("rtsp", 554)}))
    told = load(tmp_path).shown(by_alias=False)["cameras"][0]["settings"]
    place = "cameras.street.settings."
    old = {f"{place}url": f'"rtsp://127.0.0.1:554/{ADDRESS}', f"{place}user": f'"{USER}"'}
    assert without_secrets(old) == {
        f"{place}{name}": json.dumps(told[name], ensure_ascii=False) for name in ("url", "user")
    }


def test_settings_show_neither_address_nor_user() -> None:
    settings = Settings(url=f"rtsp://h/{ADDRESS}", user=USER, password_file=Path("p"))
    assert leaks({"repr": repr(settings).encode()}) == []
