"""Compact JSON Web Signatures (RFC 7515): how they are put together and taken apart, without any key.

A signed thing carries its payload once, inside the signature: there is no second copy beside it that could
differ, and what is read is exactly what was signed. Keys are Ed25519 (RFC 8037), and ``alg`` is always
``EdDSA``.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from base64 import b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from agent.protocol.events import LossReport
from agent.protocol.evidence import Manifest, Tombstone
from agent.protocol.strict_json import StrictJsonError, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.protocol.events import DeletedEvent, LossEvent, PackedEvent

ALGORITHM: Final = "EdDSA"
_HEADER = frozenset({"alg", "kid", "typ"})
"""Members that a header may have. Those by which others name a key or another algorithm (``jwk``, ``jku``, ``x5u``,
``crit``, ``b64`` …) are refused, whatever they say."""
_PART = r"[A-Za-z0-9_-]+"
_COMPACT = re.compile(rf"{_PART}\.{_PART}\.{_PART}")
SIGNATURE_BYTES = 64


class JwsError(ValueError):
    """A text is no compact signature as we take it."""


class Parts(NamedTuple):
    """A signature taken apart; nothing of it is verified.

    Attributes:
        kid: Which key the header names; None: none.
        payload: What was signed.
        covered: The bytes that the signature is over.
        signature: Of 64 bytes.
    """

    kid: str | None
    payload: bytes
    covered: bytes
    signature: bytes


def encoded(content: bytes) -> str:
    """Base64url without padding (RFC 7515, appendix C)."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of base64url without padding; the one spelling of them that there is.

    Raises:
        JwsError: It is none, or another spelling of the same bytes.
    """
    try:
        content = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise JwsError("not base64url") from error
    if encoded(content) != text:
        raise JwsError("base64url that is spelt otherwise than its bytes are")
    return content


def compact(payload: Any, kid: str, sign: Callable[[bytes], bytes]) -> str:
    """Sign a JSON value.

    Args:
        payload: The value.
        kid: The key's id, for the header.
        sign: Gives the signature of bytes.
    """
    return compact_of({"alg": ALGORITHM, "kid": kid}, as_json(payload), sign)


def compact_of(header: Any, payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    """Sign bytes under a header."""
    covered = f"{encoded(as_json(header))}.{encoded(payload)}"
    return f"{covered}.{encoded(sign(covered.encode()))}"


def as_json(value: Any) -> bytes:
    """A JSON value without spaces, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def parts_of(jws: str) -> Parts:
    """Take a compact signature apart.

    Raises:
        JwsError: It is none, its ``alg`` is another, or its header has members that we do not take.
    """
    if not _COMPACT.fullmatch(jws):
        raise JwsError("not a compact JWS: three parts of base64url, joined by points")
    head, payload, signature = jws.split(".")
    try:
        header = read_json(decoded(head))
    except StrictJsonError as error:
        raise JwsError(f"the header is {error}") from error
    if not isinstance(header, dict) or header.get("alg") != ALGORITHM:
        raise JwsError(f"alg must be {ALGORITHM}")
    if unknown := sorted(header.keys() - _HEADER):
        raise JwsError(f"the header has members that are not taken: {unknown[:5]}")
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise JwsError("kid must be a text")
    content = decoded(signature)
    if len(content) != SIGNATURE_BYTES:
        raise JwsError(f"an Ed25519 signature has {SIGNATURE_BYTES} bytes")
    return Parts(kid, decoded(payload), f"{head}.{payload}".encode(), content)


def thumbprint(x: str) -> str:
    """The id of an Ed25519 key (RFC 7638): the members in this order, without spaces.

    Args:
        x: The public key in base64url.
    """
    return encoded(hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest())


def report_of(event: LossEvent) -> LossReport:
    """What a loss report says; the signature is not verified here.

    Raises:
        ValueError: Its payload is none, or is bound to another event.
    """
    try:
        report = LossReport.model_validate(read_json(parts_of(event.body.jws).payload))
    except ValidationError as error:
        raise ValueError(f"no loss report: {error}") from error
    envelope = (event.tenant, event.device_id, event.event_id)
    if (report.tenant, report.device_id, report.event_id) != envelope:
        raise ValueError("the loss report is bound to another event")
    return report


def manifest_of(event: PackedEvent) -> Manifest:
    """The manifest in an event; the signature is not verified here.

    Raises:
        ValueError: Its payload is none, or is bound to another device, case, stage or number.
    """
    told = read_record(event.body.jws)
    if not isinstance(told, Manifest):
        raise ValueError("no manifest")  # noqa: TRY004 - what is wrong is the text
    envelope = (event.tenant, event.device_id, event.body.case_id, event.body.stage)
    if (told.tenant, told.device_id, told.case_id, told.stage) != envelope or (
        told.number != event.body.number
    ):
        raise ValueError("the manifest is bound to another event")
    return told


def tombstone_of(event: DeletedEvent) -> Tombstone:
    """The tombstone in an event; the signature is not verified here.

    Raises:
        ValueError: Its payload is none, or is bound to another device, case or number.
    """
    told = read_record(event.body.jws)
    if not isinstance(told, Tombstone):
        raise ValueError("no tombstone")  # noqa: TRY004 - what is wrong is the text
    envelope = (event.tenant, event.device_id, event.body.case_id, event.body.number)
    if (told.tenant, told.device_id, told.case_id, told.number) != envelope:
        raise ValueError("the tombstone is bound to another event")
    return told


def read_record(jws: str) -> Manifest | Tombstone:
    """A record of the chain of evidence; the signature is not verified here.

    Raises:
        ValueError: Its payload is none.
    """
    told = read_json(parts_of(jws).payload)
    is_tombstone = isinstance(told, dict) and told.get("record") == "tombstone"
    model: type[Manifest | Tombstone] = Tombstone if is_tombstone else Manifest
    try:
        return model.model_validate(told)
    except ValidationError as error:
        raise ValueError(f"no {model.__name__.lower()}: {error}") from error
