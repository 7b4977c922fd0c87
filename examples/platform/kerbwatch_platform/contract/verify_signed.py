"""Verify what Kerbwatch signs, with `cryptography` alone. `python verify_signed.py contract/vectors/*.json` tries it."""

import json
import sys
from base64 import b64decode, urlsafe_b64encode
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
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


def verify(jws: str, key: dict[str, str], bound: dict[str, str], now: str | None = None) -> object:
    """What this key signed for what it must be bound to (and not expired), or ValueError."""
    head, payload, signature = jws.split(".")
    try:
        header = json.loads(decode(head).decode(), object_pairs_hook=once)
        told = json.loads(decode(payload).decode(), object_pairs_hook=once)
        public = Ed25519PublicKey.from_public_bytes(decode(key["x"]))
        public.verify(decode(signature), f"{head}.{payload}".encode())
    except (InvalidSignature, RecursionError):
        raise ValueError("the signature does not hold, or the JSON is too deep") from None
    known = isinstance(header, dict) and not header.keys() - {"alg", "kid", "typ"}
    if not known or header.get("alg") != "EdDSA" or header.get("kid", key["kid"]) != key["kid"]:
        raise ValueError("alg must be EdDSA, kid this key's, and nothing else may decide")
    members = told if isinstance(told, dict) else {}
    if not bound.items() <= members.items():
        raise ValueError("bound to something else, or to nothing")
    until = members.get("expires_at") or ""
    if now and datetime.fromisoformat(until) <= datetime.fromisoformat(now):
        raise ValueError("expired")
    return told


if __name__ == "__main__":
    told = [json.loads(Path(path).read_bytes()) for path in sys.argv[1:] or sys.exit(__doc__)]
    tried = [(each, of["keys"][each["key"]]) for of in told for each in of["vectors"]]
    for each, key in tried:
        try:
            held = verify(each["jws"], key, each["bound"], each.get("now")) is not None
        except ValueError:
            held = False
        if held is not each["valid"]:  # no assert: `python -O` leaves those out
            sys.exit(f"{each['name']}: {'verified' if held else 'refused'}, and must not be")
    sys.stdout.write(f"{sum(each['valid'] for each, _ in tried)} of {len(tried)} hold, as said\n")
