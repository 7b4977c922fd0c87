"""Verify what a platform handed over of a case. Needs only `cryptography`; nothing of Kerbwatch, no network.

    python verify_handover.py HANDOVER.zip [platform=KEY.jwk] [device=KEY.jwk] …

Ask for the keys on another way than the zip came by: the platform's where it is run, the device's where its birth was
stored. A key that is not given is taken out of the zip: then nothing was changed since it signed, and whose it is remains
to be compared. Says what holds, a line each; ends with 1 at the first part that does not.
"""

import json
import re
import sys
import zipfile
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Files = dict[str, bytes]
Keys = dict[str, list[dict[str, str]]]
SEAL, ASIDE = "handover.jws", "unverified/"
PLAIN = re.compile(r"(?:\w[\w.-]{0,63}/){0,3}\w[\w.-]{0,127}")


class DoesNotHoldError(ValueError):
    """A part is not what was signed; the words name it."""


def need(holds: bool, what: str) -> None:
    if not holds:
        raise DoesNotHoldError(what)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), "a key stands twice")
    return dict(pairs)


def parsed(content: bytes) -> Any:
    return json.loads(content, object_pairs_hook=once)


def decode(text: str) -> bytes:
    content = b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    need(urlsafe_b64encode(content).rstrip(b"=").decode() == text, "another spelling")
    return content


def signed(jws: bytes, keys: list[dict[str, str]], name: str) -> Any:
    """What one of these keys signed."""
    try:
        head, payload, signature = jws.decode("ascii").split(".")
        header = parsed(decode(head[:1000]))
        need(header.keys() == {"alg", "kid"} and header["alg"] == "EdDSA", name)
        key = next((each for each in keys if each["kid"] == header["kid"]), None)
        if key is None:
            raise DoesNotHoldError(f"{name}: signed by key {header['kid']}, which was not given")
        public = Ed25519PublicKey.from_public_bytes(decode(key["x"]))
        public.verify(decode(signature), f"{head}.{payload}".encode())
        return parsed(decode(payload))
    except (InvalidSignature, RecursionError) as error:
        raise DoesNotHoldError(f"{name}: the signature does not hold") from error


def read(path: str | Path) -> Files:
    """The files of a zip, within bounds; nothing is written."""
    tail = Path(path).read_bytes()[-42:]  # one end, of 32 bits, of a directory that is not long
    need(tail[20:24] == b"PK\5\6" and tail[:4] != b"PK\6\7" and tail[35] == 0, "no plain zip")
    with zipfile.ZipFile(path) as handed:
        entries = {each.filename: each for each in handed.infolist()}
        need(len(handed.infolist()) == len(entries) <= 600, "too many files, or a name twice")
        need(
            all(map(PLAIN.fullmatch, entries)),
            "a name that could lead out of a folder, or no plain one",
        )
        need(sum(each.file_size for each in entries.values()) <= 512_000_000, "too large")
        return {name: handed.open(each).read(64_000_000) for name, each in entries.items()}


def verify(files: Files, given: Keys) -> Iterator[str]:
    """What holds, a line each; DoesNotHoldError: what does not."""
    need(SEAL in files and "keys.json" in files, f"{SEAL} or keys.json is missing")
    inside: Keys = parsed(files["keys.json"])
    keys = {whose: given.get(whose) or inside[whose] for whose in ("platform", "device")}
    seal = signed(files[SEAL], keys["platform"], SEAL)
    need(seal.get("record") == "handover", f"{SEAL} is something else")
    need(files.keys() - {SEAL} == seal["files"].keys(), "a file is missing, or is one too many")
    for name, sealed in seal["files"].items():
        need(sha256(files[name]).hexdigest() == sealed["sha256"], f"{name}: changed")
    whose = "the key that was given" if given.get("platform") else "a key to be compared"
    yield f"sealed by {seal['by']} at {seal['made_at']}, with {whose}: {len(seal['files'])} files"
    records = dict(_records(files, keys["device"], seal))
    whose = "the key that was given" if given.get("device") else "a key to be compared"
    yield f"{len(records)} records of {seal['device_id']}, signed with {whose}"
    yield f"{_pictures(files, records)} pictures are those that the records name"
    yield f"{_chain(files, records)} links of the device's chain follow each other"
    yield f"{len(list(proofs(files)))} records are in the tree of an hour, whose token is verified by timestamp.py"
    aside = sum(name.startswith(ASIDE) for name in files)
    if aside:
        yield f"NOT verified, and said so by the platform: {aside} files below {ASIDE} (report.json)"


