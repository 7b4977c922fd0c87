"""What a stranger calls a file, or writes into it, leads nowhere and steers no terminal, whoever verifies it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kerbwatch_platform.contract import verify_handover, verify_packet
from kerbwatch_platform.contract.sign import encoded
from kerbwatch_platform.evidence import signing
from kerbwatch_platform.evidence.commands import verify

if TYPE_CHECKING:
    from collections.abc import Callable

READERS = {"packet": verify_packet.read, "handover": verify_handover.read}
EVIL = "\x1b[2J\r\n\u202e\u009b5 records, all of them hold"


def zipped(*entries: tuple[str, bytes], mode: int = 0o644) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as written:
        for name, content in entries:
            entry = zipfile.ZipInfo("x" * len(name.encode()))
            entry.filename, entry.external_attr = name, mode << 16
            written.writestr(entry, content)
    return out.getvalue()


def refused(read: Callable[[str], object], tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "hostile.zip"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^[ -~]+$") as told:
        read(str(path))
    return str(told.value)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "name",
    [
        "../x", "records/../../x", "/etc/cron.d/x", "C:\\x", "..\\x", "records\\x", "records//x", ".hidden", "records/",
        "x\x1b[2J", "x\n", "\u202egnp.x", "x\u200b", "图.jpg", "ｘ.jpg", "x ", " x", "x\x7f", "~/x", "$(x)", "a/b/c/d/e", "x" * 200,
    ],
)  # fmt: skip
def test_a_name_that_is_none_of_ours_is_refused(
    read: Callable[[str], object], name: str, tmp_path: Path
) -> None:
    assert "name" in refused(read, tmp_path, zipped((name, b"x")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a.jws", "a.jws"), "twice"),
        (("records/a.jws", "records/A.JWS"), "twice"),
        (("records", "records/a.jws"), "a file in a file"),
        (("records/1", "RECORDS/1/a.jws"), "a file in a file"),
    ],
)
def test_two_that_would_be_one_once_unpacked_are_refused(
    read: Callable[[str], object], names: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    assert words in refused(read, tmp_path, zipped(*((name, b"x") for name in names)))


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("mode", [0o120777, 0o040755, 0o020644, 0o010644])
def test_a_link_a_folder_or_a_device_is_refused(
    read: Callable[[str], object], mode: int, tmp_path: Path
) -> None:
    content = zipped(("records", b"/etc/passwd"), mode=mode)
    assert "a link, or no file" in refused(read, tmp_path, content)
    regular = tmp_path / "regular.zip"
    regular.write_bytes(zipped(("records", b"x"), mode=0o100644))
    assert read(str(regular)) == {"records": b"x"}


def said(program: Any, path: Path, *keys: str) -> tuple[int, list[str]]:
    """What the single file says, and how it ends."""
    command = [sys.executable, "-I", "-X", "utf8", program.__file__, str(path), *keys]
    ran = subprocess.run(command, capture_output=True, check=False)
    text = (ran.stdout + ran.stderr).decode()
    assert "Traceback" not in text
    return ran.returncode, text.removesuffix("\n").split("\n")


def test_what_a_key_is_called_steers_no_terminal(tmp_path: Path) -> None:
    header = json.dumps({"alg": "EdDSA", "kid": EVIL}).encode()
    jws = f"{encoded(header)}.{encoded(b'{}')}.{encoded(bytes(64))}".encode()
    own = tmp_path / "own.jwk"
    own.write_text(json.dumps(signing.public_jwk(Ed25519PrivateKey.generate())))
    keys = json.dumps({"platform": [json.loads(own.read_text())], "device": []}).encode()
    handed, packet = tmp_path / "handed.zip", tmp_path / "packet.zip"
    handed.write_bytes(zipped(("handover.jws", jws), ("keys.json", keys)))
    packet.write_bytes(zipped(("packet.jws", jws)))
    for told in (
        said(verify_handover, handed),
        said(verify_packet, packet, str(own)),
    ):
        status, [line] = told
        assert status == 1
        assert line.isprintable()
        assert "which was not given" in line
    done = CliRunner().invoke(verify, [str(handed)])
    [line] = done.output.splitlines()
    assert (done.exit_code, line.isprintable()) == (1, True)


def test_what_whoever_sealed_it_calls_themselves_forges_no_line(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    files = {
        "keys.json": json.dumps({"platform": [signing.public_jwk(key)], "device": []}).encode(),
        "links.json": b'{"runs": []}',
        "decisions.json": b'{"verdicts": []}',
    }
    seal = {"record": "handover", "by": EVIL, "made_at": EVIL, "device_id": EVIL}
    seal |= {"tenant": "t", "case_id": "c"}
    sealed = {name: {"sha256": sha256(content).hexdigest()} for name, content in files.items()}
    jws = signing.counter_sign(key, seal | {"files": sealed}).encode()
    path = tmp_path / "handed.zip"
    path.write_bytes(zipped(("handover.jws", jws), *files.items()))
    status, lines = said(verify_handover, path)
    assert status == 0
    assert len(lines) == 5
    assert all(line.isprintable() for line in lines)
    done = CliRunner().invoke(verify, [str(path)])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == lines


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 100, zipped(("a", b"x"))[:-1]])
def test_what_is_no_zip_is_said_in_one_line_by_the_command_too(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    done = CliRunner().invoke(verify, [str(path)])
    assert (done.exit_code, len(done.output.splitlines())) == (5, 1)


def test_an_encrypted_or_oddly_packed_one_is_said_in_one_line_by_the_command_too(
    tmp_path: Path,
) -> None:
    plain = zipped(("a", b"x"))
    path = tmp_path / "x.zip"
    for local, central, value in ((6, 8, 1), (8, 10, 99)):
        changed = bytearray(plain)
        changed[local] = changed[changed.index(b"PK\1\2") + central] = value
        path.write_bytes(changed)
        done = CliRunner().invoke(verify, [str(path)])
        assert (done.exit_code, len(done.output.splitlines())) == (5, 1), done.output
