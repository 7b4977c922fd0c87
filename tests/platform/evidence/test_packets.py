"""A packet that was exported on a device is taken in if it holds, and never with originals."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from kerbwatch_platform.evidence.packets import PacketError, take_packet

from agent.identity.signing_key import Signer
from tests.support.evidence_desk import City, exported, opened


def test_it_brings_every_copy_and_is_handed_over_with_the_case(city: City, tmp_path: Path) -> None:
    city.knows_the_key()
    case_id = city.device.packed()
    city.hears()
    packet = exported(city, case_id, tmp_path / "packet.zip")
    taken = take_packet(city.connection, city.settings, packet)
    assert (taken.case_id, taken.pictures) == (case_id, 4)
    assert set(city.states(case_id).values()) == {("verified", None)}
    assert take_packet(city.connection, city.settings, packet).pictures == 0, "the same again"
    files = opened(city.hands_over(case_id, "li", "r"))
    [name] = [name for name in files if name.startswith("packets/")]
    assert files[name] == packet.read_bytes()


def test_one_with_originals_is_not_stored(city: City, tmp_path: Path) -> None:
    city.knows_the_key()
    case_id = city.device.packed()
    city.hears()
    with_them = exported(city, case_id, tmp_path / "p.zip", "--originals", "--reason", "案 17")
    with pytest.raises(PacketError, match="originals"):
        take_packet(city.connection, city.settings, with_them)
    assert city.rows("SELECT count(*) FROM evidence_file") == [(0,)]


def test_one_that_was_changed_is_of_another_key_or_unknown_is_not_taken(
    city: City, tmp_path: Path
) -> None:
    case_id = city.device.packed()
    packet = exported(city, case_id, tmp_path / "packet.zip")

    def refused(path: Path) -> str:
        with pytest.raises(PacketError) as told:
            take_packet(city.connection, city.settings, path)
        return told.value.words.format(part=told.value.part)

    assert "no such case" in refused(packet), "no birth of its device has come"
    city.hears()
    other = Signer(city.device.folder / "other-keys").public
    city.knows_the_key({"kid": other.kid, "x": other.x})
    assert "which was not given" in refused(packet)
    city.knows_the_key()
    files = opened(packet.read_bytes())
    changed = tmp_path / "changed.zip"
    for name in files:
        with zipfile.ZipFile(changed, "w") as written:
            for each, content in files.items():
                written.writestr(each, content[:-1] + b"x" if each == name else content)
        assert refused(changed), name
    changed.write_bytes(b"no zip")
    assert "no packet" in refused(changed)
    with zipfile.ZipFile(changed, "w") as written:
        written.writestr("packet.jws", f"e30.{'W10'}.e30")
        written.writestr("keys.jwks", json.dumps([]))
    assert "no packet" in refused(changed)
    assert city.rows("SELECT count(*) FROM evidence_file") == [(0,)]
    assert take_packet(city.connection, city.settings, packet).pictures == 4
