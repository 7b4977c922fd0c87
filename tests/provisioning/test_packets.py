"""A packet verifies as it was made, and every part that is not as it was sealed is named, by both verifiers."""

from __future__ import annotations

import ast
import io
import json
import random
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.identity.signing_key import Signer
from agent.protocol.events import PublicKey
from agent.protocol.signed import as_json, decoded, encoded
from provisioning.packets import layout, zip_reader
from provisioning.packets.export import zipped
from provisioning.packets.jpeg_size import size_px
from provisioning.packets.verification import Verdict, verify
from tests.support.command_line import kerbwatch, refused
from tests.support.packed_cases import PackingDevice, jpeg
from tests.support.paths import ROOT
from tests.support.state_folder import hold_on

VERIFIER = ROOT / "examples/platform/kerbwatch_platform/contract/verify_packet.py"
Files = dict[str, bytes]


class Packed:
    """One exported packet, to be tampered with."""

    def __init__(self, folder: Path) -> None:
        self.device = PackingDevice(folder)
        self.device.packed()
        self.case_id = self.device.packed()
        self.device.packed()
        self.zip = folder / "packet.zip"
        done = kerbwatch("evidence", "export", folder, self.case_id, "--out", self.zip)
        assert done.exit_code == 0, done.output
        with zipfile.ZipFile(self.zip) as opened:
            self.files: Files = {name: opened.read(name) for name in opened.namelist()}
        self.key = self.device.signer.public
        self.key_file = folder / "key.jwk"
        self.key_file.write_text(self.key.model_dump_json())
        self.folder = folder

    def verdict(self, files: Files, *keys: PublicKey) -> Verdict:
        """Ours, after the other one has said the same."""
        path = self.folder / "tampered.zip"
        path.write_bytes(zipped(files))
        verdict = verify(path, keys or (self.key,))
        assert self.theirs(path) == (not verdict.faults)
        return verdict

    def theirs(self, path: Path) -> bool:
        """Whether the independent one says that it holds."""
        namespace: dict[str, Any] = {"__name__": "verifier"}
        exec(compile(VERIFIER.read_text(encoding="utf-8"), VERIFIER, "exec"), namespace)
        try:
            namespace["verify"](namespace["read"](path), {self.key.kid: self.key.model_dump()})
        except Exception:  # noqa: BLE001 - the program takes every fault for a packet that does not hold
            return False
        return True


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Packed]:
    packed = Packed(tmp_path_factory.mktemp("packed"))
    yield packed
    packed.device.database.close()


def named(verdict: Verdict) -> dict[str, str]:
    return {each.part: each.what for each in verdict.faults}


# ── as it was made ───────────────────────────────────────────────────────────────────────────


def test_a_packet_holds_for_both_verifiers_and_says_what_it_is(packed: Packed) -> None:
    verdict = packed.verdict(packed.files)
    assert verdict.faults == []
    assert verdict.seal is not None
    assert verdict.seal.case_id == packed.case_id
    assert [each.record for each in verdict.records] == ["manifest", "manifest"]
    assert {name for name in packed.files if name.endswith(".jpg")} == {
        f"pictures/{role}.redacted.jpg" for role in ("begin", "threshold", "close_up", "after")
    }


