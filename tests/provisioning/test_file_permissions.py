"""Who may read what the commands write, and what no picture of theirs shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import save_model

from agent.domain.scene import Box
from provisioning.rendering.masks import Masks
from tests.support.command_line import adopt, kerbwatch
from tests.support.paths import ROOT
from tests.support.red_bike_model import write_model
from tests.support.red_bike_site import write_red_site
from tests.support.red_models import red_graph
from tests.support.scenes import zone
from tests.support.waiting import wait_until

WINDOW = [[0.8, 0.0], [1.0, 0.0], [1.0, 0.3], [0.8, 0.3]]
IN_WINDOW = (slice(40, 60), slice(560, 600))
"""Rows and columns of the picture that lie well within it."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_model(tmp_path / "models")
    write_red_site(tmp_path / "site")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    with (tmp_path / "site" / "site.toml").open("a") as opened:
        opened.write('[storage]\nstate_dir = "state"\nrun_dir = "run"\n')
    os.umask(0o022)  # whatever the machine's own is
    return tmp_path / "site"


def draw_window(site: Path) -> None:
    drawn = json.loads((site / "zones.json").read_text())
    mask = {"zone_id": "window", "camera_id": "street", "kind": "mask", "polygon": WINDOW}
    (site / "zones.json").write_text(json.dumps({"zones": [*drawn["zones"], mask]}))


def open_to_others(folder: Path) -> list[str]:
    """What below a folder anybody but its owner may read or write; the folder itself too."""
    found = [folder, *folder.rglob("*")]
    assert len(found) > 1, f"nothing was written to {folder}"
    modes = {}
    for path in found:
        with suppress(FileNotFoundError):  # renamed meanwhile by an agent that is at work
            modes[path] = path.stat().st_mode & 0o777
    return [f"{path}: {mode:o}" for path, mode in modes.items() if mode & 0o077]


def test_what_a_replay_writes_is_for_nobody_else(site: Path, tmp_path: Path) -> None:
    out, state, show = tmp_path / "out", tmp_path / "kept", tmp_path / "show"
    done = kerbwatch("replay", site, "--out", out, "--state", state, "--show", show)
    assert done.exit_code == 0, done.output
    assert [open_to_others(folder) for folder in (out, state, show)] == [[], [], []]
    assert list(show.glob("*.jpg"))
    assert list((out / "evidence").glob("*/*.jpg"))


def test_the_strip_of_a_case_is_for_nobody_else(site: Path, tmp_path: Path) -> None:
    kerbwatch("replay", site, "--out", tmp_path / "out")
    done = kerbwatch("explain", tmp_path / "out", "--strip", tmp_path / "strips" / "case.png")
    assert done.exit_code == 0, done.output
    assert open_to_others(tmp_path / "strips") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("-m", "agent"), ("-m", "provisioning.cli", "run")], ids=" ".join
)
def test_what_the_agent_writes_is_for_nobody_else(site: Path, command: tuple[str, ...]) -> None:
    """Both entries, with a umask that leaves everything open."""
    text = (site / "site.toml").read_text()
    live = '"clip.mp4", pace = "real_time", loop = true'  # it does not end by itself
    (site / "site.toml").write_text(text.replace('"clip.mp4"', live))
    agent = subprocess.Popen(
        [sys.executable, "-P", *command, str(site)],
        cwd=ROOT,
        umask=0o000,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: list(site.glob("state/evidence/*/threshold.jpg")))
        wait_until((site / "run" / "status.json").exists)
        assert open_to_others(site / "state") == []
        assert open_to_others(site / "run") == []
    finally:
        agent.terminate()
        agent.wait(60)


def test_crops_and_commissioning_pictures_are_for_nobody_else(site: Path, tmp_path: Path) -> None:
    crops = site / "state" / "collection" / "misparked_bike"
    crops.mkdir(parents=True)
    (crops / "20260301T080000000000Z~kerb~bike.jpg").write_bytes(b"crop")
    done = kerbwatch("collected", site, "--out", tmp_path / "usb")
    assert done.exit_code == 0, done.output
    assert open_to_others(tmp_path / "usb") == []
    done = kerbwatch("commission", site)
    assert done.exit_code == 0, done.output
    assert open_to_others(site / "state" / "commissioning") == []


def test_a_model_that_was_adopted_is_for_everybody_to_read(tmp_path: Path) -> None:
    """The agent is another user than the technician."""
    graph = red_graph("yolov8")
    graph.metadata_props.add(key="names", value="{0: 'motorbike'}")
    save_model(graph, str(tmp_path / "published.onnx"))
    folder = tmp_path / "models" / "taken"
    assert adopt(tmp_path / "published.onnx", folder.parent, "yolov8").exit_code == 0
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*")} == {0o644}
    assert folder.parent.stat().st_mode & 0o777 == 0o755
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_command_leaves_the_umask_of_its_process_alone(site: Path) -> None:
    """It may be called from a program that goes on."""
    kerbwatch("config", "validate", site)
    assert os.umask(0o022) == 0o022


def window_of(picture: np.ndarray) -> np.ndarray:
    return picture[IN_WINDOW]


def test_what_is_masked_is_in_no_picture_that_a_replay_shows(site: Path, tmp_path: Path) -> None:
    kerbwatch("replay", site, "--show", tmp_path / "open", "--show-every", "2")
    draw_window(site)
    kerbwatch("replay", site, "--show", tmp_path / "masked", "--show-every", "2")
    for name, hidden in {"open": False, "masked": True}.items():
        pictures = [cv2.imread(str(path)) for path in (tmp_path / name).glob("*.jpg")]
        assert pictures
        assert {float(window_of(each).mean()) < 8 for each in pictures if each is not None} == {
            hidden
        }


def test_a_mask_drawn_later_holds_for_the_strip_of_an_earlier_case(
    site: Path, tmp_path: Path
) -> None:
    kerbwatch("replay", site, "--state", site / "state", "--out", tmp_path / "out")
    (tmp_path / "out" / "evidence").rename(site / "state" / "evidence")
    strips = {}
    for name in ("open", "masked"):
        done = kerbwatch("explain", site, "--strip", tmp_path / f"{name}.png")
        assert done.exit_code == 0, done.output
        strips[name] = cv2.imread(str(tmp_path / f"{name}.png"))
        draw_window(site)
    open_, hidden = strips["open"], strips["masked"]
    assert open_ is not None
    assert hidden is not None
    assert open_.shape == hidden.shape
    wide_px = 640 * 360 // 360
    for left in range(0, 2 * wide_px, wide_px):  # begin, threshold: each as high as the strip
        at = (slice(28 + 40, 28 + 60), slice(left + 560, left + 600))
        assert hidden[at].max() == 0
        assert open_[at].mean() > 30


def test_a_part_of_a_picture_goes_black_if_a_mask_may_reach_into_it() -> None:
    masks = Masks((zone("mask", ((0.8, 0), (1, 0), (1, 0.3), (0.8, 0.3))),))
    crop = np.full((20, 20, 3), 200, np.uint8)
    assert masks.over_part(crop, [Box(0.7, 0.1, 0.78, 0.2)]).max() == 0
    assert masks.over_part(crop, [Box(0.1, 0.5, 0.2, 0.6)]).min() == 200
