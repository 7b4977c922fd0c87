"""Sites as people write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.faults import ConfigError
from agent.config.loading import load

if TYPE_CHECKING:
    from pathlib import Path


SITE = """
[site]
tenant = "example"
device_id = "corner-1"
address = "Example Road 1"

[[cameras]]
camera_id = "street"
driver = "video_file"
settings = { path = "clip.mp4" }

[scenarios.misparked_bikes]
allowed_s = 10
"""


SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


def zone(**changes: Any) -> dict[str, Any]:
    return {
        "zone_id": "kerb",
        "camera_id": "street",
        "kind": "no_parking",
        "polygon": SQUARE,
        **changes,
    }


def write(folder: Path, site: str = SITE, zones: Any = None) -> Path:
    (folder / "site.toml").write_text(site, encoding="utf-8")
    if zones is not None:
        (folder / "zones.json").write_text(json.dumps(zones), encoding="utf-8")
    return folder


def faults(folder: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(folder)
    return caught.value.faults
