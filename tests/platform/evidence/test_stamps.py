"""An authority signs every hour's records; one that is down is asked again, and another's answer is not taken."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform.contract import timestamp
from kerbwatch_platform.evidence.stamps import proof_of, settle_hour, stamp
from kerbwatch_platform.settings import Settings, Timestamps

from tests.support.evidence_desk import City
from tests.support.timestamping import TimeStampingAuthority

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def later() -> datetime:
    """After the hour in which this test ends, whenever that is."""
    return datetime.now(UTC) + timedelta(hours=2)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeStampingAuthority]:
    made = TimeStampingAuthority(tmp_path_factory.mktemp("authority"))
    with made.running():
        yield made


@pytest.fixture
def settings(settings: Settings, authority: TimeStampingAuthority) -> Settings:
    authority.answers = "signs"
    told = Timestamps(url=authority.url, certificates_file=authority.folder / "ca.pem")
    return settings.model_copy(update={"timestamps": told})


def test_every_record_of_an_hour_has_a_proof_that_the_published_program_verifies(
    city: City, later: datetime, tmp_path: Path
) -> None:
    city.device.packed()
    city.device.packed()
    ids = city.hears()
    assert proof_of(city.connection, *city.place, ids[0]) is None
    assert settle_hour(city.connection, later) == 4
    done = stamp(city.connection, city.settings)
    assert (done.signed, done.waiting, done.failed) == (1, 0, None)
    for event_id in ids:
        proof = proof_of(city.connection, *city.place, event_id)
        assert proof is not None
        [(jws,)] = city.rows(f"SELECT jws FROM evidence_record WHERE event_id = '{event_id}'")
        (tmp_path / "proof.json").write_text(json.dumps(proof.told))
        (tmp_path / "record.jws").write_text(jws)
        (tmp_path / "token.tsr").write_bytes(proof.token)
        (tmp_path / "ca.pem").write_bytes(proof.authority)
        command = [
            sys.executable,
            timestamp.__file__,
            "verify",
            "proof.json",
            "record.jws",
            "token.tsr",
        ]
        ran = subprocess.run([*command, "ca.pem"], cwd=tmp_path, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr
    assert city.rows("SELECT stamped_at IS NOT NULL, tries, failed FROM evidence_hour") == [
        (True, 1, None)
    ]


def test_an_hour_is_closed_once_and_what_comes_later_is_of_the_next(
    city: City, later: datetime
) -> None:
    assert settle_hour(city.connection, later) == 0, "of nothing there is no hour"
    city.device.packed(cleared=False)
    city.hears()
    assert settle_hour(city.connection, later - timedelta(hours=3)) == 0
    assert settle_hour(city.connection, later) == 1
    city.device.packed(cleared=False)
    city.hears()
    assert settle_hour(city.connection, later) == 0
    assert settle_hour(city.connection, later + timedelta(hours=1)) == 1
    assert city.rows("SELECT records FROM evidence_hour ORDER BY hour") == [(1,), (1,)]


@pytest.mark.parametrize("answers", ["breaks", "rambles", "lies"])
def test_what_is_no_signature_over_this_root_is_not_taken_and_the_hour_is_tried_again(
    city: City, later: datetime, authority: TimeStampingAuthority, answers: str
) -> None:
    city.device.packed(cleared=False)
    city.hears()
    settle_hour(city.connection, later)
    [(root,)] = city.rows("SELECT root FROM evidence_hour")
    authority.answers = answers
    done = stamp(city.connection, city.settings)
    assert (done.signed, done.waiting) == (0, 1)
    assert done.failed
    assert city.rows("SELECT token, tries FROM evidence_hour") == [(None, 1)]
    authority.answers = "signs"
    assert stamp(city.connection, city.settings).signed == 1
    assert city.rows("SELECT root, tries, failed FROM evidence_hour") == [(root, 2, None)]


def test_an_authority_that_answers_byte_by_byte_is_hung_up_on(
    city: City,
    later: datetime,
    authority: TimeStampingAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    city.device.packed(cleared=False)
    city.hears()
    settle_hour(city.connection, later)
    monkeypatch.setattr("kerbwatch_platform.evidence.stamps.WITHIN_S", 2.0)
    authority.answers = "drips"
    done = stamp(city.connection, city.settings)
    assert (done.signed, done.waiting) == (0, 1)
    assert done.failed == "TimeoutError: the authority gave no whole answer within 2 s"


def test_an_authority_that_is_down_keeps_nothing_else_from_happening(
    city: City, later: datetime
) -> None:
    city.device.packed(cleared=False)
    city.hears()
    settle_hour(city.connection, later)
    assert city.settings.timestamps is not None
    nobody = city.settings.timestamps.model_copy(update={"url": "http://127.0.0.1:9/tsa"})
    done = stamp(city.connection, city.settings.model_copy(update={"timestamps": nobody}))
    assert (done.signed, done.waiting) == (0, 1)
    assert "Connect" in (done.failed or "")
    without = city.settings.model_copy(update={"timestamps": None})
    assert stamp(city.connection, without).failed is None, "nobody chose an authority"
