"""Verify what Kerbwatch signs: loss reports and commands. Needs only `cryptography`.

`python verify_signed.py contract/vectors/*.json` tries the published test vectors. In a platform: verify(event["body"]["jws"], birth["body"]["signing_key"],
{"tenant": event["tenant"], "device_id": event["device_id"], "event_id": event["event_id"]}).
"""

import json
import sys
from base64 import b64decode, urlsafe_b64encode
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def once(pairs: list) -> dict:
    """An object whose keys each stand there once: readers do not agree on the others."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def decode(text: str) -> bytes:
    """Base64url without padding, in the one spelling that there is."""
    content = b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    if urlsafe_b64encode(content).rstrip(b"=").decode() != text:
        raise ValueError("another spelling")
    return content


def verify(jws: str, key: dict, bound: dict, now: str | None = None) -> dict:
    """The payload that this key signed for what it must be bound to (and before it expires), or ValueError."""
    head, payload, signature = jws.split(".")
    header = json.loads(decode(head), object_pairs_hook=once)
    if header.get("alg") != "EdDSA" or header.keys() - {"alg", "kid", "typ"}:
        raise ValueError("alg must be EdDSA, and nothing else may decide")
    if header.get("kid", key["kid"]) != key["kid"]:
        raise ValueError("another key")
    try:
        public = Ed25519PublicKey.from_public_bytes(decode(key["x"]))
        public.verify(decode(signature), f"{head}.{payload}".encode())
    except InvalidSignature:
        raise ValueError("the signature does not hold") from None
    told = json.loads(decode(payload).decode(), object_pairs_hook=once)
    if any(told.get(name) != value for name, value in bound.items()):
        raise ValueError("bound to something else")
    if now and datetime.fromisoformat(told.get("expires_at") or "") <= datetime.fromisoformat(now):
        raise ValueError("expired")
    return told


if __name__ == "__main__":
    for vectors in (json.loads(Path(path).read_bytes()) for path in sys.argv[1:]):
        for each in vectors["vectors"]:
            try:
                verify(each["jws"], vectors["keys"][each["key"]], each["bound"], each.get("now"))
                assert each["valid"], each["name"]
            except ValueError:
                assert not each["valid"], each["name"]