def test_the_same_case_gives_the_same_files(packed: Packed, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    kerbwatch("evidence", "export", packed.folder, packed.case_id[:13], "--out", again)
    with zipfile.ZipFile(again) as opened:
        others = {name: opened.read(name) for name in opened.namelist()}
    del others["packet.jws"]
    assert others == {n: c for n, c in packed.files.items() if n != "packet.jws"}


def test_the_commands_say_what_they_did_in_both_languages(packed: Packed) -> None:
    for language, word in (("en", "every part"), ("zh_CN", "每个部分")):
        done = kerbwatch("verify", packed.zip, "--key", packed.key_file, language=language)
        assert done.exit_code == 0, done.output
        assert word in done.output
        assert packed.case_id in done.output
    alone = kerbwatch("verify", packed.zip)
    assert alone.exit_code == 0
    assert packed.key.kid in alone.output
    told = json.loads(kerbwatch("verify", packed.zip, "--json").stdout)
    assert (told["holds"], told["keys_were_given"]) == (True, False)


def test_the_independent_verifier_is_short_and_uses_nothing_of_ours(packed: Packed) -> None:
    text = VERIFIER.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    imported = {
        (each.module or "") if isinstance(each, ast.ImportFrom) else each.names[0].name
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.Import | ast.ImportFrom)
    }
    public = {
        "json",
        "re",
        "sys",
        "zipfile",
        "base64",
        "hashlib",
        "pathlib",
        "typing",
        "cryptography",
    }
    assert {name.partition(".")[0] for name in imported} == public
    command = [sys.executable, "-I", str(VERIFIER), str(packed.zip), str(packed.key_file)]
    assert subprocess.run(command, cwd="/", check=False).returncode == 0


def test_the_independent_verifier_says_how_it_is_called_and_which_key_is_missing(
    packed: Packed, tmp_path: Path
) -> None:
    def said(*words: object) -> str:
        command = [sys.executable, "-I", str(VERIFIER), *map(str, words)]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 1
        return done.stderr

    assert "KEY.jwk" in said(packed.zip)
    missing = said(packed.zip, tmp_path / "no.jwk")
    assert missing.startswith("cannot be read")
    assert "no.jwk" in missing
    other = Signer(tmp_path / "keys").public.model_dump_json()
    (tmp_path / "other.jwk").write_text(other)
    assert f"key {packed.key.kid}, which was not given" in said(packed.zip, tmp_path / "other.jwk")


def test_the_beginning_of_no_case_or_of_several_is_answered_with_those_there_are(
    packed: Packed, tmp_path: Path
) -> None:
    none = kerbwatch("evidence", "export", packed.folder, "zz", "--out", tmp_path / "x.zip")
    assert packed.case_id in refused(none, 1)
    several = kerbwatch(
        "evidence", "export", packed.folder, packed.case_id[:1], "--out", tmp_path / "x"
    )
    told = " ".join(refused(several, 1).split())
    assert "begins 3 cases" in told
    assert told.endswith("Give more of the id.")


# ── tampered with ────────────────────────────────────────────────────────────────────────────

PLACES = (0, 1, 5, 50, 90)
NAMES = (
    "packet.jws",
    "keys.jwks",
    "links.json",
    "events.json",
    "README.txt",
    "README.zh-CN.txt",
    "manifest opened",
    "manifest cleared",
    *(f"pictures/{role}.redacted.jpg" for role in ("begin", "threshold", "close_up", "after")),
)


def file_of(packed: Packed, name: str) -> str:
    manifests = [each for each in sorted(packed.files) if each.startswith("manifests/")]
    return {"manifest opened": manifests[0], "manifest cleared": manifests[1]}.get(name, name)


def test_every_file_of_a_packet_is_tampered_with(packed: Packed) -> None:
    assert {file_of(packed, name) for name in NAMES} == set(packed.files)


