"""What is handed over is verified by whoever has it, and every part that was touched since is named."""

from __future__ import annotations

import ast
import copy
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kerbwatch_platform.contract import verify_handover
from kerbwatch_platform.evidence import files, signing
from kerbwatch_platform.evidence.commands import verify
from kerbwatch_platform.evidence.handover import HandoverError, TooMuchError, handover
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
    content = city.hands_over(case_id, "li", "致交警支队，案 2026-17")
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


def test_a_verdicts_signature_holds_for_the_case_that_is_handed_over_alone(
    handed: Handed,
) -> None:
    city, key = handed.city, signing.key(handed.city.settings.signing_key_file)

    def decided(case_id: str = handed.case_id, **signed: str) -> Files:
        told = {"command": "verdict", "case_id": case_id, "verdict": "valid", "reference": "desk 1"}
        row = {"verdict": "valid", "of_case": None, "reference": "desk 1", "account": "li"}
        jws = signing.sign_order(key, *city.place, told | signed)
        verdicts = {"verdicts": [row | {"jws": jws}], "tickets": []}
        return handed.sealed(handed.files | {"decisions.json": json.dumps(verdicts).encode()})

    assert handed.holds(decided()) is None
    assert "1 verdicts of reviewers" in "".join(verify_handover.verify(decided(), {}))
    for changed in (
        decided("another-case"),
        decided(verdict="false"),
        decided(reference="desk 2"),
        decided(duplicate_of="another-case"),
        decided(command="ticket"),
    ):
        assert "signed for something else" in (handed.holds(changed) or "")
    key = Ed25519PrivateKey.generate()
    assert "0 verdicts of reviewers, signed with the same key; 1 with another" in "".join(
        verify_handover.verify(decided("another-case"), {})
    )


def test_another_key_than_the_one_that_was_asked_for_is_named(handed: Handed) -> None:
    handed.platform, handed.device = handed.device, handed.platform
    assert "which was not given" in (handed.holds(handed.files) or "")


def test_what_is_not_proven_lies_apart_and_is_said(city: City) -> None:
    case_id = city.device.packed()
    city.hears()  # no birth has come: nobody has the device's key
    city.sends(city.copies(case_id)["begin"])
    files = opened(city.hands_over(case_id, "li", "r"))
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


def test_who_reads_chinese_is_told_in_chinese_and_of_no_authority_that_vouched_for_nothing(
    city: City, tmp_path: Path
) -> None:
    case_id = city.device.packed()
    city.knows_the_key()
    city.hears()
    path = tmp_path / "handed.zip"
    path.write_bytes(city.hands_over(case_id, "li", "r"))
    chinese = {"KERBWATCH_LANGUAGE": "zh_CN", "PYTHONIOENCODING": "utf-8"}
    alone = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", str(PROGRAM), str(path)],
        env=chinese,
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    command = CliRunner().invoke(verify, [str(path)], env=chinese).output
    assert command == alone
    lines = alone.splitlines()
    assert "由 li 于 " in lines[0]
    assert "没有任何记录带有时间戳机构的时间戳" in lines
    assert all(re.search("[\u4e00-\u9fff]", line) for line in lines)
    english = CliRunner().invoke(verify, [str(path)], env={"KERBWATCH_LANGUAGE": "en"}).output
    assert "no record has an authority's timestamp" in english
    assert "certificate" not in english
    spoiled = tmp_path / "spoiled.zip"
    spoiled.write_bytes(zipped(opened(path.read_bytes()) | {"events.json": b"[]"}))
    ran = CliRunner().invoke(verify, [str(spoiled)], env=chinese)
    assert (ran.exit_code, ran.output.strip()) == (1, "不成立：events.json：已被改动")


@pytest.mark.parametrize(
    "stage", ["../../../tmp/x", "..\\..\\x", "/etc/cron.d/x", "b" * 200, "<img>"]
)
def test_no_word_of_a_device_leads_out_of_the_folder_that_it_is_unpacked_in(
    city: City, stage: str, tmp_path: Path
) -> None:
    case_id = city.device.packed()
    city.hears()
    city.connection.execute("UPDATE evidence_record SET stage = %s", (stage,))
    content = city.hands_over(case_id, "li", "r")
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
    again = city.hands_over(handed.case_id, "li", "r")
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
    files = opened(city.hands_over(case_id, "li", "r"))
    [run] = json.loads(files["links.json"])["runs"]
    assert [each["number"] for each in run["links"]] == [1]
    assert list(verify_handover.verify(files, {}))
    city.taken.discard(lost.event_id)
    city.hears()
    files = opened(city.hands_over(case_id, "li", "r"))
    [run] = json.loads(files["links.json"])["runs"]
    assert [each["number"] for each in run["links"]] == [1, 2, 3, 4]


