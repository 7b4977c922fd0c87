"""Settings are checked whole: what is wrong is told at once, by place, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform.settings import SettingsError, load

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
database = "host=/run/postgresql dbname=platform"
broker = "mqtts://platform:secret@broker.city.example:8883?ca=ca.pem"
evidence_folder = "/srv/evidence"
signing_key_file = "/etc/kerbwatch-platform/key.pem"
"""
BAD = """\
database = "the platform"
broker = "mqtt://platform:secret@localhost:99999999"
prefix = "kerbwatch/#"
share = "a/b"
evidence_folder = "/srv/evidence"
signing_key_file = "/etc/kerbwatch-platform/key.pem"
time_zone = "Mars/Olympus"
workers = 0

[timestamps]
url = "file:///etc/passwd"
certificates_file = "/etc/ca.pem"
"""


def settings(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_fault_is_told_at_once_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(settings(tmp_path, BAD))
    places = [place for place, _ in caught.value.faults]
    assert places == [
        "database",
        "broker",
        "prefix",
        "share",
        "workers",
        "time_zone",
        "timestamps.url",
    ]
    assert "secret" not in str(caught.value.faults)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("broker", "http://localhost"),
        ("broker", "mqtt://"),
        ("broker", "amqp://localhost:0"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", ""),
        ("prefix", "a//b"),
        ("prefix", "+/v2"),
    ],
)
def test_what_is_no_setting_is_refused(tmp_path: Path, key: str, value: str) -> None:
    text = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(key))
    with pytest.raises(SettingsError) as caught:
        load(settings(tmp_path, f'{text}{key} = "{value}"\n'))
    assert [place for place, _ in caught.value.faults] == [key]


def test_what_is_right_is_taken(tmp_path: Path) -> None:
    assert load(settings(tmp_path, GOOD)).time_zone == "Asia/Shanghai"
