"""Verify a case's packet that `kerbwatch evidence export` wrote. Needs only `cryptography`; nothing of Kerbwatch.

`python verify_packet.py PACKET.zip KEY.jwk …`: the signing keys of the device's births. Says what does not hold.
"""

import json
import re
import sys
import zipfile
from base64 import b64decode, urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Keys = dict[str, dict[str, str]]
PLAIN = re.compile(r"(?:\w[\w.-]{0,63}/){0,3}\w[\w.-]{0,127}", re.ASCII)


def need(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), "a key stands twice")
    return dict(pairs)


def decode(text: str) -> bytes:
    content = b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    need(urlsafe_b64encode(content).rstrip(b"=").decode() == text, "another spelling")
    return content


def signed(jws: bytes, keys: Keys, record: str) -> Any:
    head, payload, signature = jws.decode("ascii").split(".")
    header = json.loads(decode(head[:1000]), object_pairs_hook=once)
    need(header.keys() == {"alg", "kid"} and header["alg"] == "EdDSA", "another kind of signature")
    need(header["kid"] in keys, f"signed by key {header['kid']!s:.200}, which was not given")
    public = Ed25519PublicKey.from_public_bytes(decode(keys[header["kid"]]["x"]))
    public.verify(decode(signature), f"{head}.{payload}".encode())
    told = json.loads(decode(payload), object_pairs_hook=once)
    need(told["record"] == record, "signed as something else")
    return told


def read(path: str) -> dict[str, bytes]:
    tail = Path(path).read_bytes()[-42:]  # one end, of 32 bits, of a directory that is not long
    need(tail[20:24] == b"PK\5\6" and tail[:4] != b"PK\6\7" and tail[35] == 0, "no plain zip")
    with zipfile.ZipFile(path) as packet:
        entries = packet.infolist()
        names = [
            each.filename.lower() for each in entries
        ]  # a case may not count where it is unpacked
        need(all(PLAIN.fullmatch(each.filename) for each in entries), "no plain name")
        need(len(set(names)) == len(names) <= 300, "too many, or a name twice")
        inside = tuple(f"{each}/" for each in names)
        need(not any(each.startswith(inside) for each in names), "a file in a file")
        # The type of a file, as Unix has it: none was told, or a regular one.
        need(all(each.external_attr >> 28 in {0, 8} for each in entries), "a link, or no file")
        need(sum(each.file_size for each in entries) <= 256_000_000, "too large")
        return {each.filename: packet.open(each).read(32_000_000) for each in entries}


def verify(files: dict[str, bytes], keys: Keys) -> None:
    seal = signed(files["packet.jws"], keys, "packet")
    need(files.keys() - {"packet.jws"} == seal["files"].keys(), "a file is missing or too many")
    for name, sealed in seal["files"].items():
        need(sha256(files[name]).hexdigest() == sealed["sha256"], name)
    links = json.loads(files["links.json"])["links"]
    digests, follows = {each["number"]: bytes.fromhex(each["sha256"]) for each in links}, {}
    for name in (each for each in files if each.startswith("manifests/")):
        record = name[len("manifests/") :].split("-")[0]
        need(record in {"manifest", "tombstone"}, f"{name} is something else")
        told = signed(files[name], keys, record)
        need(all(told[it] == seal[it] for it in ("tenant", "device_id", "case_id")), name)
        need(digests[told["number"]] == sha256(files[name]).digest(), f"{name} has no link")
        follows[told["number"]] = told["previous"] or ""
        for copy in (each["redacted"] for each in told.get("pictures", []) if each["redacted"]):
            content = files["pictures/" + copy["file"].split("/")[1]]
            need(sha256(content).hexdigest() == copy["sha256"], copy["file"])
    link = bytes.fromhex(follows[seal["first"]])
    for number in range(seal["first"], seal["head"]["number"] + 1):
        need(follows.get(number, link.hex()) == link.hex(), f"{number} does not follow")
        link = sha256(link + digests[number]).digest()
    need(link.hex() == seal["head"]["link"], "the chain is cut short")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        given = [json.loads(Path(each).read_bytes()) for each in sys.argv[2:]]
        verify(read(sys.argv[1]), {each["kid"]: each for each in given})
    except FileNotFoundError as fault:
        sys.exit(f"cannot be read: {fault}")
    except Exception as fault:  # noqa: BLE001 - whatever a stranger's file may raise
        sys.exit(f"does not hold: {fault!r:.500}")
