"""Promises about the files of the last hours' tracks: bounded, and none the worse for a power cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.storage.track_log import (
    FILE_S,
    BlockPacker,
    TrackLog,
    blocks_of,
    names,
    read_blocks,
    size_bytes,
)

if TYPE_CHECKING:
    from pathlib import Path


def block(number: int, records: int = 3) -> bytes:
    packer = BlockPacker({"number": number})
    for index in range(records):
        packer.add({"t": index})
    return packer.packed()


def numbers(folder: Path, camera_id: str = "street") -> list[int]:
    return [each.header["number"] for each in blocks_of(folder, camera_id)]


def test_blocks_come_back_in_their_order_each_with_its_records(tmp_path: Path) -> None:
    log = TrackLog(tmp_path / "tracks", 1_000_000)
    for number in range(3):
        log.append("street", block(number), number * 300.0)
    found = list(blocks_of(tmp_path / "tracks", "street"))
    assert [each.header for each in found] == [{"number": number} for number in range(3)]
    assert found[0].records == [{"t": 0}, {"t": 1}, {"t": 2}]


def test_cameras_do_not_mix_whatever_they_are_called(tmp_path: Path) -> None:
    log = TrackLog(tmp_path, 1_000_000)
    for number, camera_id in enumerate(("a", "0000000001-a", "a")):
        log.append(camera_id, block(number), 0.0)
    assert numbers(tmp_path, "a") == [0, 2]
    assert numbers(tmp_path, "0000000001-a") == [1]


def test_a_block_can_be_read_while_it_goes_on() -> None:
    packer = BlockPacker({"number": 1})
    packer.add({"t": 0})
    [early] = read_blocks(packer.packed())
    packer.add({"t": 1})
    [late] = read_blocks(packer.packed())
    assert (early.records, late.records) == ([{"t": 0}], [{"t": 0}, {"t": 1}])


@pytest.mark.parametrize("kept", range(0, 90, 7))
def test_what_a_power_cut_tore_costs_that_block_alone(tmp_path: Path, kept: int) -> None:
    log = TrackLog(tmp_path, 1_000_000)
    log.append("street", block(0), 0.0)
    [name] = names(tmp_path)
    torn = block(1, 50)
    assert kept < len(torn)
    with (tmp_path / name).open("ab") as opened:
        opened.write(torn[:kept] + block(2))
    log.append("street", block(3), 1.0)
    assert numbers(tmp_path) == [0, 2, 3]


@pytest.mark.parametrize("place", [0, 5, 9, 20])
def test_a_byte_that_flipped_costs_its_block_alone(tmp_path: Path, place: int) -> None:
    damaged = bytearray(block(1))
    damaged[place] ^= 0x55
    (tmp_path / "0000000001-street.tracks").write_bytes(block(0) + bytes(damaged) + block(2))
    assert numbers(tmp_path) == [0, 2]


def test_a_file_is_of_an_hour_and_another_run_begins_another(tmp_path: Path) -> None:
    log = TrackLog(tmp_path, 1_000_000)
    for now_s in (0.0, FILE_S - 1, FILE_S, FILE_S + 5):
        log.append("street", block(int(now_s)), now_s)
    assert len(names(tmp_path)) == 2
    TrackLog(tmp_path, 1_000_000).append("street", block(9), FILE_S + 6)
    assert len(names(tmp_path)) == 3
    assert numbers(tmp_path) == [0, 3599, 3600, 3605, 9]


def test_the_oldest_go_when_there_is_no_room(tmp_path: Path) -> None:
    each = len(block(0))
    log = TrackLog(tmp_path, 4 * each + 40)
    for number in range(10):
        log.append("street", block(number), number * FILE_S)
        assert size_bytes(tmp_path) <= 4 * each + 40
    assert numbers(tmp_path) == [6, 7, 8, 9]


def test_what_is_forgotten_is_gone_and_others_files_stay(tmp_path: Path) -> None:
    log = TrackLog(tmp_path, 1_000_000)
    other = tmp_path / "note.txt"
    other.write_text("mine", encoding="utf-8")
    log.append("street", block(0), 0.0)
    log.forget()
    assert list(tmp_path.iterdir()) == [other]
    log.append("street", block(1), 1.0)
    assert numbers(tmp_path) == [1]
