"""``replay --show``: what is seen, drawn on pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from provisioning.cli import main
from provisioning.rendering import drawing
from tests.support.red_bike_model import write_model
from tests.support.red_bike_site import write_red_site


def test_a_replay_draws_every_change_of_a_case_and_a_picture_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "models")
    write_red_site(tmp_path / "site")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    show = tmp_path / "show"
    arguments = ["replay", str(tmp_path / "site"), "--show", str(show), "--show-every", "2"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in show.glob("*.jpg"))
    assert any("opened-misparked_bike" in name for name in names)
    assert any("cleared-misparked_bike" in name for name in names)
    assert 4 <= len(names) <= 8
    [opened] = show.glob("*opened*")
    picture = cv2.imread(str(opened))
    assert picture is not None
    assert picture.shape == (360, 640, 3)
    yellowish = (picture[:, :, 0] > 200) & (picture[:, :, 1] > 150) & (picture[:, :, 2] < 90)
    assert yellowish.sum() > 200  # the zone's outline


def test_chinese_in_a_label_does_not_become_rubbish() -> None:
    picture = np.zeros((60, 200, 3), np.uint8)
    drawing.write(picture, "路口", (10, 30), drawing.GREEN)
    assert picture.any()
