"""A device for a desk that has none: the agent of this source tree, a process that watches a drawn street.

Nothing of the agent is imported: it is started as anybody would start it, with a site in a folder.
"""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kerbwatch_platform.local.broker import kept_secret
from kerbwatch_platform.local.supervisor import Program

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Settings

NAME = "demo-device"
_TREE = Path(__file__).parents[4]
_STREET = Path("examples") / "street"
_CLIP = 'settings = { path = "clip.mp4" }'
_SHOWN = 'settings = {{ path = {clip}, pace = "real_time", loop = true }}'
_MORE = """

# Beside what the example says: where this one keeps its state, and whom it tells.
[storage]
state_dir = {state}
run_dir = {run}

[uplink]
broker = "mqtt://127.0.0.1:{port}"
topic_prefix = {prefix}
username = {login}
password_file = {password}
confirm = "platform"
receipt_timeout_s = 20
heartbeat_s = 30
"""
_AUTHORITY = """
[[authorities]]
role = "{role}"
key_file = {key}
"""
_ROLES = ("reviewer", "evidence")
_SITE = 'codes_profile = "gbt-47678-5"'
_CITY = """\
# Made up like the street itself, and as a real site's are written; a real site has them from the city and the
# surveyor. 340202 is the division in which the made-up address lies; XXXXXX stands where street and community would.
division_code = "340202"
grid_code = "340202XXXXXX001"
department_code = "1"
department_name = "示例主管部门"
sla_s = 45
coordinates = { longitude = 118.37, latitude = 31.35, crs = "CGCS2000" }
"""
_PLACES = {
    "pavement": ("示例人行道", "Example pavement", "1", "1", (118.37004, 31.35002)),
    "bay": ("示例非机动车停放区", "Example cycle bay", "1", "1", (118.36996, 31.35001)),
    "no-vending": ("示例禁止经营区", "Example no-vending area", "2", "2", (118.37006, 31.35003)),
    "bin-1": ("示例垃圾箱 1", "Example bin 1", "2", "3", (118.37001, 31.35005)),
}
"""What tells the street's zones apart: their names, the numbers of a made-up grid and an example unit, and where a
drawing would lie if it lay anywhere: longitude and latitude."""


@dataclass(frozen=True, slots=True)
class Device:
    """What the desk must know of it."""

    login: str
    password: str
    program: Program


def tree() -> Path | None:
    """The source tree with the agent in it; None: the platform was installed without it."""
    needed = ("agent/__main__.py", f"{_STREET}/site.toml", f"{_STREET}/clip.mp4")
    return _TREE if all((_TREE / each).is_file() for each in needed) else None


def device(tree: Path, folder: Path, settings: Settings, port: int, public_key: str) -> Device:
    """Write its site, and say how it is started.

    Args:
        tree: The source tree.
        folder: For its site and its state.
        settings: The platform's.
        port: The broker's.
        public_key: Of the desk, in PEM: whose orders it obeys.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    street = tree / _STREET
    text = (street / "site.toml").read_text(encoding="utf-8")
    for line in (_CLIP, _SITE):
        if line not in text:
            raise ValueError(f"{street}/site.toml has no line {line}")
    site = tomllib.loads(text)["site"]
    login = f"{site['tenant']}/{site['device_id']}"
    facts = {
        "state": str(folder / "state"),
        "run": str(folder / "run"),
        "prefix": settings.prefix,
        "login": login,
        "password": str(folder / "password"),
    }
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}
    clip = json.dumps(str(street / "clip.mp4"), ensure_ascii=False)
    (folder / "desk.pub").write_text(public_key, encoding="ascii")
    key = json.dumps(str(folder / "desk.pub"), ensure_ascii=False)
    text = text.replace(_SITE, f"{_SITE}\n{_CITY}")
    text = text.replace(_CLIP, _SHOWN.format(clip=clip)) + _MORE.format(port=port, **quoted)
    text += "".join(_AUTHORITY.format(role=role, key=key) for role in _ROLES)
    (folder / "site.toml").write_text(text, encoding="utf-8")
    zones = json.loads((street / "zones.json").read_text(encoding="utf-8"))
    named = {"zones": [each | _filed(each["zone_id"]) for each in zones["zones"]]}
    (folder / "zones.json").write_text(json.dumps(named, ensure_ascii=False), encoding="utf-8")
    # The desk and its device go by one clock, which need not be set by a time source (a container has none).
    command = (sys.executable, "-m", "provisioning.cli", "run", str(folder), "--orders-from-here")
    program = Program(NAME, command, rank=3, folder=tree, patience_s=60.0)
    return Device(login, kept_secret(folder / "password"), program)


def _filed(zone_id: str) -> dict[str, object]:
    """What an example city files of a zone; nothing of one that has no name here."""
    if zone_id not in _PLACES:
        return {}
    zh, en, grid, unit, (longitude, latitude) = _PLACES[zone_id]
    return {
        "name": {"zh": zh, "en": en},
        "address": f"{zh}（渲染街景，非真实地点；坐标和单元网格码均为虚构）",
        "grid_code": f"340202XXXXXX{grid:0>3}",
        "responsible_unit": f"示例责任单位 {unit}",
        "responsible_unit_id": f"example-unit-{unit}",
        "coordinates": {"longitude": longitude, "latitude": latitude, "crs": "CGCS2000"},
    }
