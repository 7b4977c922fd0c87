"""Writing for later: whole or not at all, on the disk with its folder, for nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drivers.disk import (
    READABLE,
    make_folder,
    place_folder,
    replace_file,
    sync_file_systems,
)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was fsynced, by its name at that moment, in order."""
    names: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return names


def modes(folder: Path) -> dict[str, str]:
    """The rights of everything below a folder, in octal."""
    return {
        str(path.relative_to(folder)): f"{path.lstat().st_mode & 0o777:o}"
        for path in sorted(folder.rglob("*"))
    }


def test_a_file_is_on_the_disk_with_all_its_new_folders(tmp_path: Path, synced: list[str]) -> None:
    replace_file(tmp_path / "a" / "b" / "kept.json", "{}")
    assert synced == [tmp_path.name, "a", "kept.json.part", "b"]
    assert (tmp_path / "a/b/kept.json").read_text() == "{}"


def test_what_is_of_this_second_only_wears_no_card(tmp_path: Path, synced: list[str]) -> None:
    replace_file(tmp_path / "status.json", "{}", durable=False)
    assert synced == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_rights_are_as_asked_for_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        replace_file(tmp_path / "own" / "key", b"k")
        replace_file(tmp_path / "etc" / "unit.service", "u", mode=READABLE)
    finally:
        os.umask(before)
    assert modes(tmp_path) == {
        "own": "700",
        "own/key": "600",
        "etc": "755",
        "etc/unit.service": "644",
    }


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("theirs")
    for name in ("kept", "kept.part"):
        (tmp_path / name).symlink_to(elsewhere)
    replace_file(tmp_path / "kept", "ours")
    assert elsewhere.read_text() == "theirs"
    assert not (tmp_path / "kept").is_symlink()


def test_a_disk_that_refuses_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_file(tmp_path / "kept", "old")

    def refuse(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output"):
        replace_file(tmp_path / "kept", "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"kept": "old"}


def test_a_folder_is_placed_whole_on_the_disk_and_for_all_to_read(
    tmp_path: Path, synced: list[str]
) -> None:
    make_folder(tmp_path / "scratch" / "inner")
    (tmp_path / "scratch" / "inner" / "model.onnx").write_bytes(b"net")
    synced.clear()
    target = tmp_path / "models" / "street"
    place_folder(tmp_path / "scratch", target)
    assert modes(tmp_path / "models") == {
        "street": "755",
        "street/inner": "755",
        "street/inner/model.onnx": "644",
    }
    assert {"model.onnx", "inner", ".street.part"} <= set(synced)
    assert synced[-1] == "models", "its name comes last"


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    for name, content in {"scratch": b"new", "street": b"old"}.items():
        make_folder(tmp_path / name)
        (tmp_path / name / "model.onnx").write_bytes(content)
    with pytest.raises(OSError, match="not empty"):
        place_folder(tmp_path / "scratch", tmp_path / "street")
    assert (tmp_path / "street" / "model.onnx").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scratch", "street"]


def test_a_file_system_can_be_written_out_by_any_folder_on_it(tmp_path: Path) -> None:
    sync_file_systems([tmp_path, tmp_path.parent])
    with pytest.raises(FileNotFoundError):
        sync_file_systems([tmp_path / "nowhere"])
