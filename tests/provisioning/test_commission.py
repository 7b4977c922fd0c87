"""Promises of ``kerbwatch commission``: what is kept is good enough, private, and held against."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agent import inference
from agent.analysis import reference_image
from agent.domain.scene import Box, crop
from agent.perception.redaction import CELLS
from agent.storage.paths import COMMISSIONING
from tests.support.command_line import kerbwatch
from tests.support.paths import ROOT
from tests.support.red_bike_model import write_model
from tests.support.sites import as_toml, drawn_camera, site_of, write_site, zone

VIDEOS = ROOT.parent / "shared" / "data" / "videos"

SITE = site_of(
    site={"tenant": "t", "device_id": "d"},
    cameras=[drawn_camera(width=640, height=360, seed=0)],
    zones=[
        zone(polygon=[[0.05, 0.4], [0.95, 0.4], [0.95, 0.95], [0.05, 0.95]]),
        zone(zone_id="windows", kind="mask", polygon=[[0, 0], [0.5, 0], [0.5, 0.3], [0, 0.3]]),
    ],
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    write_site(tmp_path, SITE)
    (tmp_path / "state").mkdir()
    return tmp_path


def stills(folder: Path, picture: Any) -> Path:
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), picture)
    (folder / "timeline.json").write_text('[{"from_s": 0, "file": "0.png"}]', encoding="utf-8")
    return folder


def test_a_commissioning_picture_is_kept_for_nobody_else_to_read(site: Path) -> None:
    assert kerbwatch("commission", site).exit_code == 0
    folder = site / "state" / COMMISSIONING
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} == {"street.png", "street.jpg"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())


def test_what_nobody_may_see_is_in_no_commissioning_picture(site: Path) -> None:
    kerbwatch("commission", site)
    kept = reference_image.load(site / "state", "street")
    assert kept is not None
    assert kept.luma[:50, :150].max() == 0
    picture = cv2.imread(str(kept.picture))
    assert picture is not None
    assert picture[:90, :300].max() < 20


def test_a_dark_or_blurred_picture_is_refused_and_the_old_one_stays(site: Path) -> None:
    kerbwatch("commission", site)
    before = (site / "state" / COMMISSIONING / "street.png").read_bytes()
    dark = stills(site / "dark", np.full((360, 640, 3), 4, np.uint8))
    flat = stills(site / "flat", np.full((360, 640, 3), 120, np.uint8))
    for folder, reason in ((dark, "mean brightness"), (flat, "no detail")):
        done = kerbwatch("commission", site, "--from", f"street={folder}")
        assert done.exit_code == 1
        assert reason in done.output
    assert (site / "state" / COMMISSIONING / "street.png").read_bytes() == before


def test_a_picture_file_will_do(site: Path) -> None:
    picture = np.kron(np.random.default_rng(1).integers(40, 200, (18, 32, 3)), np.ones((20, 20, 1)))
    cv2.imwrite(str(site / "corner.png"), picture.astype(np.uint8))
    done = kerbwatch("commission", site, "--from", f"street={site / 'corner.png'}", "--json")
    assert (done.exit_code, json.loads(done.output)) == (0, {"refused": {"street": []}})


def test_which_cameras_have_a_picture_is_shown(site: Path) -> None:
    none = kerbwatch("commission", site, "--show")
    assert (none.exit_code, "no reference image" in none.output) == (1, True)
    kerbwatch("commission", site)
    told = json.loads(kerbwatch("commission", site, "--show", "--json").output)
    assert Path(told["street"]["picture"]).is_file()


def test_a_damaged_commissioning_picture_is_none(site: Path) -> None:
    kerbwatch("commission", site)
    path = site / "state" / COMMISSIONING / "street.png"
    path.write_bytes(path.read_bytes()[:60])
    assert reference_image.load(site / "state", "street") is None
    path.write_bytes(b"")
    assert reference_image.load(site / "state", "street") is None


PEOPLE_FROM_S, PEOPLE_S = 26, 2
"""In the example clip a group of people walks past then."""


def with_people(path: Path) -> Path:
    """The seconds of the example clip in which people are in view, as a recording of their own."""
    source = cv2.VideoCapture(str(ROOT / "examples" / "street" / "clip.mp4"))
    frames_per_s = source.get(cv2.CAP_PROP_FPS)
    source.set(cv2.CAP_PROP_POS_MSEC, PEOPLE_FROM_S * 1000)
    size = int(source.get(cv2.CAP_PROP_FRAME_WIDTH)), int(source.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), frames_per_s, size)
    for _ in range(int(PEOPLE_S * frames_per_s)):
        read, picture = source.read()
        assert read
        writer.write(picture)
    writer.release()
    source.release()
    return path


def commissioned(folder: Path, clip: Path) -> Path:
    """Commission a street whose camera shows the clip, with the command itself; gives its state folder."""
    text = as_toml(SITE).replace('driver = "synthetic"', 'driver = "video_file"')
    text = text.replace("width = 640, height = 360, seed = 0", f'path = "{clip}"')
    write_site(folder, text)
    done = subprocess.run(
        [sys.executable, "-m", "provisioning.cli", "commission", folder, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"refused": {"street": []}}
    return folder / "state"


def assert_heads_are_gone(state_dir: Path) -> None:
    """In both pictures, of everybody whom the shipped model still sees in the colour one."""
    kept = reference_image.load(state_dir, "street")
    assert kept is not None
    colour = np.asarray(cv2.imread(str(kept.picture)), np.uint8)
    seen = inference.open_detector("street", 1).detect_faint(colour)
    people = [each.box for each in seen if each.label == "person" and each.confidence > 0.4]
    assert people, "there must be people in view, or nothing is tested"
    for person in people:
        head = Box(person.left, person.top, person.right, person.top + 0.15 * person.height)
        grey = crop(kept.luma, head)
        assert len(np.unique(grey)) <= 2 * CELLS * CELLS  # its own patches, and a neighbour's


@pytest.mark.slow
def test_a_street_with_people_in_view_is_commissioned(tmp_path: Path) -> None:
    state_dir = commissioned(tmp_path, with_people(tmp_path / "clip.mp4"))
    assert_heads_are_gone(state_dir)
    shown = kerbwatch("commission", tmp_path, "--show")
    assert (shown.exit_code, "street.jpg" in shown.output) == (0, True)


@pytest.mark.slow
@pytest.mark.skipif(
    not VIDEOS.exists(), reason="the real clips are not part of the project (../shared/data/videos)"
)
@pytest.mark.parametrize(
    "name", ["dev_pedestrians_vtest.mp4", "dev_traffic_intersection_opendatacam.mp4"]
)
def test_a_real_street_with_people_or_vehicles_in_view_is_commissioned(
    name: str, tmp_path: Path
) -> None:
    kept = reference_image.load(commissioned(tmp_path, VIDEOS / name), "street")
    assert kept is not None
    assert kept.luma.std() > 10


def views(site: Path) -> list[dict[str, str]]:
    document = json.loads(kerbwatch("check", site, "--json").output)
    looked_at = {"camera_reference", "camera_view"}
    return [
        row for row in document["findings"] if row["code"] in looked_at and row["severity"] != "ok"
    ]


@pytest.mark.slow
def test_check_says_what_became_of_the_view_since_it_was_commissioned(site: Path) -> None:
    [missing] = views(site)
    assert missing["severity"] == "warning"
    assert "no reference image" in missing["what"]
    kerbwatch("commission", site)
    assert views(site) == []
    covered = np.full((360, 640, 3), 90, np.uint8)
    covered[:, ::64] = 140  # some detail of its own
    covered[::64] = 140
    folder = stills(site / "covered", covered)
    text = (site / "site.toml").read_text(encoding="utf-8")
    settings = f'driver = "picture_folder"\nsettings = {{ folder = "{folder}", until_s = 9 }}'
    text = text.replace('driver = "synthetic"', settings)
    text = text.replace("settings = { width = 640, height = 360, seed = 0 }\n", "")
    write_site(site, text)
    [changed] = views(site)
    assert changed["severity"] == "warning"
    assert "differs from its reference image" in changed["what"]
