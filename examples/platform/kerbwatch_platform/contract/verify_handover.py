"""Verify what a platform handed over of a case. Needs only `cryptography`; nothing of Kerbwatch, no network.

    python verify_handover.py HANDOVER.zip [platform=KEY.jwk] [device=KEY.jwk] …

Ask for the keys on another way than the zip came by: the platform's where it is run, the device's where its birth was
stored. A key that is not given is taken out of the zip: then nothing was changed since it signed, and whose it is remains
to be compared. Says what holds, a line each, in Chinese where the system speaks it; ends with 1 at the first part that
does not.
"""

import json
import os
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
PLAIN = re.compile(r"(?:\w[\w.-]{0,63}/){0,3}\w[\w.-]{0,127}", re.ASCII)

GIVEN, COMPARE = "the key that was given", "a key to be compared"
CHINESE = {
    GIVEN: "所提供的公钥",
    COMPARE: "文件内附带、尚须另行核对的公钥",
    "sealed by {by} at {at}, with {whose}: {count} files": "由 {by} 于 {at} 封存，校验用{whose}：{count} 个文件",
    "{count} records of {device}, signed with {whose}": "设备 {device} 的 {count} 条记录，签名成立，校验用{whose}",
    "{count} pictures are those that the records name": "{count} 张图片与记录所指的一致",
    "{count} links of the device's chain follow each other": "设备记录链的 {count} 环前后相接",
    "no record has an authority's timestamp": "没有任何记录带有时间戳机构的时间戳",
    "{count} records are in the tree of an hour, whose token is verified by timestamp.py": "{count} 条记录在某一小时的哈希树中，其时间戳由 timestamp.py 校验",
    "NOT verified, and said so by the platform: {count} files below {folder} (report.json)": "未经校验，平台已如实说明：{folder} 下的 {count} 个文件（report.json）",
    "{count} verdicts of reviewers, signed with the same key; {others} with another": "{count} 项认定由同一密钥签名；另有 {others} 项由其他密钥签名",
    "{name}: signed for something else": "{name}：签名所对应的不是本案件",
    "{name}: changed": "{name}：已被改动",
    "a file is missing, or is one too many": "缺少文件，或多出文件",
    "{name}: the signature does not hold": "{name}：签名不成立",
    "{name}: signed by key {kid}, which was not given": "{name}：由公钥 {kid} 对应的密钥签名，而该公钥未提供",
    "{name}: no record names it": "{name}：没有记录指向它",
    "does not hold: {fault}": "不成立：{fault}",
    "cannot be read: {fault}": "无法读取：{fault}",
}


def said(english: str, **facts: object) -> str:
    """A line in the language of who runs it: the first of these that is set decides."""
    asked = ("KERBWATCH_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    told = next((value for name in asked if (value := os.environ.get(name))), "")
    words = CHINESE.get(english, english) if told.lower().startswith("zh") else english
    return words.format(**{name: shown(fact) for name, fact in facts.items()})


def shown(fact: object) -> str:
    """What a stranger wrote, on one line and written out: it may steer a terminal, or look like a line of ours."""
    told = (each if each.isprintable() else ascii(each)[1:-1] for each in str(fact)[:500])
    return "".join(told)


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
            raise DoesNotHoldError(
                said(
                    "{name}: signed by key {kid}, which was not given", name=name, kid=header["kid"]
                )
            )
        public = Ed25519PublicKey.from_public_bytes(decode(key["x"]))
        public.verify(decode(signature), f"{head}.{payload}".encode())
        return parsed(decode(payload))
    except (InvalidSignature, RecursionError) as error:
        raise DoesNotHoldError(said("{name}: the signature does not hold", name=name)) from error


def plain(entries: list[zipfile.ZipInfo]) -> None:
    """Each a file of its own name, wherever they are unpacked: also where a name's case does not count."""
    names = [each.filename.lower() for each in entries]
    need(
        all(PLAIN.fullmatch(each.filename) for each in entries),
        "a name that could lead out of a folder, or no plain one",
    )
    need(len(set(names)) == len(names), "a name twice")
    inside = tuple(f"{each}/" for each in names)
    need(not any(each.startswith(inside) for each in names), "a file in a file")
    # The type of a file, as Unix has it: none was told, or a regular one.
    need(all(each.external_attr >> 28 in {0, 8} for each in entries), "a link, or no file")


def read(path: str | Path) -> Files:
    """The files of a zip, within bounds; nothing is written."""
    with Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 42))
        tail = file.read()  # one end, of 32 bits, of a directory that is not long
    need(tail[20:24] == b"PK\5\6" and tail[:4] != b"PK\6\7" and tail[35] == 0, "no plain zip")
    with zipfile.ZipFile(path) as handed:
        need(len(handed.infolist()) <= 600, "too many files")
        plain(handed.infolist())
        entries = {each.filename: each for each in handed.infolist()}
        need(sum(each.file_size for each in entries.values()) <= 512_000_000, "too large")
        return {name: handed.open(each).read(64_000_000) for name, each in entries.items()}