def _records(
    files: Files, keys: list[dict[str, str]], seal: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in (each for each in files if each.startswith("records/")):
        told = signed(files[name], keys, name)
        same = all(told.get(it) == seal[it] for it in ("tenant", "device_id", "case_id"))
        need(same and told.get("record") in {"manifest", "tombstone"}, f"{name}: of something else")
        yield name, told


def _pictures(files: Files, records: dict[str, dict[str, Any]]) -> int:
    copies = [p["redacted"] for told in records.values() for p in told.get("pictures", [])]
    named = {each["sha256"] for each in copies if each}
    shown = [name for name in files if name.startswith("pictures/")]
    for name in shown:
        digest = sha256(files[name]).hexdigest()
        need(name == f"pictures/{digest}.jpg" and digest in named, f"{name}: no record names it")
    return len(shown)


def _chain(files: Files, records: dict[str, dict[str, Any]]) -> int:
    runs = parsed(files["links.json"])["runs"]
    own = {sha256(files[name]).hexdigest(): told for name, told in records.items()}
    linked: set[str] = set()
    for run in runs:
        link = bytes.fromhex(run["previous"] or "")
        for at, each in enumerate(run["links"]):
            told = own.get(each["sha256"])
            if told is not None:
                need(told["number"] == each["number"], f"record {each['number']}: another number")
                need((told["previous"] or "") == link.hex(), f"{each['number']} does not follow")
            need(each["number"] == run["links"][0]["number"] + at, "a link is missing")
            link = sha256(link + bytes.fromhex(each["sha256"])).digest()
            linked.add(each["sha256"])
    need(own.keys() <= linked, "a record has no link")
    return sum(len(run["links"]) for run in runs)


def proofs(files: Files) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Of each stamped record: the root that it is under, and the token and authority that are to vouch for it."""
    for name in (
        each for each in files if each.startswith("timestamps/") and each.endswith(".json")
    ):
        told = parsed(files[name])
        leaf = sha256(b"\0" + files[told["record"]]).digest()
        root = _root(leaf, told["index"], told["count"], [bytes.fromhex(x) for x in told["path"]])
        need(root.hex() == told["root"], f"{name}: leads to another root")
        yield root, files[told["token"]], files[told["authority"]]


def _root(leaf: bytes, index: int, count: int, path: list[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2: the root that a path leads to."""
    at, last, root = index, count - 1, leaf
    need(0 <= at <= last, "no place in such a tree")
    for sibling in path:
        need(last > 0, "a path that is too long")
        if at & 1 or at == last:
            root = sha256(b"\1" + sibling + root).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = sha256(b"\1" + root + sibling).digest()
        at, last = at >> 1, last >> 1
    need(last == 0, "a path that is too short")
    return root


def main(handed: str, *keys: str) -> None:
    given: Keys = {}
    for each in keys:
        whose, _, file = each.partition("=")
        need(whose in {"platform", "device"}, f"{each}: platform=KEY.jwk or device=KEY.jwk")
        given.setdefault(whose, []).append(json.loads(Path(file).read_bytes()))
    for line in verify(read(handed), given):
        print(line)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except OSError as fault:
        sys.exit(f"cannot be read: {fault}")
    except Exception as fault:  # noqa: BLE001 - whatever a stranger's file may raise
        sys.exit(f"does not hold: {fault}")
