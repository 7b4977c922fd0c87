"""Versions lie beside each other, the link is switched last, and what a device needs to go back stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drivers.files import version_record as record
from provisioning.versions.__main__ import main
from provisioning.versions.layout import Layout, VersionError
from provisioning.versions.placing import activate, place, purge, remove
from tests.support.environments import environment
from tests.support.paths import ROOT
from tests.support.small_disks import in_memory_or_skip


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A device's places below a folder."""
    return Layout(tmp_path / "device")


def _says(layout: Layout) -> str:
    """What the active environment's package says, run as the units run it."""
    told = (layout.home / "active/lib/python3.11/site-packages/corner/__init__.py").read_text()
    return told.removeprefix("SAYS = '").removesuffix("'\n")


def _proved(layout: Layout) -> None:
    """End the trial as a proof does."""
    record.write(layout.records, record.Record())


def test_the_first_version_is_active_and_has_nothing_to_prove(
    layout: Layout, tmp_path: Path
) -> None:
    assert place(environment(tmp_path / "1.0", "1.0"), layout)
    assert (layout.active, layout.before, _says(layout)) == ("1.0", None, "1.0")
    assert record.read(layout.records).trial is None


def test_an_update_leaves_the_version_before_and_opens_a_trial(
    layout: Layout, tmp_path: Path
) -> None:
    place(environment(tmp_path / "1.0", "1.0"), layout)
    assert place(environment(tmp_path / "1.1", "1.1"), layout)
    assert (layout.active, layout.before, _says(layout)) == ("1.1", "1.0", "1.1")
    trial = record.read(layout.records).trial
    assert trial is not None
    assert (trial.version, trial.instead_of, trial.was) == ("1.1", "1.0", None)


def test_older_versions_go_and_never_the_active_one_or_the_one_before(
    layout: Layout, tmp_path: Path
) -> None:
    for version in ("1.0", "1.1", "1.2"):
        place(environment(tmp_path / version, version), layout)
        _proved(layout)
    assert layout.installed() == ["1.1", "1.2"]
    assert (layout.active, layout.before) == ("1.2", "1.1")


def test_what_never_proved_itself_is_nothing_to_go_back_to(layout: Layout, tmp_path: Path) -> None:
    place(environment(tmp_path / "1.0", "1.0"), layout)
    place(environment(tmp_path / "1.1", "1.1"), layout)
    place(environment(tmp_path / "1.2", "1.2"), layout)
    assert (layout.active, layout.before) == ("1.2", "1.0")
    trial = record.read(layout.records).trial
    assert trial is not None
    assert trial.instead_of == "1.0"


def test_the_payload_may_go_once_it_is_placed(layout: Layout, tmp_path: Path) -> None:
    source = environment(tmp_path / "1.0", "1.0")
    place(source, layout)
    file = "lib/python3.11/site-packages/corner/__init__.py"
    assert (source / file).samefile(layout.home / "active" / file)  # not a byte twice
    (source / file).unlink()
    assert _says(layout) == "1.0"


def test_a_payload_on_another_file_system_is_copied(layout: Layout, tmp_path: Path) -> None:
    with in_memory_or_skip(tmp_path / "stick", 8) as stick:
        place(environment(stick / "1.0", "1.0"), layout)
    assert _says(layout) == "1.0"
    assert (layout.home / "active/lib64").readlink() == Path("lib")


def test_a_full_disk_leaves_the_active_version_and_no_half_of_the_new_one(tmp_path: Path) -> None:
    large = environment(tmp_path / "1.1", "1.1")
    (large / "share").mkdir()
    (large / "share/model.onnx").write_bytes(b"x" * 4_000_000)
    with in_memory_or_skip(tmp_path / "card", 2) as card:
        layout = Layout(card)
        place(environment(tmp_path / "1.0", "1.0"), layout)
        assert main(["--root", str(card), "place", str(large)]) == 5
        assert (layout.active, _says(layout)) == ("1.0", "1.0")
        assert [each.name for each in layout.versions.iterdir()] == ["1.0"]
        assert record.read(layout.records).trial is None


def test_the_same_version_again_changes_nothing(layout: Layout, tmp_path: Path) -> None:
    source = environment(tmp_path / "1.0", "1.0")
    place(source, layout)
    before = (layout.home / "active").resolve().stat().st_ino
    assert not place(source, layout)
    assert (layout.home / "active").resolve().stat().st_ino == before


def test_an_active_version_that_was_torn_is_made_whole_in_its_place(
    layout: Layout, tmp_path: Path
) -> None:
    with in_memory_or_skip(tmp_path / "stick", 8) as stick:
        source = environment(stick / "1.0", "1.0")
        place(source, layout)
        file = layout.home / "active/lib/python3.11/site-packages/corner/__init__.py"
        file.write_text("")
        assert not place(source, layout)
    assert (layout.active, _says(layout)) == ("1.0", "1.0")
    assert layout.installed() == ["1.0"]
    assert record.read(layout.records).trial is None


