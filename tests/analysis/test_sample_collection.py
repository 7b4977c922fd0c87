"""Promises about the collection mode: consent, bounds, redaction, and the way to training."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.analysis.sample_collection import SampleCollection
from agent.config.schema import CollectionSection
from agent.domain.scene import Box, Detection, Doubt
from agent.protocol.base import ModelUsed
from agent.runtime.replay import replay
from agent.storage.paths import COLLECTION
from drivers.cameras import Frame, Picture
from tests.support.command_line import kerbwatch
from tests.support.scenes import frame_of, paving
from tests.support.staged_clips import BUNDLED, replayed, site_of
from training.datasets.reviewed import reviewed_bins, reviewed_streets

CONSENT = "operator's letter of consent, example"
MODEL = ModelUsed(name="street", version="1", sha256="0" * 64)
BIN = Doubt("bin-1", "bin", 0.52, Box(0.2, 0.2, 0.8, 0.8))
KIND = "overflowing_bin"
DAY_S = 86_400


def nobody(_: Picture) -> list[Detection]:
    return []


def told(**settings: object) -> CollectionSection:
    facts = {"consent": CONSENT, "min_gap_s": 60, **settings}
    return CollectionSection.model_validate(facts)


def collection(folder: Path, **settings: object) -> SampleCollection:
    return SampleCollection(folder, told(**settings), nobody, [MODEL])


def at(now_s: float) -> Frame:
    return frame_of(paving(), now_s)


def kept(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jpg"))


def test_without_consent_nothing_is_kept(tmp_path: Path) -> None:
    collection(tmp_path, consent=None).consider(KIND, [BIN], at(100))
    assert list(tmp_path.iterdir()) == []


def test_a_doubtful_crop_is_kept_with_its_facts_and_its_consent(tmp_path: Path) -> None:
    collection(tmp_path).consider(KIND, [BIN], at(100))
    [path] = kept(tmp_path)
    facts = json.loads(path.with_suffix(".json").read_text())
    assert facts["consent"] == CONSENT
    assert (facts["zone_id"], facts["score"]) == ("bin-1", 0.52)
    assert facts["models"] == [MODEL.model_dump()]
    assert facts["sha256"] == sha256(path.read_bytes()).hexdigest()
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[:2] == (108, 192), "the crop alone, not the street"


def test_heads_are_gone_from_what_is_kept(tmp_path: Path) -> None:
    person = Detection("person", 0.15, Box(0.3, 0.1, 0.5, 0.9))
    rough = np.random.default_rng(1).integers(0, 256, (180, 320)).astype(np.uint8)
    SampleCollection(tmp_path, told(), lambda _: [person], [MODEL]).consider(
        KIND, [BIN], frame_of(rough, 100)
    )
    [path] = kept(tmp_path)
    picture = cv2.imread(str(path))
    assert picture is not None
    head, ground = picture[12:30, 62:90], picture[60:100, 120:180]
    assert head.std() < ground.std() / 2
    assert json.loads(path.with_suffix(".json").read_text())["redacted_regions"] == 1


def test_a_zone_has_to_wait_for_its_next_crop_and_zones_do_not_wait_for_each_other(
    tmp_path: Path,
) -> None:
    crops = collection(tmp_path)
    for now_s in (100, 130, 159):
        crops.consider(KIND, [BIN], at(now_s))
    assert len(kept(tmp_path)) == 1
    crops.consider(KIND, [BIN, Doubt("bin-2", "bin", 0.5, BIN.box)], at(161))
    assert len(kept(tmp_path)) == 3


def test_the_number_a_day_holds_over_a_restart_and_the_next_day_begins_anew(tmp_path: Path) -> None:
    for begin_s in (0, 1000):
        crops = collection(tmp_path, per_day=3)
        for step in range(2):
            crops.consider(KIND, [BIN], at(begin_s + 100 * step))
    assert len(kept(tmp_path)) == 3
    crops.consider(KIND, [BIN], at(DAY_S))
    assert len(kept(tmp_path)) == 4


def test_the_quota_holds_over_a_restart(tmp_path: Path) -> None:
    collection(tmp_path).consider(KIND, [BIN], at(100))
    [path] = kept(tmp_path)
    quota_mb = path.stat().st_size / 1e6
    collection(tmp_path, quota_mb=quota_mb).consider(KIND, [BIN], at(1000))
    assert kept(tmp_path) == [path]


def test_no_leap_of_the_clock_deletes_what_was_collected(tmp_path: Path) -> None:
    crops = collection(tmp_path)
    crops.consider(KIND, [BIN], at(0))
    for days in (20_000, -20_000, 3):
        crops.consider(KIND, [BIN], at(days * DAY_S))
    assert len(kept(tmp_path)) == 4


def test_a_disk_that_takes_nothing_is_logged_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / KIND).write_text("a file where the folder should be")
    collection(tmp_path).consider(KIND, [BIN], at(100))
    assert "was not stored" in caplog.text


def site_in(folder: Path) -> Path:
    site = folder / "site"
    site.mkdir()
    for file in BUNDLED.iterdir():
        shutil.copy(file, site / file.name)
    text = (site / "site.toml").read_text(encoding="utf-8")
    text += f'\n[collection]\nconsent = "{CONSENT}"\n\n[storage]\nstate_dir = "state"\n'
    (site / "site.toml").write_text(text, encoding="utf-8")
    return site


def test_what_was_collected_is_copied_with_a_folder_for_each_answer(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    collection(site / "state" / COLLECTION).consider(KIND, [BIN], at(100))
    out = tmp_path / "out"
    shown = kerbwatch("collected", site, "--out", out, "--remove")
    assert shown.exit_code == 0, shown.output
    assert CONSENT in shown.output
    assert kept(site / "state") == []
    assert sorted(each.name for each in (out / KIND).iterdir()) == [
        "cannot_tell",
        "not_overflowing",
        "overflowing",
        "to_review",
    ]
    [crop] = kept(out)
    assert crop.with_suffix(".json").exists()


def test_nothing_is_deleted_that_was_not_copied(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    collection(site / "state" / COLLECTION).consider(KIND, [BIN], at(100))
    refused = kerbwatch("collected", site, "--remove")
    assert refused.exit_code == 2
    assert len(kept(site / "state")) == 1


def test_reviewed_crops_are_read_by_training_with_one_place_a_zone_and_day(tmp_path: Path) -> None:
    crops = collection(tmp_path / "state", min_gap_s=0)
    for now_s in (0, 100, DAY_S):
        crops.consider(KIND, [BIN], at(now_s))
    reviewed = tmp_path / KIND
    for folder, path in zip(
        ("overflowing", "not_overflowing", "overflowing"), kept(tmp_path / "state"), strict=True
    ):
        (reviewed / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, reviewed / folder)
    (reviewed / "cannot_tell").mkdir()
    shutil.copy(path, reviewed / "cannot_tell")
    found = reviewed_bins(reviewed)
    assert sorted(each.overflowing for each in found) == [False, True, True]
    assert {each.place for each in found} == {"bin-1@20260504", "bin-1@20260505"}


def test_a_picture_without_a_bike_teaches_the_detector_that_there_is_none(tmp_path: Path) -> None:
    for label in ("no_bike", "bike"):
        (tmp_path / "crops" / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "crops" / label / "a.jpg"), at(0).bgr())
    [found] = reviewed_streets(tmp_path)
    assert found.exhaustive == {"bicycle"}
    assert found.labels == ()


@pytest.mark.slow
def test_a_replay_with_consent_collects_what_was_doubtful_and_changes_no_event(
    tmp_path: Path,
) -> None:
    plain = replayed(BUNDLED, 2)
    collecting = site_of(BUNDLED).model_copy(update={"collection": told(min_gap_s=5)})
    report = replay(collecting, base=BUNDLED, frames_per_s=2, out=tmp_path)
    assert report.lines == plain.report.lines
    assert not (plain.out / COLLECTION).exists()
    crops = kept(tmp_path / COLLECTION)
    assert crops
    for path in crops:
        assert json.loads(path.with_suffix(".json").read_text())["consent"] == CONSENT
