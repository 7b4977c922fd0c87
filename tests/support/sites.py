"""A site as a technician writes it: a small one of which every part can be another, and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.faults import ConfigError
from agent.config.loading import load
from tests.support.topics import DEVICE, PREFIX, TENANT

if TYPE_CHECKING:
    from agent.config.schema import UplinkSection
    from tests.support.certificates import Authority

Table = dict[str, Any]
KERB = [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]
"""Nearly the whole picture."""


def site_of(**tables: Any) -> Table:
    """The tables of a site with one drawn camera, whose folders lie beside it.

    What is given stands instead of a table or comes beside them, None leaves one out; of ``site``
    it is single facts.
    """
    facts = {"tenant": TENANT, "device_id": DEVICE, "address": "example"}
    small: Table = {
        "site": facts | tables.pop("site", {}),
        "cameras": [drawn_camera()],
        "storage": {"state_dir": "state", "run_dir": "run"},
        "models": {
            "verifier": ""
        },  # where a test has networks of its own, the shipped one is no help
    }
    return {name: table for name, table in (small | tables).items() if table is not None}


def standing_bike_site(**tables: Any) -> Table:
    """One where something red stands for ever that may not stand longer than ten seconds."""
    told: Table = {
        "cameras": [drawn_camera(seconds=100_000, frames_per_s=5, things=[red_thing()])],
        "scenarios": {"misparked_bikes": {"allowed_s": 10}},
        "zones": [zone()],
    }
    return site_of(**told | tables)


def drawn_camera(camera_id: str = "street", **settings: Any) -> Table:
    """A camera that draws its street."""
    camera: Table = {"camera_id": camera_id, "driver": "synthetic"}
    return camera | {"settings": settings} if settings else camera


def red_thing(**changes: float) -> Table:
    """What the red model calls a bicycle, to stand in a drawn street: by default for ever."""
    return {"colour": "#dc1414", "left": 0.45, "top": 0.4, "width": 0.15, "height": 0.27} | changes


def zone(**changes: Any) -> Table:
    """Nearly the whole picture of the camera ``street``, where nobody may park."""
    kerb = {"zone_id": "kerb", "camera_id": "street", "kind": "no_parking", "polygon": KERB}
    return kerb | changes


def uplink_table(settings: UplinkSection) -> Table:
    """What a site says of its uplink to have these settings."""
    told = settings.model_dump(mode="json", exclude_unset=True)
    return {name: value for name, value in told.items() if value is not None}


def write_site(folder: Path, site: Mapping[str, Any] | str, zones: Any = None) -> Path:
    """Write ``site.toml`` and, if there are, ``zones.json`` into a folder; gives the folder."""
    text = site if isinstance(site, str) else as_toml(site)
    (folder / "site.toml").write_text(text, encoding="utf-8")
    if zones is not None:
        (folder / "zones.json").write_text(json.dumps(zones), encoding="utf-8")
    return folder


def write_uplink_site(
    folder: Path,
    port: int,
    *,
    host: str = "127.0.0.1",
    scheme: str = "mqtts",
    state: str = "state",
    authority: Authority | None = None,
    identity: tuple[Path, Path] | None = None,
) -> Path:
    """Write a site that tells a broker, by these files."""
    uplink: dict[str, Any] = {"broker": f"{scheme}://{host}:{port}", "topic_prefix": PREFIX}
    uplink["connect_timeout_s"] = 20
    if authority is not None:
        uplink["ca_file"] = authority.certificate_file
    if identity is not None:
        uplink["certificate_file"], uplink["key_file"] = identity
    site = site_of(
        scenarios={"misparked_bikes": {}},
        zones=[zone()],
        storage={"state_dir": state, "run_dir": "run"},
        uplink=uplink,
    )
    return write_site(folder, site)


def faults_of(folder: Path) -> tuple[str, ...]:
    """What is wrong with a site's files; that nothing is fails the test."""
    with pytest.raises(ConfigError) as caught:
        load(folder)
    return caught.value.faults


def as_toml(tables: Mapping[str, Any]) -> str:
    """Tables as people write them: a head for each, tables in them on one line."""
    written: list[str] = []
    for name, table in tables.items():
        if isinstance(table, list):
            written += [f"[[{name}]]\n{_lines(each)}" for each in table]
        elif table and all(isinstance(value, Mapping) for value in table.values()):
            written += [f"[{name}.{inner}]\n{_lines(value)}" for inner, value in table.items()]
        else:
            written.append(f"[{name}]\n{_lines(table)}")
    return "\n".join(written)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)


CLIP_SITE = site_of(
    site={"tenant": "example", "address": "Example Road 1"},
    cameras=[{"camera_id": "street", "driver": "video_file", "settings": {"path": "clip.mp4"}}],
    storage=None,
    scenarios={"misparked_bikes": {"allowed_s": 10}},
)
"""One that judges a clip beside it."""