def test_a_torn_payload_is_refused_and_the_active_version_stands(
    layout: Layout, tmp_path: Path
) -> None:
    place(environment(tmp_path / "1.0", "1.0"), layout)
    torn = environment(tmp_path / "1.1", "1.1")
    (torn / "lib/python3.11/site-packages/corner/__init__.py").write_text("")
    with pytest.raises(VersionError, match=r"corner/__init__\.py: it is empty"):
        place(torn, layout)
    assert (layout.active, layout.installed()) == ("1.0", ["1.0"])


@pytest.mark.parametrize("name", ["../1.0", ".", "..", "a/b", "", "-1", "1.0\n"])
def test_a_name_that_leads_elsewhere_is_refused(layout: Layout, tmp_path: Path, name: str) -> None:
    environment(tmp_path / "1.0", "1.0")
    with pytest.raises(VersionError):
        layout.folder(name)
    assert not layout.versions.exists()


def test_a_folder_where_the_link_belongs_is_never_replaced(layout: Layout, tmp_path: Path) -> None:
    (layout.home / "active/mine").mkdir(parents=True)
    with pytest.raises(VersionError, match="is a folder; move it away"):
        place(environment(tmp_path / "1.0", "1.0"), layout)
    assert (layout.home / "active/mine").is_dir()


def test_what_an_interruption_left_is_removed_at_the_next_placing(
    layout: Layout, tmp_path: Path
) -> None:
    place(environment(tmp_path / "1.0", "1.0"), layout)
    (layout.versions / ".1.1.part/lib").mkdir(parents=True)
    assert layout.installed() == ["1.0"]
    place(environment(tmp_path / "1.1", "1.1"), layout)
    assert sorted(each.name for each in layout.versions.iterdir()) == ["1.0", "1.1"]
    assert _says(layout) == "1.1"


def test_a_version_that_is_not_there_is_named_with_those_that_are(
    layout: Layout, tmp_path: Path
) -> None:
    place(environment(tmp_path / "1.0", "1.0"), layout)
    with pytest.raises(VersionError, match=r"2\.0 is not there; those that are: 1\.0"):
        activate("2.0", layout)
    assert layout.active == "1.0"
    assert record.read(layout.records).trial is None


def test_removing_leaves_state_keys_and_site_and_purging_does_not(
    layout: Layout, tmp_path: Path
) -> None:
    place(environment(tmp_path / "1.0", "1.0"), layout)
    kept = [layout.root / each for each in ("var/lib/kerbwatch/state.db", "etc/kerbwatch/key.pem")]
    for path in kept:
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    remove(layout)
    assert not layout.home.exists()
    assert all(path.read_text() == "mine" for path in kept)
    assert [each.what for each in record.read(layout.records).events][-1] == "removed"
    purge(layout)
    assert not any(path.parent.exists() for path in kept)
    assert not layout.records.exists()


def test_what_others_put_beside_the_versions_is_theirs(layout: Layout, tmp_path: Path) -> None:
    place(environment(tmp_path / "1.0", "1.0"), layout)
    (layout.home / "notes.txt").write_text("by hand")
    remove(layout)
    assert (layout.home / "notes.txt").read_text() == "by hand"


def test_a_damaged_record_costs_the_history_and_no_start(layout: Layout, tmp_path: Path) -> None:
    place(environment(tmp_path / "1.0", "1.0"), layout)
    for content in ("", "[]", '{"format": 2}', '{"format": 1, "trial": {"x": 1}}', "[" * 9999):
        (layout.records / "record.json").write_text(content)
        assert record.read(layout.records) == record.Record()
    assert place(environment(tmp_path / "1.1", "1.1"), layout)


def test_it_runs_with_the_standard_library_alone(layout: Layout, tmp_path: Path) -> None:
    source = environment(tmp_path / "1.0", "1.0")
    # -S: no package of the environment is found.
    command = [sys.executable, "-P", "-S", "-m", "provisioning.versions"]
    subprocess.run(
        [*command, "--root", layout.root, "place", source],
        env={"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    assert layout.active == "1.0"


def test_a_refusal_is_said_on_stderr_with_an_exit_code(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "2.0").mkdir()
    assert main(["--root", str(layout.root), "place", str(tmp_path / "2.0")]) == 1
    assert "is no environment: it has no bin/python" in capsys.readouterr().err


def test_a_link_that_leads_to_itself_is_no_environment(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = tmp_path / "2.0"
    loop.symlink_to(loop)
    assert main(["--root", str(layout.root), "place", str(loop)]) == 1
    assert "is no environment" in capsys.readouterr().err