@pytest.mark.parametrize("place", [*PLACES, 100])
@pytest.mark.parametrize("name", NAMES)
def test_one_bit_anywhere_is_found_and_its_part_is_named(
    packed: Packed, name: str, place: int
) -> None:
    part = file_of(packed, name)
    content = bytearray(packed.files[part])
    at = min(len(content) - 1, len(content) * place // 100)
    for bit in (0, 5):
        content[at] ^= 1 << bit
        verdict = packed.verdict(packed.files | {part: bytes(content)})
        assert part in named(verdict)
        content[at] ^= 1 << bit


@pytest.mark.parametrize("seed", range(60))
def test_a_bit_of_the_container_is_found_or_changes_nothing_in_it(
    packed: Packed, seed: int
) -> None:
    content = bytearray(packed.zip.read_bytes())
    dice = random.Random(seed)
    # By turns among the bytes that are no content: heads, names and the directory at the end.
    ends = len(content) - dice.randrange(1500) - 1 if seed % 2 else dice.randrange(len(content))
    content[ends] ^= 1 << dice.randrange(8)
    path = packed.folder / "flipped.zip"
    path.write_bytes(bytes(content))
    verdict = verify(path, [packed.key])
    if not verdict.faults:
        assert zip_reader.read(path).files == packed.files
        assert packed.theirs(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_part_that_is_missing_or_empty_is_named(packed: Packed, name: str) -> None:
    part = file_of(packed, name)
    without = {each: content for each, content in packed.files.items() if each != part}
    assert named(packed.verdict(without))[part] == "missing"
    assert named(packed.verdict(packed.files | {part: b""}))[part] == "empty"


def test_swapped_pictures_are_named_with_what_they_are(packed: Packed) -> None:
    one, other = "pictures/threshold.redacted.jpg", "pictures/close_up.redacted.jpg"
    swapped = packed.files | {one: packed.files[other], other: packed.files[one]}
    verdict = packed.verdict(swapped)
    assert named(verdict) == {one: "swapped", other: "swapped"}
    assert other in verdict.faults[0].reason + verdict.faults[1].reason


def test_a_picture_that_was_encoded_again_or_is_another_one_is_told_apart(packed: Packed) -> None:
    name = "pictures/threshold.redacted.jpg"
    bgr = cv2.imdecode(np.frombuffer(packed.files[name], np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    _, again = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 35])
    told = {
        "re_encoded": bytes(again),
        "foreign": jpeg("another", 320, 180),
        "damaged": b"no picture at all",
    }
    for what, content in told.items():
        assert named(packed.verdict(packed.files | {name: content})) == {name: what}


def test_swapped_manifests_are_named(packed: Packed) -> None:
    one, other = file_of(packed, "manifest opened"), file_of(packed, "manifest cleared")
    swapped = packed.files | {one: packed.files[other], other: packed.files[one]}
    told = named(packed.verdict(swapped))
    assert (told[one], told[other]) == ("swapped", "swapped")


def test_a_file_that_nobody_sealed_is_named(packed: Packed) -> None:
    extra = {"pictures/after-2.redacted.jpg": jpeg("extra", 160, 90)}
    assert named(packed.verdict(packed.files | extra)) == {
        "pictures/after-2.redacted.jpg": "foreign"
    }


def changed_links(packed: Packed, change: Callable[[list[dict[str, Any]]], Any]) -> Files:
    told = json.loads(packed.files["links.json"])
    change(told["links"])
    return packed.files | {"links.json": json.dumps(told).encode()}


def test_a_removed_link_and_a_truncated_chain_are_found(packed: Packed) -> None:
    for change in (
        lambda links: links.pop(1),
        lambda links: links.pop(),
        lambda links: links.reverse(),
        lambda links: links.clear(),
        lambda links: links[-1].update(sha256="0" * 64),
        lambda links: links[0].update(sha256="0" * 64),
    ):
        told = named(packed.verdict(changed_links(packed, change)))
        assert set(told.values()) <= {"chain", "changed"}
        assert {"links.json", file_of(packed, "manifest opened")} & told.keys()


def test_the_end_of_the_chain_cannot_be_cut_off_with_a_seal_that_the_device_did_not_make(
    packed: Packed, tmp_path: Path
) -> None:
    """Sealed again by another: everything fits together, and none of it is the device's."""
    forger = Signer(tmp_path / "forger")
    told = json.loads(decoded(packed.files["packet.jws"].decode().split(".")[1]))
    jws = forger.sign(told).encode()
    forged = packed.files | {"packet.jws": jws}
    assert named(packed.verdict(forged)) == {"packet.jws": "foreign"}


def resigned(packed: Packed, name: str, signer: Signer, **changes: Any) -> bytes:
    payload = json.loads(decoded(packed.files[name].decode().split(".")[1]))
    return signer.sign(payload | changes).encode()


def test_a_redated_manifest_is_found_whoever_signs_it(packed: Packed, tmp_path: Path) -> None:
    name = file_of(packed, "manifest opened")
    head, payload, signature = packed.files[name].decode().split(".")
    redated = json.loads(decoded(payload)) | {"occurred_at": "2020-01-01T00:00:00+08:00"}
    kept = f"{head}.{encoded(as_json(redated))}.{signature}".encode()
    assert named(packed.verdict(packed.files | {name: kept}))[name] == "changed"
    facts = {"occurred_at": "2020-01-01T00:00:00+08:00"}
    foreign = resigned(packed, name, Signer(tmp_path / "forger"), **facts)
    assert named(packed.verdict(packed.files | {name: foreign}))[name] == "foreign"
    # By the device's own key: the chain has another digest, and the seal another hash.
    own = resigned(packed, name, packed.device.signer, **facts)
    assert named(packed.verdict(packed.files | {name: own}))[name] == "chain"


def test_a_whole_packet_of_a_foreign_key_is_refused_by_the_key_of_the_birth(
    packed: Packed, tmp_path: Path
) -> None:
    other = Packed(tmp_path)
    verdict = packed.verdict(other.files)
    assert set(named(verdict).values()) == {"foreign"}
    assert {"packet.jws", "keys.jwks"} <= named(verdict).keys()
    assert verify(other.zip).faults == []  # by its own key it holds: whose that is, nobody says
    other.device.database.close()


def test_a_record_of_another_case_of_the_same_device_is_foreign(packed: Packed) -> None:
    other = packed.device.folder / "evidence"
    [jws] = [path.read_bytes() for path in other.glob("*/manifest-1.jws")]
    extra = packed.files | {"manifests/manifest-1.jws": jws}
    assert named(packed.verdict(extra)) == {"manifests/manifest-1.jws": "foreign"}


def test_a_seal_is_no_manifest_and_a_manifest_is_no_seal(packed: Packed) -> None:
    name = file_of(packed, "manifest opened")
    told = named(packed.verdict(packed.files | {"packet.jws": packed.files[name]}))
    assert told["packet.jws"] == "foreign"
    told = named(packed.verdict(packed.files | {name: packed.files["packet.jws"]}))
    assert told[name] == "foreign"


def test_an_event_that_says_otherwise_is_found(packed: Packed) -> None:
    events = json.loads(packed.files["events.json"])
    case = next(each for each in events if each["type"] == "case.opened")
    case["body"]["pictures"][0]["sha256"] = "0" * 64
    changed = packed.files | {"events.json": json.dumps(events).encode()}
    assert named(packed.verdict(changed)) == {"events.json": "changed"}


# ── what else a packet may be ────────────────────────────────────────────────────────────────


@pytest.fixture
def device(tmp_path: Path) -> Iterator[PackingDevice]:
    device = PackingDevice(tmp_path, pictures_days=30, cases_days=180)
    yield device
    device.database.close()


def exported(device: PackingDevice, case_id: str, *words: str) -> Path:
    path = device.site / f"{case_id}.zip"
    done = kerbwatch("evidence", "export", device.site, case_id, "--out", path, *words)
    assert done.exit_code == 0, done.output
    return path


def test_originals_go_only_with_a_reason_that_is_recorded(device: PackingDevice) -> None:
    case_id = device.packed()
    words = ("evidence", "export", device.site, case_id, "--originals")
    assert kerbwatch(*words).exit_code == 2
    path = exported(device, case_id, "--originals", "--reason", "court order 7")
    assert verify(path, [device.signer.public]).faults == []
    files = zip_reader.read(path).files
    assert sum(name.startswith("originals/") for name in files) == 4
    log = "".join(each.read_text() for each in (device.folder / "audit").iterdir())
    assert "evidence.exported" in log
    assert "court order 7" in log


def test_a_packet_of_pictures_that_could_not_be_redacted_holds_and_says_why(
    device: PackingDevice,
) -> None:
    verdict = verify(exported(device, device.packed(unredacted="view_moved")))
    assert verdict.faults == []
    assert any("view_moved" in remark for remark in verdict.remarks)


def test_after_deletion_a_packet_is_the_tombstone_and_the_chain_is_unbroken(
    device: PackingDevice,
) -> None:
    gone, held = device.packed(), device.packed()
    device.holds.set(hold_on(held))
    device.passes()
    device.passes(days=31)
    device.writer.bury()
    verdict = verify(exported(device, gone), [device.signer.public])
    assert verdict.faults == []
    assert [each.record for each in verdict.records] == ["tombstone"]
    assert verify(exported(device, held), [device.signer.public]).faults == []


def test_a_case_whose_device_has_got_another_key_is_verified_by_both(
    device: PackingDevice, tmp_path: Path
) -> None:
    first = device.signer.public
    case_id = device.packed()
    (device.folder / "keys" / "signing.key").unlink()
    device.signer = Signer(device.folder / "keys")
    path = exported(device, case_id)
    assert verify(path).faults == []
    assert verify(path, [first, device.signer.public]).faults == []
    assert set(named(verify(path, [device.signer.public]))) == {
        f"manifests/manifest-{number}.jws" for number in (1, 2)
    }


def test_a_picture_that_is_not_on_the_disk_any_more_is_told_and_named(
    device: PackingDevice,
) -> None:
    case_id = device.packed()
    (device.folder / "evidence" / case_id / "close_up.redacted.jpg").unlink()
    path = device.site / "packet.zip"
    done = kerbwatch("evidence", "export", device.site, case_id, "--out", path)
    assert done.exit_code == 0
    assert "close_up.redacted.jpg" in done.stderr
    told = refused_parts(path)
    assert told == {"pictures/close_up.redacted.jpg": "missing"}


@pytest.mark.parametrize("by_link", [False, True])
def test_an_original_in_the_place_of_its_copy_does_not_go_with_a_packet(
    device: PackingDevice, by_link: bool
) -> None:
    case_id = device.packed()
    here = device.folder / "evidence" / case_id
    original = (here / "begin.jpg").read_bytes()
    (here / "begin.redacted.jpg").unlink()
    if by_link:
        (here / "begin.redacted.jpg").hardlink_to(here / "begin.jpg")
    else:
        (here / "begin.redacted.jpg").write_bytes(original)
    path = device.site / "packet.zip"
    done = kerbwatch("evidence", "export", device.site, case_id, "--out", path)
    assert done.exit_code == 0
    assert "begin.redacted.jpg: left out" in done.stderr
    assert original not in zip_reader.read(path).files.values()
    assert refused_parts(path) == {"pictures/begin.redacted.jpg": "missing"}


def refused_parts(path: Path) -> dict[str, str]:
    done = kerbwatch("verify", path, "--json")
    assert done.exit_code == 1
    return {each["part"]: each["what"] for each in json.loads(done.stdout)["faults"]}


def test_a_case_that_is_not_there_is_said(device: PackingDevice) -> None:
    device.packed()
    text = refused(kerbwatch("evidence", "export", device.site, "ffff"), 1)
    assert "No case that was packed begins ffff" in text


def test_a_key_that_is_none_is_said(packed: Packed, tmp_path: Path) -> None:
    for content in ("{}", "[]", "null", '{"keys": 5}', '{"keys": ["x"]}', "\xff", "x"):
        (tmp_path / "key.jwk").write_text(content, encoding="latin-1")
        done = kerbwatch("verify", packed.zip, "--key", tmp_path / "key.jwk")
        assert done.exit_code == 2, content
        assert "holds no public key" in done.output


# ── hostile zips ─────────────────────────────────────────────────────────────────────────────


def written(*entries: tuple[str, bytes], **changes: Any) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for field, value in changes.items():
                setattr(entry, field, value)
            archive.writestr(entry, text)
    return content.getvalue()


def judged(tmp_path: Path, content: bytes) -> Verdict:
    path = tmp_path / "hostile.zip"
    path.write_bytes(content)
    return verify(path)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "pictures/../../x.redacted.jpg",
        "C:\\windows\\system32\\x",
        "manifests/manifest-1.jws/x",
        "x" * 60_000,
        "\u202egnp.exe",
        "pictures/\n.redacted.jpg",
        "README.txt\u0000",
        "README.txt ",
    ],
)
def test_a_name_that_no_packet_has_is_refused_and_shown_harmless(name: str, tmp_path: Path) -> None:
    verdict = judged(tmp_path, written((name, b"x")))
    assert "refused" in named(verdict).values() or "README.txt" in name
    assert verdict.faults
    shown = kerbwatch("verify", tmp_path / "hostile.zip")
    assert shown.exit_code == 1
    assert "\u202e" not in shown.output
    assert len(shown.output) < 10_000
    assert list(tmp_path.iterdir()) == [tmp_path / "hostile.zip"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = written(("events.json", bytes(layout.MAX_FILE_BYTES + 1)))
    assert len(bomb) < 100_000
    assert named(judged(tmp_path, bomb))["events.json"] == "refused"


def test_many_that_are_large_together_are_refused(tmp_path: Path) -> None:
    many = [(f"pictures/begin-{n}.redacted.jpg", bytes(layout.MAX_FILE_BYTES)) for n in range(9)]
    verdict = judged(tmp_path, written(*many))
    assert "refused" in named(verdict).values()


def test_thousands_of_entries_are_refused_before_they_are_read(tmp_path: Path) -> None:
    many = written(*((f"manifests/manifest-{n}.jws", b"") for n in range(2000)))
    verdict = judged(tmp_path, many)
    assert named(verdict) == {"hostile.zip": "damaged"}
    assert "2000 entries" in verdict.faults[0].reason


def behind_64_bits(count: int) -> bytes:
    """A zip whose end tells of a short directory, and which another end, of ZIP64, tells of a long one."""
    entry = struct.Struct("<4s4B4H3L5H2L")
    fields = (b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0)
    long = b"".join(entry.pack(*fields) + b"%05d" % number for number in range(count))
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(long), 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(long), 1)
    shown = len(end_64) + len(locator)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, shown, len(long), 0)
    return long + end_64 + locator + end


