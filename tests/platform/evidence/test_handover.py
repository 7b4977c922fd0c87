"""What is handed over is verified by whoever has it, and every part that was touched since is named."""

from __future__ import annotations

import ast
import copy
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from kerbwatch_platform.contract import verify_handover
from kerbwatch_platform.evidence import signing
from kerbwatch_platform.evidence.commands import verify
from kerbwatch_platform.evidence.handover import HandoverError, handover
from kerbwatch_platform.evidence.stamps import settle_hour, stamp
from kerbwatch_platform.settings import Timestamps

from tests.support.evidence_desk import City, opened
from tests.support.timestamping import TimeStampingAuthority

PROGRAM = Path(verify_handover.__file__)
Files = dict[str, bytes]


@dataclass
class Handed:
    """A case that was handed over, with the keys that a receiver asks for."""

    city: City
    case_id: str
    zip: Path
    files: Files
    platform: Path
    device: Path
    authority: Path

    def holds(self, files: Files, *, keys: bool = True) -> str | None:
        """What the single file says is wrong with these; None: nothing."""
        path = self.zip.with_name("tampered.zip")
        path.write_bytes(zipped(files))
        given = [f"platform={self.platform}", f"device={self.device}"] if keys else []
        ran = subprocess.run(
            [sys.executable, "-I", str(PROGRAM), str(path), *given],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ran.stderr
        return ran.stderr or "?" if ran.returncode else None

    def sealed(self, files: Files) -> Files:
        """The same with a new seal, by the platform's key: who has that can put together what they like."""
        key = signing.key(self.city.settings.signing_key_file)
        told = payload(files["handover.jws"])
        told["files"] = {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
            for name, content in files.items()
            if name != "handover.jws"
        }
        return files | {"handover.jws": signing.counter_sign(key, told).encode()}


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return out.getvalue()


def payload(jws: bytes) -> Any:
    return json.loads(verify_handover.decode(jws.decode().split(".")[1]))


@pytest.fixture
def handed(city: City, tmp_path: Path) -> Handed:
    """A case of the middle of a chain, all of its pictures here, its hour stamped."""
    city.knows_the_key()
    city.device.packed()
    case_id = city.device.packed()
    city.device.packed()
    city.hears()
    for copied in city.copies(case_id).values():
        city.sends(copied)
    city.connection.execute(
        "INSERT INTO case_ticket (decision_id, tenant, device, case_id, ticket, account, at)"
        " VALUES (gen_random_uuid(), %s, %s, %s, '任务-7', 'li', now())",
        (*city.place, case_id),
    )
    (tmp_path / "tsa").mkdir()
    authority = TimeStampingAuthority(tmp_path / "tsa")
    ca = authority.folder / "ca.pem"
    told = Timestamps(url=authority.url, certificates_file=ca)
    with authority.running():
        settle_hour(city.connection, datetime.now(UTC) + timedelta(hours=1))
        assert stamp(city.connection, city.settings.model_copy(update={"timestamps": told})).signed
    content = handover(
        city.connection, city.settings, *city.place, case_id, "li", "致交警支队，案 2026-17"
    )
    path, platform, device = tmp_path / "handed.zip", tmp_path / "p.jwk", tmp_path / "d.jwk"
    path.write_bytes(content)
    own = signing.public_jwk(signing.key(city.settings.signing_key_file))
    platform.write_text(json.dumps(own))
    device.write_text(city.device.signer.public.model_dump_json())
    return Handed(city, case_id, path, opened(content), platform, device, ca)


def test_it_is_verified_by_the_single_file_and_by_the_command(handed: Handed) -> None:
    assert handed.holds(handed.files) is None
    assert handed.holds(handed.files, keys=False) is None
    given = ["--platform", str(handed.platform), "--device", str(handed.device)]
    done = CliRunner().invoke(
        verify, [str(handed.zip), *given, "--authority", str(handed.authority)]
    )
    assert done.exit_code == 0, done.output
    assert done.output.count("20") >= 2, "each record's time by the authority"
    assert "2 records" in done.output
    assert "4 pictures" in done.output


def test_it_has_what_is_there_of_the_case_and_nothing_of_others(handed: Handed) -> None:
    names = set(handed.files)
    assert {"events.json", "links.json", "keys.json", "report.json", "decisions.json"} < names
    assert {"README.txt", "README.zh-CN.txt", "handover.jws"} < names
    pictures = {name for name in names if name.startswith("pictures/")}
    copies = handed.city.copies(handed.case_id).values()
    assert pictures == {f"pictures/{hashlib.sha256(each).hexdigest()}.jpg" for each in copies}
    assert not any("original" in name for name in names)
    events = json.loads(handed.files["events.json"])
    assert {each["body"]["case_id"] for each in events} == {handed.case_id}
    assert "任务-7" in handed.files["decisions.json"].decode()
    assert len([name for name in names if name.startswith("timestamps/")]) == 4
    seal = payload(handed.files["handover.jws"])
    assert (seal["by"], seal["reason"]) == ("li", "致交警支队，案 2026-17")
    [row] = handed.city.rows("SELECT account, reason, sha256, jws, case_id FROM handover")
    sha256 = hashlib.sha256(handed.zip.read_bytes()).hexdigest()
    jws = handed.files["handover.jws"].decode()
    assert row == ("li", "致交警支队，案 2026-17", sha256, jws, handed.case_id)


def test_every_file_that_is_changed_removed_or_added_is_named(handed: Handed) -> None:
    for name, content in handed.files.items():
        told = handed.holds(handed.files | {name: content[:-1] + bytes([content[-1] ^ 1])})
        assert told, name
        without = {each: kept for each, kept in handed.files.items() if each != name}
        assert handed.holds(without), name
    assert "too many" in (handed.holds(handed.files | {"pictures/more.jpg": b"x"}) or "")


def test_a_platform_that_seals_what_the_device_never_signed_is_found_out(handed: Handed) -> None:
    """The seal says who handed it over; the records and pictures are the device's, and do not rest on the seal."""
    files = handed.files
    picture = next(name for name in files if name.startswith("pictures/"))
    record = next(name for name in files if name.startswith("records/"))
    other = b"\xff\xd8another picture"
    own = f"pictures/{hashlib.sha256(other).hexdigest()}.jpg"
    broken = json.loads(files["links.json"])
    longer = copy.deepcopy(broken)
    broken["runs"][0]["links"].pop(1)
    longer["runs"][0]["links"][1]["sha256"] = "0" * 64
    proof = next(
        name for name in files if name.startswith("timestamps/") and name.endswith(".json")
    )
    moved = json.loads(files[proof])
    moved["path"] = [hashlib.sha256(b"x").hexdigest(), *moved["path"][1:]]
    changes: dict[str, Files] = {
        "no record names it": {own: other},
        "the signature does not hold": {record: files[record][:-4] + b"AAAA"},
        "a link is missing": {"links.json": json.dumps(broken).encode()},
        "does not hold": {"links.json": json.dumps(longer).encode()},
        "another root": {proof: json.dumps(moved).encode()},
        "changed": {picture: other},
    }
    for words, change in changes.items():
        told = handed.holds(handed.sealed(files | change))
        assert told, words
        if words != "changed":
            assert words in told


def test_another_key_than_the_one_that_was_asked_for_is_named(handed: Handed) -> None:
    handed.platform, handed.device = handed.device, handed.platform
    assert "which was not given" in (handed.holds(handed.files) or "")


def test_what_is_not_proven_lies_apart_and_is_said(city: City) -> None:
    case_id = city.device.packed()
    city.hears()  # no birth has come: nobody has the device's key
    city.sends(city.copies(case_id)["begin"])
    files = opened(handover(city.connection, city.settings, *city.place, case_id, "li", "r"))
    assert not any(name.startswith(("records/", "pictures/")) for name in files)
    assert len([name for name in files if name.startswith("unverified/records/")]) == 2
    assert len([name for name in files if name.startswith("unverified/pictures/")]) == 1
    report = json.loads(files["report.json"])
    assert {each["why"] for each in report["records"]} == {"no_key"}
    states = {each["role"]: each["state"] for each in report["pictures"]}
    assert states == dict.fromkeys(("threshold", "close_up", "after"), "awaited") | {
        "begin": "unverified"
    }
    told = list(verify_handover.verify(files, {}))
    assert "NOT verified" in told[-1]


@pytest.mark.parametrize(
    "stage", ["../../../tmp/x", "..\\..\\x", "/etc/cron.d/x", "b" * 200, "<img>"]
)
def test_no_word_of_a_device_leads_out_of_the_folder_that_it_is_unpacked_in(
    city: City, stage: str, tmp_path: Path
) -> None:
    case_id = city.device.packed()
    city.hears()
    city.connection.execute("UPDATE evidence_record SET stage = %s", (stage,))
    content = handover(city.connection, city.settings, *city.place, case_id, "li", "r")
    records = {name for name in opened(content) if "records/" in name}
    assert {name.rsplit("-", 1)[0] for name in records} == {
        "unverified/records/1-unknown",
        "unverified/records/2-unknown",
    }
    path = tmp_path / "climbs.zip"
    path.write_bytes(zipped(opened(content) | {f"records/1-{stage}-0.jws": b""}))
    with pytest.raises(verify_handover.DoesNotHoldError, match="lead out"):
        verify_handover.read(path)


def test_a_file_that_has_gone_from_the_disk_is_said_and_the_rest_is_handed_over(
    handed: Handed,
) -> None:
    city = handed.city
    sha256 = hashlib.sha256(city.copies(handed.case_id)["begin"]).hexdigest()
    (city.settings.evidence_folder / sha256[:2] / sha256).unlink()
    again = handover(city.connection, city.settings, *city.place, handed.case_id, "li", "r")
    files = opened(again)
    assert f"pictures/{sha256}.jpg" not in files
    told = {each["sha256"]: each["why"] for each in json.loads(files["report.json"])["pictures"]}
    assert told[sha256] == "content_lost"
    assert handed.holds(files) is None


def test_the_chain_goes_as_far_as_no_record_is_missing(city: City) -> None:
    city.knows_the_key()
    case_id = city.device.packed()
    _, lost = city.device.events()
    city.device.packed()
    city.taken.add(lost.event_id)
    city.hears()
    files = opened(handover(city.connection, city.settings, *city.place, case_id, "li", "r"))
    [run] = json.loads(files["links.json"])["runs"]
    assert [each["number"] for each in run["links"]] == [1]
    assert list(verify_handover.verify(files, {}))
    city.taken.discard(lost.event_id)
    city.hears()
    files = opened(handover(city.connection, city.settings, *city.place, case_id, "li", "r"))
    [run] = json.loads(files["links.json"])["runs"]
    assert [each["number"] for each in run["links"]] == [1, 2, 3, 4]


def test_of_a_case_that_is_not_here_and_without_a_reason_nothing_is_handed_over(
    city: City,
) -> None:
    with pytest.raises(LookupError, match="no event of case"):
        handover(city.connection, city.settings, *city.place, "none", "li", "r")
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(ValueError, match="reason"):
            handover(city.connection, city.settings, *city.place, "none", "li", reason)
    assert city.rows("SELECT count(*) FROM handover") == [(0,)]


def test_a_key_that_cannot_be_used_is_not_the_askers_fault(city: City) -> None:
    case_id = city.device.packed(cleared=False)
    city.hears()
    city.settings.signing_key_file.parent.mkdir()
    city.settings.signing_key_file.write_text("no key")
    city.settings.signing_key_file.chmod(0o600)
    with pytest.raises(HandoverError, match="no Ed25519 key"):
        handover(city.connection, city.settings, *city.place, case_id, "li", "r")


def test_nothing_is_given_away_that_was_not_recorded(
    handed: Handed, connection: psycopg.Connection
) -> None:
    connection.execute("ALTER TABLE handover ADD CHECK (reason <> 'full disk')")
    city = handed.city
    with pytest.raises(psycopg.Error):
        handover(connection, city.settings, *city.place, handed.case_id, "li", "full disk")


def test_the_single_file_uses_nothing_of_ours() -> None:
    imported = {
        (each.module or "") if isinstance(each, ast.ImportFrom) else each.names[0].name
        for each in ast.walk(ast.parse(PROGRAM.read_text(encoding="utf-8")))
        if isinstance(each, ast.Import | ast.ImportFrom)
    }
    ours = {"json", "re", "sys", "zipfile", "base64", "collections", "hashlib", "pathlib", "typing"}
    assert {name.partition(".")[0] for name in imported} == ours | {"cryptography"}


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"no zip at all" * 10, zipped({}), zipped({"handover.jws": b"a.b.c", "keys.json": b"{}"}),
     zipped({"handover.jws": b"a.b.c", "keys.json": b"[" * 100_000})],
)  # fmt: skip
def test_what_is_no_hand_over_is_answered_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    command = [sys.executable, "-I", str(PROGRAM), str(tmp_path / "x.zip")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith("does not hold: ")
    assert len(ran.stderr.splitlines()) == 1
    done = CliRunner().invoke(verify, [str(tmp_path / "x.zip")])
    assert done.exit_code in {1, 5}
    assert done.exception is None or isinstance(done.exception, SystemExit)
