"""Test vectors of what is signed: ``contract/vectors/``. A verifier of others is held against them.

Each vector names the signature, the key it is to be held against and what it must be bound to, and says whether a
verifier may accept it. The keys are for tests alone: their private halves are published here.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from agent.protocol.commands import COMMANDS, MAY_ORDER, Command, name_of, order_of, signers
from agent.protocol.events import Loss, LossReport, PublicKey
from agent.protocol.evidence import Manifest, Tombstone, digest_of, link_of
from agent.protocol.field_examples import BEGAN_AT, EPOCH, example_of, id_of
from agent.protocol.signed import as_json, compact_of, decoded, encoded, thumbprint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CORNER = {"tenant": "example-city", "device_id": "example-corner"}
EVENT_ID = id_of("loss report")
_ONLY_FOR_TESTS = (
    "These keys are published with their private halves. They are for tests alone: never name one in a site, never"
    " believe one of a device."
)
_NOW = (BEGAN_AT - timedelta(minutes=5)).isoformat()
_ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the curve's group (RFC 8032, 5.1): a signature whose second half is not below it is another spelling."""

_NO_OBJECTS: tuple[tuple[str, str, Any], ...] = (
    ("list", "a list", []),
    ("null", "null", None),
    ("text", "a text", "x"),
    ("number", "a number", 7),
)


@cache
def private_key(owner: str) -> Ed25519PrivateKey:
    """A key that everybody knows, by whose it is in the examples."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    seed = hashlib.sha256(f"kerbwatch test key: {owner}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key(owner: str) -> PublicKey:
    """Its public half."""
    x = encoded(private_key(owner).public_key().public_bytes_raw())
    return PublicKey(kid=thumbprint(x), x=x)


def signed_by(owner: str, payload: Any) -> str:
    """A JSON value, signed with a key that everybody knows."""
    return _jws(owner, as_json(payload))


def example_report(event_id: str, losses: tuple[Loss, ...]) -> str:
    """A loss report of the examples' device."""
    report = LossReport(**CORNER, event_id=event_id, losses=losses)
    return signed_by("device", report.model_dump(mode="json"))


def example_record(model: type[Manifest | Tombstone], **facts: Any) -> str:
    """A record of the chain of evidence of the examples' device."""
    record = model.model_validate(example_of(model).model_dump() | facts)
    return signed_by("device", record.model_dump(mode="json"))


def vectors() -> dict[str, Any]:
    """Every file of vectors, by its name."""
    return {"losses": losses(), "commands": commands(), "evidence": evidence()}


def losses() -> dict[str, Any]:
    """Signed loss reports, right and wrong."""
    bound = {**CORNER, "event_id": EVENT_ID}
    payload = _report().model_dump(mode="json")
    return {
        "about": "device.loss: body.jws, to be held against the key of the device's birth and the event's envelope.",
        "only_for_tests": _ONLY_FOR_TESTS,
        "keys": _keys("device", "another"),
        "vectors": [
            _vector(name, jws, "device", bound, why)
            for name, jws, why in (
                ("valid", signed_by("device", payload), None),
                *_broken("device", payload),
                *_misbound(payload, "event_id"),
            )
        ],
    }


def evidence() -> dict[str, Any]:
    """Signed manifests and tombstones, right and wrong, and a chain of three with its links."""
    payload = example_of(Manifest).model_dump(mode="json")
    case_id = payload["case_id"]
    bound = {**CORNER, "case_id": case_id}
    buried = example_of(Tombstone).model_dump(mode="json")
    told = [
        ("manifest", signed_by("device", payload), None),
        ("tombstone", signed_by("device", buried), None),
        *_broken("device", payload),
        *_misbound(payload, "case_id"),
    ]
    return {
        "about": "evidence.packed and evidence.deleted: body.jws, to be held against the key of the device's birth."
        " chain: three records, each with its link; the link is SHA-256 over the link before it (32 bytes; none"
        " at the first) and the SHA-256 of the compact signature (32 bytes).",
        "only_for_tests": _ONLY_FOR_TESTS,
        "keys": _keys("device", "another"),
        "chain": _chain(),
        "vectors": [_vector(name, jws, "device", bound, why) for name, jws, why in told],
    }


def _chain() -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    link = None
    for number, model, facts in (
        (1, Manifest, {"stage": "opened"}),
        (2, Manifest, {"stage": "cleared"}),
        (3, Tombstone, {}),
    ):
        jws = example_record(model, **facts, number=number, previous=link)
        link = link_of(link, digest_of(jws))
        records.append({"number": number, "sha256": digest_of(jws), "link": link, "jws": jws})
    return records


def commands() -> dict[str, Any]:
    """Signed commands, right and wrong, at a time at which the right ones have not expired."""
    owners: tuple[str, ...] = ("operator", "reviewer", "evidence")
    right = {
        name_of(model): order_of(model).model_validate(
            example_of(order_of(model)).model_dump() | {"command_id": f"{name_of(model)}-1"}
        )
        for model in COMMANDS
    }
    right["hold"] = right["hold"].model_copy(update={"held": False})
    payload = right["verdict"].model_dump(mode="json")
    late = payload | {"expires_at": _NOW}
    found = [
        _vector(name, signed_by(who, order.model_dump(mode="json")), who, dict(CORNER), None)
        for name, order in right.items()
        for who in (next(iter(sorted(MAY_ORDER.get(name, owners)))),)
    ]
    wrong = (
        *_broken("reviewer", payload),
        *_misbound(payload),
        ("another-role", signed_by("operator", payload), "signed in a role that may not order it"),
        ("expired", signed_by("reviewer", late), "it expires at that moment"),
        ("without-expiry", signed_by("reviewer", payload | {"expires_at": None}), "never expires"),
    )
    found += [_vector(name, jws, "reviewer", dict(CORNER), why) for name, jws, why in wrong]
    return {
        "about": 'commands: {"contract": 2, "jws": …}, to be held against the key of the role that may order it.',
        "only_for_tests": _ONLY_FOR_TESTS,
        "keys": _keys(*owners, "another"),
        "vectors": [each | {"now": _NOW} for each in found],
    }


