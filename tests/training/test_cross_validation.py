"""The bin state's folds: no place both teaches and judges, and what is told of them is true."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs training/requirements.txt")

from training.bin_classifier import calibration
from training.bin_classifier.cross_validation import divisions
from training.bin_classifier.train import Pool
from training.datasets.readers import BinPicture


def pools() -> dict[str, Pool]:
    """Two sets that share their groups, each group of two pictures, a quarter held out."""
    found = {}
    for name in ("one", "other"):
        items = [
            BinPicture(Path(f"{name}-{n}.jpg"), name, overflowing=n // 2 % 2 == 0)
            for n in range(48)
        ]
        groups = [f"g{n // 2}" for n in range(48)]
        found[name] = Pool(items, groups, ["held_out" if n >= 36 else "train" for n in range(48)])
    return found


def test_no_group_teaches_and_judges_in_a_fold_and_what_is_held_out_does_neither() -> None:
    found = pools()
    judged: list[str] = []
    for division in divisions(found, 3, 1):
        judging = {g for groups in division.groups.values() for g in groups}
        of = {i.path: g for p in found.values() for i, g in zip(p.items, p.groups, strict=True)}
        teaching = {of[item.path] for items in division.teaches.values() for item in items}
        assert judging
        assert not judging & teaching
        judged += [item.path.name for items in division.judges.values() for item in items]
    assert sorted(judged) == sorted(
        f"{name}-{n}.jpg" for name in ("one", "other") for n in range(36)
    )


def write(folder: Path, scale: float) -> calibration.Margins:
    random = np.random.default_rng(3)
    for fold in range(3):
        rows = []
        for n in range(400):
            margin = float(random.normal(0, 2))
            truth = bool(random.random() < 1 / (1 + np.exp(-margin)))
            told = [margin * scale + 1, margin * scale + 1]
            rows.append(
                {
                    "set": "bin_crops_shenzhen",
                    "file": f"{n}",
                    "group": f"{fold}/{n}",
                    "overflowing": truth,
                    "liner": n % 10 == 0,
                    "margins": told,
                }
            )
        content = {"epochs": 6, "rows": rows}
        (folder / f"fold-{fold}.json").write_text(json.dumps(content), encoding="utf-8")
    return calibration.read_margins(folder)


def test_an_overconfident_network_is_brought_back_to_what_it_is_worth(tmp_path: Path) -> None:
    rows = write(tmp_path, scale=5)
    scale, shift = calibration.fit(rows.margin, rows.truth)
    assert scale == pytest.approx(1 / 5, rel=0.2)
    assert shift == pytest.approx(-1 / 5, abs=0.15)
    # Each fold by the others alone: still nearly the probability that the margin was drawn with.
    score = calibration.probabilities(rows)
    assert np.abs(score - 1 / (1 + np.exp(-(rows.margin - 1) / 5))).mean() < 0.03


def test_the_table_tells_every_set_and_the_crops_with_a_liner(tmp_path: Path) -> None:
    rows = write(tmp_path, scale=1)
    told = calibration.expected(rows).splitlines()
    assert len(told) == 4
    assert "| 1200 (" in told[2]
    assert "| 120 (" in told[3]


def test_folds_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run the cross validation first"):
        calibration.read_margins(tmp_path)
