"""Promises of ``kerbwatch commission``: what is kept is good enough, private, and held against."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from agent import commissioning
from provisioning.cli import main
from tests.red_street import write_model

SITE = """
[site]
tenant = "t"
device_id = "d"
address = "example"
[[cameras]]
camera_id = "street"
driver = "synthetic"
settings = {{ width = 640, height = 360, seed = {seed} }}
[[zones]]
zone_id = "kerb"
camera_id = "street"
kind = "no_parking"
polygon = [[0.05, 0.4], [0.95, 0.4], [0.95, 0.95], [0.05, 0.95]]
[[zones]]
zone_id = "windows"
camera_id = "street"
kind = "mask"
polygon = [[0, 0], [0.5, 0], [0.5, 0.3], [0, 0.3]]
[storage]
state_dir = "state"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    (tmp_path / "site.toml").write_text(SITE.format(seed=0), encoding="utf-8")
    (tmp_path / "state").mkdir()
    return tmp_path


def command(*arguments: object) -> Result:
    told = [str(each) for each in arguments]
    return CliRunner(env={"KERBWATCH_LANGUAGE": "en"}).invoke(main, told)


def stills(folder: Path, picture: Any) -> Path:
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), picture)
    (folder / "timeline.json").write_text('[{"from_s": 0, "file": "0.png"}]', encoding="utf-8")
    return folder


def test_a_commissioning_picture_is_kept_for_nobody_else_to_read(site: Path) -> None:
    assert command("commission", site).exit_code == 0
    folder = site / "state" / commissioning.FOLDER
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} == {"street.png", "street.jpg"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())


def test_what_nobody_may_see_is_in_no_commissioning_picture(site: Path) -> None:
    command("commission", site)
    kept = commissioning.load(site / "state", "street")
    assert kept is not None
    assert kept.luma[:50, :150].max() == 0
    picture = cv2.imread(str(kept.picture))
    assert picture is not None
    assert picture[:90, :300].max() < 20


def test_a_dark_or_blurred_picture_is_refused_and_the_old_one_stays(site: Path) -> None:
    command("commission", site)
    before = (site / "state" / commissioning.FOLDER / "street.png").read_bytes()
    dark = stills(site / "dark", np.full((360, 640, 3), 4, np.uint8))
    flat = stills(site / "flat", np.full((360, 640, 3), 120, np.uint8))
    for folder, reason in ((dark, "mean brightness"), (flat, "no detail")):
        done = command("commission", site, "--from", f"street={folder}")
        assert done.exit_code == 1
        assert reason in done.output
    assert (site / "state" / commissioning.FOLDER / "street.png").read_bytes() == before


def test_a_picture_file_will_do(site: Path) -> None:
    picture = np.kron(np.random.default_rng(1).integers(40, 200, (18, 32, 3)), np.ones((20, 20, 1)))
    cv2.imwrite(str(site / "corner.png"), picture.astype(np.uint8))
    done = command("commission", site, "--from", f"street={site / 'corner.png'}", "--json")
    assert (done.exit_code, json.loads(done.output)) == (0, {"refused": {"street": []}})


def test_which_cameras_have_a_picture_is_shown(site: Path) -> None:
    none = command("commission", site, "--show")
    assert (none.exit_code, "no commissioning picture" in none.output) == (1, True)
    command("commission", site)
    told = json.loads(command("commission", site, "--show", "--json").output)
    assert Path(told["street"]["picture"]).is_file()


def test_a_damaged_commissioning_picture_is_none(site: Path) -> None:
    command("commission", site)
    path = site / "state" / commissioning.FOLDER / "street.png"
    path.write_bytes(path.read_bytes()[:60])
    assert commissioning.load(site / "state", "street") is None
    path.write_bytes(b"")
    assert commissioning.load(site / "state", "street") is None


def views(site: Path) -> list[dict[str, str]]:
    document = json.loads(command("check", site, "--json").output)
    return [row for row in document["findings"] if "commission" in row["what"]]


def test_check_says_what_became_of_the_view_since_it_was_commissioned(site: Path) -> None:
    [missing] = views(site)
    assert (missing["severity"], "no commissioning picture" in missing["what"]) == ("note", True)
    command("commission", site)
    assert views(site) == []
    covered = np.full((360, 640, 3), 90, np.uint8)
    covered[:, ::64] = 140  # some detail of its own
    covered[::64] = 140
    folder = stills(site / "covered", covered)
    text = (site / "site.toml").read_text(encoding="utf-8")
    settings = f'driver = "picture_folder"\nsettings = {{ folder = "{folder}", until_s = 9 }}'
    text = text.replace('driver = "synthetic"', settings)
    text = text.replace("settings = { width = 640, height = 360, seed = 0 }\n", "")
    (site / "site.toml").write_text(text, encoding="utf-8")
    [changed] = views(site)
    assert changed["severity"] == "warning"
    assert "not as commissioned" in changed["what"]
