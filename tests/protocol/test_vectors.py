"""What is signed can be verified by others, and what is broken by nobody."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from agent.identity import jws
from agent.identity.jws import NotVerifiedError
from agent.protocol import vectors
from agent.protocol.events import (
    DeletedEvent,
    LossEvent,
    LossReport,
    Message,
    PackedEvent,
    PublicKey,
)
from agent.protocol.evidence import digest_of, link_of
from agent.protocol.signed import JwsError, manifest_of, read_record, report_of, tombstone_of
from agent.protocol.strict_json import StrictJsonError, read_json
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "contract" / "vectors"
VERIFIER = ROOT / "examples/platform/kerbwatch_platform/contract/verify_signed.py"
LOSSES: list[dict[str, Any]] = vectors.losses()["vectors"]


def named(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def test_the_published_verifier_is_short_and_uses_nothing_of_ours() -> None:
    text = VERIFIER.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    imported = {
        each.module if isinstance(each, ast.ImportFrom) else each.names[0].name
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.Import | ast.ImportFrom)
    }
    ours = {"json", "sys", "base64", "datetime", "pathlib"}
    assert {(name or "").partition(".")[0] for name in imported} == ours | {"cryptography"}


def test_the_published_verifier_agrees_with_every_vector_and_says_how_many() -> None:
    files = sorted(FOLDER.glob("*.json"))
    assert {path.stem for path in files} == set(vectors.vectors())
    every = [each["valid"] for told in vectors.vectors().values() for each in told["vectors"]]
    # Alone, from a folder where nothing of ours can be imported.
    ran = subprocess.run(
        [sys.executable, "-I", VERIFIER, *files], cwd="/", capture_output=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout == f"{every.count(True)} of {len(every)} hold, as said\n".encode()


def test_the_published_verifier_that_is_given_nothing_says_how_it_is_called() -> None:
    ran = subprocess.run([sys.executable, "-I", VERIFIER], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert b"contract/vectors" in ran.stderr


@pytest.mark.parametrize("option", ["-I", "-IO"])
@pytest.mark.parametrize("wrong", [True, False])
def test_the_published_verifier_fails_on_a_vector_that_says_otherwise(
    wrong: bool, option: str, tmp_path: Path
) -> None:
    told = vectors.losses()
    one = next(each for each in told["vectors"] if each["valid"] is wrong)
    one["valid"] = not wrong
    (tmp_path / "losses.json").write_text(json.dumps(told))
    command = [sys.executable, option, str(VERIFIER), str(tmp_path / "losses.json")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"{one['name']}: {'refused' if one['valid'] else 'verified'}")


@pytest.mark.parametrize("vector", LOSSES, ids=named)
def test_a_loss_report_is_read_as_its_vector_says(vector: dict[str, Any]) -> None:
    key, event = vectors.public_key(vector["key"]), _event(vector)
    try:
        payload = read_json(jws.verified(vector["jws"], key))
        report = report_of(event)
    except (JwsError, NotVerifiedError, StrictJsonError, ValueError):
        assert not vector["valid"]
    else:
        assert vector["valid"]
        assert report == LossReport.model_validate(payload)


def _event(vector: dict[str, Any]) -> LossEvent:
    """The event whose body the vector is."""
    path = ROOT / "contract" / "examples" / "message-loss.json"
    [event] = Message.model_validate_json(path.read_bytes()).events
    assert isinstance(event, LossEvent)
    body = event.body.model_copy(update={"jws": vector["jws"]})
    return event.model_copy(update=vector["bound"] | {"body": body})


@pytest.mark.parametrize("vector", vectors.evidence()["vectors"], ids=named)
def test_a_record_of_the_evidence_is_read_as_its_vector_says(vector: dict[str, Any]) -> None:
    try:
        jws.verified(vector["jws"], vectors.public_key(vector["key"]))
        record = read_record(vector["jws"])
    except (JwsError, NotVerifiedError, StrictJsonError, ValueError):
        assert not vector["valid"]
    else:
        bound = {name: getattr(record, name) for name in vector["bound"]}
        assert vector["valid"] is (bound == vector["bound"])


def test_the_chain_of_the_vectors_holds() -> None:
    link = None
    for each in vectors.evidence()["chain"]:
        record = read_record(each["jws"])
        assert (record.number, record.previous) == (each["number"], link)
        assert each["sha256"] == digest_of(each["jws"])
        link = link_of(link, each["sha256"])
        assert each["link"] == link


def test_the_examples_of_the_evidence_are_signed_for_their_events() -> None:
    path = ROOT / "contract" / "examples" / "message-evidence.json"
    packed, deleted = Message.model_validate_json(path.read_bytes()).events
    assert isinstance(packed, PackedEvent)
    assert isinstance(deleted, DeletedEvent)
    for event in (packed, deleted):
        jws.verified(event.body.jws, vectors.public_key("device"))
    assert manifest_of(packed).stage == "opened"
    assert [each.number for each in tombstone_of(deleted).manifests] == [17]


@pytest.mark.parametrize("field", ["tenant", "device_id"])
def test_a_record_in_an_event_of_another_device_is_refused(field: str) -> None:
    path = ROOT / "contract" / "examples" / "message-evidence.json"
    packed, deleted = Message.model_validate_json(path.read_bytes()).events
    assert isinstance(packed, PackedEvent)
    assert isinstance(deleted, DeletedEvent)
    with pytest.raises(ValueError, match="bound to another event"):
        manifest_of(packed.model_copy(update={field: "another"}))
    with pytest.raises(ValueError, match="bound to another event"):
        tombstone_of(deleted.model_copy(update={field: "another"}))


def test_the_example_of_a_loss_report_is_signed_for_its_event() -> None:
    path = ROOT / "contract" / "examples" / "message-loss.json"
    [event] = Message.model_validate_json(path.read_bytes()).events
    assert isinstance(event, LossEvent)
    assert [loss.ranges for loss in report_of(event).losses] == [((1, 1),)]
    jws.verified(event.body.jws, vectors.public_key("device"))


def test_the_keys_of_the_vectors_say_that_they_are_for_tests() -> None:
    for told in vectors.vectors().values():
        assert "for tests alone" in told["only_for_tests"]
        for key in told["keys"].values():
            assert len(key["d"]) == 43
            PublicKey.model_validate({name: key[name] for name in ("kty", "crv", "kid", "x")})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"NaN",
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 1}',
        b'[{"a": {"b": 1, "b": 2}}]',
        b"\xef\xbb\xbf{}",
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        "{}".encode("utf-16"),
        b"\xff",
        b"[" * 18 + b"]" * 18,
        b"[" * 50_000,
        b"9" * 5000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_readers_of_json_do_not_agree_on_is_refused(content: bytes) -> None:
    with pytest.raises(StrictJsonError):
        read_json(content)
