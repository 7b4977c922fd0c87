"""Have an authority sign when the manifests of an hour were there: RFC 3161 over a Merkle root. Needs `rfc3161-client`.

The tree is that of RFC 6962, 2.1: a leaf is SHA-256 over 0x00 and a record's compact signature, a node SHA-256 over
0x01 and its two halves. `docs/evidence.md` says how the steps go together:

    python timestamp.py hour HOUR.json REQUEST.tsq RECORD.jws …     # then send REQUEST.tsq to the authority
    python timestamp.py proof HOUR.json RECORD.jws PROOF.json
    python timestamp.py verify PROOF.json RECORD.jws RESPONSE.tsr AUTHORITY.pem
"""

import json
import re
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates
from rfc3161_client import (
    TimestampRequestBuilder,
    VerifierBuilder,
    decode_timestamp_response,
)


def leaf(record: bytes) -> bytes:
    return sha256(b"\x00" + record).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def half(count: int) -> int:
    """The largest power of two below a number of leaves: so many are on the left."""
    return 1 << ((count - 1).bit_length() - 1)


def root_of(leaves: list[bytes]) -> bytes:
    """The root of a tree (RFC 6962, 2.1); of no leaf it is SHA-256 of nothing."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    left = half(len(leaves))
    return node(root_of(leaves[:left]), root_of(leaves[left:]))


def path_of(leaves: list[bytes], index: int) -> list[bytes]:
    """What leads from a leaf to the root (RFC 6962, 2.1.1), the lowest first."""
    if len(leaves) < 2:
        return []
    left = half(len(leaves))
    if index < left:
        return [*path_of(leaves[:left], index), root_of(leaves[left:])]
    return [*path_of(leaves[left:], index - left), root_of(leaves[:left])]


def root_by(leaf_hash: bytes, index: int, count: int, path: list[bytes]) -> bytes:
    """The root to which a path leads; ValueError: none can be so long or short."""
    if not 0 <= index < count or (count == 1 and path) or (count > 1 and not path):
        raise ValueError("no path of this tree")
    if count == 1:
        return leaf_hash
    left = half(count)
    if index < left:
        return node(root_by(leaf_hash, index, left, path[:-1]), path[-1])
    return node(path[-1], root_by(leaf_hash, index - left, count - left, path[:-1]))


def request(root: bytes) -> bytes:
    """What to send to the authority, as `application/timestamp-query`."""
    return TimestampRequestBuilder().data(root).build().as_bytes()


def signed_at(response: bytes, root: bytes, authority: bytes) -> str:
    """When the authority signed this root; VerificationError or ValueError: it did not."""
    verifier = VerifierBuilder()
    for certificate in load_pem_x509_certificates(authority):
        verifier = verifier.add_root_certificate(certificate)
    told = decode_timestamp_response(response)
    verifier.build().verify_message(told, root)
    return told.tst_info.gen_time.isoformat()


def record(file: str) -> bytes:
    """A record's compact signature, without the line's end that a shell puts behind it; ValueError: it is none."""
    text = Path(file).read_bytes().strip()
    if not re.fullmatch(rb"[\w-]+\.[\w-]+\.[\w-]+", text):
        raise ValueError(
            f"{file} holds no compact signature: one evidence.packed's or evidence.deleted's jws"
        )
    return text


def hour(out: str, query: str, *records: str) -> None:
    leaves = sorted(leaf(record(each)) for each in records)
    told = {"root": root_of(leaves).hex(), "leaves": [each.hex() for each in leaves]}
    Path(out).write_text(json.dumps(told))
    Path(query).write_bytes(request(root_of(leaves)))


def proof(hour_file: str, file: str, out: str) -> None:
    told = json.loads(Path(hour_file).read_bytes())
    leaves = [bytes.fromhex(each) for each in told["leaves"]]
    own = leaf(record(file))
    if own not in leaves:
        raise ValueError(f"{file} is not among the records of {hour_file}")
    index = leaves.index(own)
    path = [each.hex() for each in path_of(leaves, index)]
    Path(out).write_text(json.dumps({"index": index, "count": len(leaves), "path": path}))


def verify(proof_file: str, file: str, response: str, authority: str) -> None:
    told = json.loads(Path(proof_file).read_bytes())
    path = [bytes.fromhex(each) for each in told["path"]]
    root = root_by(leaf(record(file)), told["index"], told["count"], path)
    print(signed_at(Path(response).read_bytes(), root, Path(authority).read_bytes()))


if __name__ == "__main__":
    words: dict[str, tuple[Callable[..., None], int, int]] = {
        "hour": (hour, 3, 100_000),
        "proof": (proof, 3, 3),
        "verify": (verify, 4, 4),
    }
    step, least, most = words.get(" ".join(sys.argv[1:2]), (hour, 1, 0))
    if not least <= len(sys.argv[2:]) <= most:
        sys.exit(__doc__)
    try:
        step(*sys.argv[2:])
    except OSError as fault:
        sys.exit(f"cannot be read or written: {fault}")
    except Exception as fault:  # noqa: BLE001 - whatever a stranger's file may raise
        sys.exit(f"does not hold: {fault!r}")
