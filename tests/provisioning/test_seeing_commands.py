"""Promises of ``kerbwatch picture`` and ``kerbwatch dry-run``."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from provisioning.rendering import drawing
from tests.support.command_line import kerbwatch
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.staged_clips import BUNDLED, replayed

__all__ = ["corner_at"]


def zones_without(tmp_path: Path, zone_id: str) -> Path:
    zones = json.loads((BUNDLED / "zones.json").read_text(encoding="utf-8"))["zones"]
    path = tmp_path / "proposed.json"
    left = [each for each in zones if each["zone_id"] != zone_id]
    path.write_text(json.dumps({"zones": left}), encoding="utf-8")
    return path


def test_a_dry_run_over_a_replay_says_what_its_zones_gave() -> None:
    done = kerbwatch("dry-run", BUNDLED, "--results", replayed(BUNDLED, 2).out)
    assert done.exit_code == 0
    assert "3 cases would have opened" in done.stdout
    for zone_id in ("pavement", "no-vending", "bin-1"):
        assert f" in {zone_id}, " in done.stdout


def test_other_zones_are_held_against_todays(tmp_path: Path) -> None:
    proposed = zones_without(tmp_path, "pavement")
    told = ("--results", replayed(BUNDLED, 2).out, "--zones", proposed)
    done = kerbwatch("dry-run", BUNDLED, *told)
    assert "misparked bike in pavement: would not open any more" in done.stdout
    found = json.loads(kerbwatch("dry-run", BUNDLED, *told, "--json").stdout)
    assert [(each["change"], each["case"]["zone_id"]) for each in found["differences"]] == [
        ("goes", "pavement")
    ]
    assert len(found["now"]["cases"]) == len(found["then"]["cases"]) + 1


def test_without_tracks_it_says_so(tmp_path: Path) -> None:
    done = kerbwatch("dry-run", BUNDLED, "--results", tmp_path)
    assert done.exit_code == 1
    assert "no tracks are kept yet" in done.stdout


def test_other_zones_that_are_none_are_refused_with_their_faults(tmp_path: Path) -> None:
    proposed = tmp_path / "zones.json"
    proposed.write_text('{"zones": [{"zone_id": "a"}]}', encoding="utf-8")
    done = kerbwatch("dry-run", BUNDLED, "--zones", proposed, "--results", replayed(BUNDLED, 2).out)
    assert done.exit_code == 3
    assert "polygon" in done.stderr


def cyan_in(path: Path) -> int:
    """How many pixels have the colour in which zones are drawn."""
    picture = np.asarray(cv2.imread(str(path)))
    return int((picture == np.array(drawing.CYAN)).all(axis=2).sum())


def test_a_picture_of_a_running_agent_is_written_with_its_zones(
    corner_at: type, tmp_path: Path
) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    plain, drawn = tmp_path / "plain.png", tmp_path / "drawn.png"
    for path, options in ((plain, ()), (drawn, ("--zones", "--seen"))):
        done = kerbwatch("picture", corner.folder, "--out", path, *options)
        assert done.exit_code == 0, done.stderr
        assert "sharpness" in done.stdout
    assert cyan_in(drawn) > 100
    assert cyan_in(plain) == 0


def test_where_no_agent_runs_no_picture_is_written(tmp_path: Path) -> None:
    corner = WatchedCorner(tmp_path)
    done = kerbwatch("picture", corner.folder, "--out", tmp_path / "none.jpg")
    assert done.exit_code == 4
    assert "no running agent answered" in done.stderr
    assert not (tmp_path / "none.jpg").exists()