def example_order(order: Command) -> str:
    """An order to the examples' device, signed by one who may give it."""
    owner = min(signers(order))
    return signed_by(owner, order.model_dump(mode="json"))


def _report() -> LossReport:
    loss = Loss(
        epoch=EPOCH,
        lane="rest",
        reason="evicted: database size limit reached",
        ranges=((1, 1), (4, 9)),
        from_at=BEGAN_AT,
        to_at=BEGAN_AT,
    )
    return LossReport(**CORNER, event_id=EVENT_ID, losses=(loss,))


def _keys(*owners: str) -> dict[str, Any]:
    return {
        owner: {
            **public_key(owner).model_dump(),
            "d": encoded(private_key(owner).private_bytes_raw()),
        }
        for owner in owners
    }


def _vector(
    name: str, jws: str, key: str, bound: dict[str, str], why: str | None
) -> dict[str, Any]:
    """One vector; ``why`` is what is wrong with it, None: it is to be accepted."""
    return {"name": name, "valid": why is None, "why": why, "key": key, "bound": bound, "jws": jws}


def _jws(owner: str, payload: bytes, **header: Any) -> str:
    head = {"alg": "EdDSA", "kid": public_key(owner).kid} | header
    return compact_of(head, payload, private_key(owner).sign)


def _broken(owner: str, payload: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Signatures that nobody may accept: name, signature, why."""
    right = signed_by(owner, payload)
    head, body, signature = right.split(".")
    content = as_json(payload)
    changed = as_json(payload | {"tenant": "other-city"})
    twice = content[:-1] + b',"tenant":"other-city"}'
    unsigned = f"{encoded(as_json({'alg': 'none'}))}.{body}."
    return [
        ("changed-payload", f"{head}.{encoded(changed)}.{signature}", "the payload was changed"),
        ("changed-signature", f"{head}.{body}.{_flipped(signature)}", "a bit of it was changed"),
        ("another-key", signed_by("another", payload), "signed by a key that is not this one"),
        (
            "another-key-under-this-kid",
            _jws("another", content, kid=public_key(owner).kid),
            "signed by another key, which calls itself this one",
        ),
        ("alg-none", unsigned, "alg is none, and nothing is signed"),
        ("alg-hs256", _with_hmac(owner, content), "an HMAC whose secret is the public key"),
        (
            "key-in-the-header",
            _jws("another", content, jwk=_keys("another")["another"]),
            "brings its own key",
        ),
        (
            "critical-extension",
            _jws(owner, content, crit=["exp"], exp=1),
            "a header that says more than alg, kid, typ",
        ),
        ("key-stands-twice", _jws(owner, twice), "a key stands twice in the payload"),
        ("not-json", _jws(owner, b"not JSON"), "the payload is not JSON"),
        ("too-deep", _jws(owner, b"[" * 9_000), "the payload is nested too deep"),
        *[
            (f"{name}-as-payload", signed_by(owner, value), f"the payload is {told}, no object")
            for name, told, value in _NO_OBJECTS
        ],
        *[
            (
                f"{name}-as-header",
                compact_of(value, content, private_key(owner).sign),
                f"the header is {told}, no object",
            )
            for name, told, value in _NO_OBJECTS
        ],
        ("padded", f"{head}.{body}.{signature}==", "base64 with padding"),
        (
            "respelt",
            f"{head}.{body}.{_respelt(signature)}",
            "other base64url of the same signature",
        ),
        (
            "respelt-number",
            f"{head}.{body}.{_above_order(signature)}",
            "its number is not below the group's order",
        ),
        ("two-parts", f"{head}.{body}", "a part is missing"),
    ]


def _misbound(payload: dict[str, Any], *names: str) -> list[tuple[str, str, str]]:
    """Rightly signed, and of something else."""
    return [
        (
            f"of-another-{name}",
            signed_by("device", payload | {name: "another"}),
            f"bound to another {name}",
        )
        for name in ("tenant", "device_id", *names)
    ]


def _with_hmac(owner: str, content: bytes) -> str:
    def sign(covered: bytes) -> bytes:
        return hmac.digest(decoded(public_key(owner).x), covered, "sha256")

    return compact_of({"alg": "HS256"}, content, sign)


def _flipped(signature: str) -> str:
    content = bytearray(decoded(signature))
    content[40] ^= 1
    return encoded(bytes(content))


def _respelt(signature: str) -> str:
    """The last of 86 letters says two bits of the 64 bytes; its other four bits are 0, and here they are not."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return signature[:-1] + letters[letters.index(signature[-1]) | 1]


def _above_order(signature: str) -> str:
    content = decoded(signature)
    number = int.from_bytes(content[32:], "little") + _ORDER
    return encoded(content[:32] + number.to_bytes(32, "little"))