def test_a_directory_that_hides_behind_another_end_is_not_read(
    packed: Packed, tmp_path: Path
) -> None:
    verdict = judged(tmp_path, behind_64_bits(2000))
    assert named(verdict) == {"hostile.zip": "damaged"}
    assert "64 bits" in verdict.faults[0].reason
    assert not packed.theirs(tmp_path / "hostile.zip")


def test_small_files_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    """A list of nothing is 3 bytes; ten million of them were 5 GB in memory."""
    nothing = b"[" + b"[]," * layout.MAX_PARTS + b"[]]"
    entries = (
        ("links.json", b'{"links":' + nothing + b"}"),
        ("events.json", nothing),
        ("keys.jwks", b'{"keys":' + nothing + b"}"),
        ("packet.jws", b"x" * 3_000_000),
    )
    tracemalloc.start()
    told = named(judged(tmp_path, written(*entries)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told["links.json"] == told["events.json"] == "damaged"
    assert told["keys.jwks"] == told["packet.jws"] == "refused"
    assert most < 100e6


@pytest.mark.parametrize(
    "header", ["[" * 400, "[]", "7", '{"alg":"EdDSA","kid":[]}', '{"alg":"EdDSA"}']
)
def test_the_independent_verifier_answers_a_hostile_file_in_one_line(
    header: str, packed: Packed, tmp_path: Path
) -> None:
    jws = f"{encoded(header.encode())}.{encoded(b'{}')}.{encoded(bytes(64))}".encode()
    plain = written(("packet.jws", jws))
    broken = bytearray(written(("packet.jws", b"broken" * 500)))
    broken[45] ^= 0xFF
    method = bytearray(plain)
    for signature, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        method[method.index(signature) + at] = 99
    bomb = written(*((f"pictures/begin-{n}.redacted.jpg", bytes(30_000_000)) for n in range(9)))
    for content in (plain, bytes(broken), bytes(method), bomb):
        (tmp_path / "hostile.zip").write_bytes(content)
        done = subprocess.run(
            [sys.executable, "-I", VERIFIER, tmp_path / "hostile.zip", packed.key_file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith("does not hold: ")
        assert len(done.stderr.splitlines()) == 1


def test_a_size_that_lies_is_found(tmp_path: Path) -> None:
    content = bytearray(written(("events.json", b"[]" * 500)))
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    assert named(judged(tmp_path, bytes(content)))["events.json"] in {"refused", "damaged"}


def test_an_entry_that_stands_twice_is_refused(packed: Packed, tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in packed.files.items():
            archive.writestr(name, text)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("events.json", b"[]")
    told = named(judged(tmp_path, content.getvalue()))
    assert told["events.json"] == "refused"


def test_a_link_and_an_encrypted_entry_are_refused(tmp_path: Path) -> None:
    link = written(("events.json", b"/etc/passwd"), external_attr=(stat.S_IFLNK | 0o777) << 16)
    assert named(judged(tmp_path, link))["events.json"] == "refused"
    content = bytearray(written(("events.json", b"[]")))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    assert named(judged(tmp_path, bytes(content)))["events.json"] == "refused"


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06", bytes(100), b"x" * 5000])
def test_what_is_no_zip_is_said(content: bytes, tmp_path: Path) -> None:
    assert named(judged(tmp_path, content)) == {"hostile.zip": "damaged"}


def test_something_before_or_behind_the_zip_is_refused(packed: Packed, tmp_path: Path) -> None:
    whole = packed.zip.read_bytes()
    for content in (b"#!/bin/sh\n" + whole, whole + b"x", whole[:-1], whole[: len(whole) // 2]):
        assert named(judged(tmp_path, content)) == {"hostile.zip": "damaged"}


def test_a_packet_that_was_packed_again_by_another_program_holds(
    packed: Packed, tmp_path: Path
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifests/", b"")
        for name, text in reversed(packed.files.items()):
            archive.writestr(name, text)
    assert judged(tmp_path, content.getvalue()).faults == []


_KNOWN = ("packet.jws", "keys.jwks", "links.json", "events.json", "manifests/manifest-1.jws")
_names = st.one_of(st.sampled_from(_KNOWN), st.text(min_size=1, max_size=40))
_contents = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)


@given(entries=st.dictionaries(_names, _contents, max_size=6), cut=st.integers(0, 40))
def test_whatever_a_zip_holds_is_told_and_never_breaks_the_verifier(
    entries: dict[str, bytes], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.zip"
    try:
        content = written(*entries.items())
    except (ValueError, UnicodeEncodeError):
        return  # no zip can have such a name
    path.write_bytes(content[: len(content) - cut])
    assert verify(path).faults


@given(at=st.integers(0, 10**6), with_=st.binary(min_size=1, max_size=8), data=st.data())
def test_a_packet_with_any_bytes_changed_never_breaks_the_verifier(
    at: int, with_: bytes, data: st.DataObject, packed: Packed
) -> None:
    name = data.draw(st.sampled_from(sorted(packed.files)))
    content = packed.files[name]
    begin = at % len(content)
    changed = content[:begin] + with_ + content[begin + len(with_) :]
    verdict = packed.verdict(packed.files | {name: changed})
    assert bool(verdict.faults) is (changed != content)


@given(content=st.binary(max_size=300))
def test_the_headers_of_any_picture_are_read_to_an_end(content: bytes) -> None:
    size_px(b"\xff\xd8" + content)


def test_the_size_of_a_picture_is_read_from_its_headers() -> None:
    assert size_px(jpeg("size", 320, 180)) == (320, 180)
    assert size_px(b"") is None
    assert size_px(b"\xff\xd8\xff\xc0\x00\x04\x08") is None