def test_of_a_case_that_is_not_here_and_without_a_reason_nothing_is_handed_over(
    city: City,
) -> None:
    with pytest.raises(LookupError, match="no event of case"):
        city.hands_over("none", "li", "r")
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(ValueError, match="reason"):
            city.hands_over("none", "li", reason)
    assert city.rows("SELECT count(*) FROM handover") == [(0,)]


def test_a_key_that_cannot_be_used_is_not_the_askers_fault(city: City) -> None:
    case_id = city.device.packed(cleared=False)
    city.hears()
    city.settings.signing_key_file.parent.mkdir()
    city.settings.signing_key_file.write_text("no key")
    city.settings.signing_key_file.chmod(0o600)
    with pytest.raises(HandoverError, match="no Ed25519 key"):
        city.hands_over(case_id, "li", "r")


def test_nothing_is_given_away_that_was_not_recorded(
    handed: Handed, connection: psycopg.Connection
) -> None:
    connection.execute("ALTER TABLE handover ADD CHECK (reason <> 'full disk')")
    city, out = handed.city, io.BytesIO()
    with pytest.raises(psycopg.Error):
        handover(connection, city.settings, *city.place, handed.case_id, "li", "full disk", out)


def test_what_is_more_than_a_zip_may_hold_is_refused_by_its_sizes_before_a_file_is_read(
    handed: Handed, monkeypatch: pytest.MonkeyPatch
) -> None:
    city, case_id = handed.city, handed.case_id
    monkeypatch.setattr("kerbwatch_platform.evidence.handover.MOST_FILES", len(handed.files))
    assert set(opened(city.hands_over(case_id))) == set(handed.files), "as many as there may be"
    monkeypatch.setattr("kerbwatch_platform.evidence.handover.MOST_FILES", len(handed.files) - 1)
    with pytest.raises(TooMuchError, match=f"^{len(handed.files)} files"):
        city.hands_over(case_id)
    monkeypatch.undo()
    sizes = "UPDATE evidence_file SET size_bytes = {} WHERE sha256 = (SELECT min(sha256) FROM evidence_file)"
    shutil.rmtree(city.settings.evidence_folder)
    for size_bytes in (64_000_001, 256_000_000):
        city.connection.execute(sizes.format(size_bytes).encode())
        with pytest.raises(TooMuchError):
            city.hands_over(case_id)
    assert city.rows("SELECT count(*) FROM handover") == [(2,)]


def test_a_large_packet_and_many_events_are_never_in_memory_as_a_whole(
    handed: Handed, tmp_path: Path
) -> None:
    city = handed.city
    packet = os.urandom(1_000_000) * 40
    sha256 = files.put(city.settings.evidence_folder, packet)
    del packet
    city.connection.execute(
        "INSERT INTO evidence_file (tenant, device, sha256, case_id, kind, size_bytes, path, over, state)"
        " VALUES (%s, %s, %s, %s, 'packet', 40000000, %s, 'hand', 'verified')",
        (*city.place, sha256, handed.case_id, files.path_of(sha256)),
    )
    city.connection.execute(
        "INSERT INTO event (tenant, device, event_id, type, test, raw)"
        " SELECT tenant, device, event_id || n, 'case.persisting', false, jsonb_set(raw, '{body,more}',"
        "   to_jsonb(repeat('x', 10000)))"
        " FROM (SELECT * FROM event WHERE case_id = %s LIMIT 1) AS one, generate_series(1, 1000) AS n",
        (handed.case_id,),
    )
    tracemalloc.start()
    with (tmp_path / "large.zip").open("w+b") as out:
        handover(city.connection, city.settings, *city.place, handed.case_id, "li", "r", out)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 10_000_000
    read = verify_handover.read(tmp_path / "large.zip")
    assert len(json.loads(read["events.json"])) > 1000
    assert list(verify_handover.verify(read, {}))


def test_a_packet_that_has_gone_from_the_disk_is_said_and_the_rest_is_handed_over(
    handed: Handed,
) -> None:
    city, sha256 = handed.city, "a" * 64
    city.connection.execute(
        "INSERT INTO evidence_file (tenant, device, sha256, case_id, kind, size_bytes, path, over, state)"
        " VALUES (%s, %s, %s, %s, 'packet', 4, %s, 'hand', 'verified')",
        (*city.place, sha256, handed.case_id, files.path_of(sha256)),
    )
    handed_over = opened(city.hands_over(handed.case_id))
    assert json.loads(handed_over["report.json"])["packets_lost"] == [sha256]
    assert handed.holds(handed_over) is None


def test_the_single_file_uses_nothing_of_ours() -> None:
    imported = {
        (each.module or "") if isinstance(each, ast.ImportFrom) else each.names[0].name
        for each in ast.walk(ast.parse(PROGRAM.read_text(encoding="utf-8")))
        if isinstance(each, ast.Import | ast.ImportFrom)
    }
    ours = {
        "json",
        "os",
        "re",
        "sys",
        "zipfile",
        "base64",
        "collections",
        "hashlib",
        "pathlib",
        "typing",
    }
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