def verify(files: Files, given: Keys) -> Iterator[str]:
    """What holds, a line each; DoesNotHoldError: what does not."""
    need(SEAL in files and "keys.json" in files, f"{SEAL} or keys.json is missing")
    inside: Keys = parsed(files["keys.json"])
    keys = {whose: given.get(whose) or inside[whose] for whose in ("platform", "device")}
    seal = signed(files[SEAL], keys["platform"], SEAL)
    need(seal.get("record") == "handover", f"{SEAL} is something else")
    need(
        files.keys() - {SEAL} == seal["files"].keys(),
        said("a file is missing, or is one too many"),
    )
    for name, sealed in seal["files"].items():
        need(
            sha256(files[name]).hexdigest() == sealed["sha256"], said("{name}: changed", name=name)
        )
    of = {whose: said(GIVEN if given.get(whose) else COMPARE) for whose in keys}
    yield said(
        "sealed by {by} at {at}, with {whose}: {count} files",
        by=seal["by"],
        at=seal["made_at"],
        whose=of["platform"],
        count=len(seal["files"]),
    )
    records = dict(_records(files, keys["device"], seal))
    yield said(
        "{count} records of {device}, signed with {whose}",
        count=len(records),
        device=seal["device_id"],
        whose=of["device"],
    )
    pictures, links = _pictures(files, records), _chain(files, records)
    yield said("{count} pictures are those that the records name", count=pictures)
    yield said("{count} links of the device's chain follow each other", count=links)
    stamped = len(list(proofs(files)))
    yield said(
        "{count} records are in the tree of an hour, whose token is verified by timestamp.py"
        if stamped
        else "no record has an authority's timestamp",
        count=stamped,
    )
    yield from _verdicts(files, keys["platform"], seal)
    aside = sum(name.startswith(ASIDE) for name in files)
    if aside:
        yield said(
            "NOT verified, and said so by the platform: {count} files below {folder} (report.json)",
            count=aside,
            folder=ASIDE,
        )


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
        need(
            name == f"pictures/{digest}.jpg" and digest in named,
            said("{name}: no record names it", name=name),
        )
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


def _verdicts(files: Files, keys: list[dict[str, str]], seal: dict[str, Any]) -> Iterator[str]:
    """What reviewers found: each signature has to be over this case and what stands beside it."""
    verdicts = [each for each in parsed(files["decisions.json"])["verdicts"] if each["jws"]]
    others = 0
    for each in verdicts:
        told, name = _ordered(each["jws"], keys), f"decisions.json, {each['reference']}"
        if told is None:
            others += 1
            continue
        names = {"tenant", "device_id", "case_id"}
        same = all(told.get(it) == seal[it] for it in names) and told.get("command") == "verdict"
        said_of_it = (told.get("verdict"), told.get("reference"), told.get("duplicate_of"))
        same &= said_of_it == (each["verdict"], each["reference"], each["of_case"])
        need(same, said("{name}: signed for something else", name=name))
    if verdicts:
        yield said(
            "{count} verdicts of reviewers, signed with the same key; {others} with another",
            count=len(verdicts) - others,
            others=others,
        )


def _ordered(jws: str, keys: list[dict[str, str]]) -> Any:
    """What one of these keys signed as an order, which names none; None: another key did."""
    head, payload, signature = jws.split(".")
    need(parsed(decode(head[:1000])) == {"alg": "EdDSA"}, "a verdict is signed in another way")
    for key in keys:
        public = Ed25519PublicKey.from_public_bytes(decode(key["x"]))
        try:
            public.verify(decode(signature), f"{head}.{payload}".encode())
        except InvalidSignature:
            continue
        return parsed(decode(payload))
    return None


def proofs(files: Files) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Of each stamped record: the root that it is under, and the token and authority that are to vouch for it."""
    for name in (
        each for each in files if each.startswith("timestamps/") and each.endswith(".json")
    ):
        told = parsed(files[name])
        need(told["record"].startswith("records/"), f"{name}: of no record")
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
        sys.exit(said("cannot be read: {fault}", fault=fault))
    except Exception as fault:  # noqa: BLE001 - whatever a stranger's file may raise
        sys.exit(said("does not hold: {fault}", fault=fault))
