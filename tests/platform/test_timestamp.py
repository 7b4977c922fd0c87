"""An hour's manifests are signed by an authority, and that holds when every certificate of then is over."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ld_preload import build
from tests.support.openssl import openssl
from tests.support.packed_cases import PackingDevice
from tests.support.paths import ROOT, SUPPORT
from tests.support.programs import program
from tests.support.timestamping import AUTHORITY

PROGRAM = ROOT / "examples/platform/kerbwatch_platform/contract/timestamp.py"
TREE: dict[str, Any] = {"__name__": "timestamp_example"}
exec(compile(PROGRAM.read_text(encoding="utf-8"), PROGRAM, "exec"), TREE)
TWO_YEARS_S = 2 * 365 * 86_400
# The vectors of RFC 6962's reference implementation: leaves, and the roots of the first so many of them.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
LEAVES += ["606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def leaves(count: int) -> list[bytes]:
    return [TREE["leaf"](bytes.fromhex(each)) for each in LEAVES[:count]]


@pytest.mark.parametrize("count", ROOTS)
def test_the_tree_is_that_of_rfc_6962(count: int) -> None:
    assert TREE["root_of"](leaves(count)).hex() == ROOTS[count]


@given(count=st.integers(1, 40), data=st.data())
def test_every_path_leads_to_the_root_and_no_other_leaf_or_place_does(
    count: int, data: st.DataObject
) -> None:
    many = [TREE["leaf"](bytes([n])) for n in range(count)]
    index = data.draw(st.integers(0, count - 1))
    root, path = TREE["root_of"](many), TREE["path_of"](many, index)
    assert TREE["root_by"](many[index], index, count, path) == root
    assert TREE["root_by"](TREE["leaf"](b"other"), index, count, path) != root
    for wrong in (path[:-1], [*path, bytes(32)]):
        try:
            assert TREE["root_by"](many[index], index, count, wrong) != root or wrong == path
        except ValueError:
            continue


@dataclass
class Hour:
    """Manifests of an hour with their token, in a folder."""

    folder: Path
    records: list[str] = field(default_factory=list)
    clock: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, later: bool = False) -> subprocess.CompletedProcess[str]:
        environment = self.clock if later else {}
        command = [sys.executable, "-I", str(PROGRAM), *words]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def verified(self, record: str, proof: str = "proof.json", *, later: bool = False) -> bool:
        words = ("verify", proof, record, "token.tsr", "ca.pem")
        return self.run(*words, later=later).returncode == 0


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Hour:
    folder = tmp_path_factory.mktemp("hour")
    device = PackingDevice(folder)
    device.packed()
    device.packed()
    hour = Hour(folder)
    for event in device.events():
        hour.records.append(f"record-{event.body.number}.jws")
        (folder / hour.records[-1]).write_text(event.body.jws)
    device.database.close()
    openssl(folder, AUTHORITY)
    assert hour.run("hour", "hour.json", "request.tsq", *hour.records).returncode == 0
    openssl(folder, "openssl ts -reply -queryfile request.tsq -config tsa.cnf -out token.tsr")
    assert hour.run("proof", "hour.json", hour.records[1], "proof.json").returncode == 0
    build(program("gcc"), SUPPORT / "pretended_clock.c", folder / "clock.so")
    (folder / "later").write_bytes(struct.pack("qq", TWO_YEARS_S * 10**9, 1))
    library, told = str(folder / "clock.so"), str(folder / "later")
    hour.clock = {"LD_PRELOAD": library, "PRETENDED_CLOCK": told}
    return hour


def test_a_manifest_of_the_hour_is_verified_without_a_network(hour: Hour) -> None:
    done = hour.run("verify", "proof.json", hour.records[1], "token.tsr", "ca.pem")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("20")


def test_two_years_later_with_every_certificate_over_it_still_is(hour: Hour) -> None:
    year = "import datetime; print(datetime.date.today().year)"
    now, later = (
        subprocess.run(
            [sys.executable, "-I", "-c", year], env=env, capture_output=True, text=True, check=True
        ).stdout
        for env in ({}, hour.clock)
    )
    assert int(later) - int(now) in {1, 2}, "the clock of the process is moved"
    assert hour.verified(hour.records[1], later=True)
    # And by OpenSSL, which takes the authority's certificate for over unless it is told a time.
    root = bytes.fromhex(json.loads((hour.folder / "hour.json").read_text())["root"])
    (hour.folder / "root").write_bytes(root)
    command = "ts", "-verify", "-data", "root", "-in", "token.tsr", "-CAfile", "ca.pem"
    for words, holds in (((), False), (("-attime", str(int(time.time()))), True)):
        done = subprocess.run(
            ["openssl", *command, *words],
            cwd=hour.folder,
            env=hour.clock | {"PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) is holds, done.stderr


def test_a_line_end_behind_a_record_changes_nothing_and_what_is_no_record_is_refused(
    hour: Hour,
) -> None:
    """A shell that reads records out of a database puts one behind; a question that was wrong gives nothing."""
    record = (hour.folder / hour.records[1]).read_bytes()
    (hour.folder / "line.jws").write_bytes(record + b"\n")
    assert hour.verified("line.jws")
    for content in (b"", b"\n", b"Error: no such column", record + b"\n" + record):
        (hour.folder / "none.jws").write_bytes(content)
        done = hour.run("hour", "none.json", "none.tsq", hour.records[0], "none.jws")
        assert done.returncode == 1
        assert "none.jws holds no compact signature" in done.stderr
        assert not (hour.folder / "none.json").exists(), "no hour is begun without it"


def test_a_wrong_call_says_how_it_is_called_and_a_missing_file_which_one(hour: Hour) -> None:
    for words in ((), ("hour", "hour.json"), ("proof", "hour.json"), ("year", "a", "b", "c")):
        done = hour.run(*words)
        assert done.returncode == 1
        assert "python timestamp.py verify PROOF.json" in done.stderr
    done = hour.run("hour", "none.json", "none.tsq", "record-*.jws")
    assert "record-*.jws" in done.stderr
    assert "Traceback" not in done.stderr
    other = "eyJ9.eyJ9.AAAA"
    (hour.folder / "other.jws").write_text(other)
    assert "is not among the records" in hour.run("proof", "hour.json", "other.jws", "x").stderr


def test_no_other_record_proof_token_or_authority_is_taken(hour: Hour) -> None:
    assert not hour.verified(hour.records[0])
    redated = hour.folder / "redated.jws"
    content = bytearray((hour.folder / hour.records[1]).read_bytes())
    content[100] ^= 1
    redated.write_bytes(content)
    assert not hour.verified("redated.jws")
    told = json.loads((hour.folder / "proof.json").read_text())
    another = (told["index"] + 1) % told["count"]
    for name, change in (("index", {"index": another}), ("path", {"path": told["path"][:-1]})):
        (hour.folder / f"{name}.json").write_text(json.dumps(told | change))
        assert not hour.verified(hour.records[1], f"{name}.json")
    token = bytearray((hour.folder / "token.tsr").read_bytes())
    for at in range(10, len(token), 97):
        token[at] ^= 1
        (hour.folder / "changed.tsr").write_bytes(token)
        token[at] ^= 1
        words = ("verify", "proof.json", hour.records[1], "changed.tsr")
        assert hour.run(*words, "ca.pem").returncode != 0, at
    openssl(
        hour.folder,
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout x.key -out x.pem -days 3 -subj /CN=X",
    )
    done = hour.run("verify", "proof.json", hour.records[1], "token.tsr", "x.pem")
    assert done.returncode == 1


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        "[]",
        "7",
        '{"index": 0, "count": 2, "path": null}',
        '{"index": "0", "count": 2, "path": []}',
        json.dumps({"index": 0, "count": 1 << 5000, "path": ["00" * 32] * 5000}),
        "",
    ],
)
def test_a_hostile_proof_is_answered_in_one_line(hour: Hour, content: str) -> None:
    (hour.folder / "hostile.json").write_text(content)
    done = hour.run("verify", "hostile.json", hour.records[0], "token.tsr", "ca.pem")
    assert done.returncode == 1
    assert done.stderr.startswith("does not hold: ")
    assert len(done.stderr.splitlines()) == 1
