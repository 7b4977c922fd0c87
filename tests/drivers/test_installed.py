"""Whether what lies in the environment is what was installed."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import marshal
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.files import installed
from drivers.files.installed import Damaged, damaged
from provisioning.commands import units
from tests.faults.booted_corner import PYTHON
from tests.support.command_line import kerbwatch
from tests.support.paths import HOUSES, ROOT

FILES = {
    "thing/__init__.py": b"",
    "thing/work.py": b"DONE = 1\n",
    "../share/thing.toml": b"a = 1\n",
}


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of packages as pip leaves it, with one package."""
    folder = tmp_path / "site-packages"
    rows = []
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}")
    package = folder / "thing-1.dist-info"
    package.mkdir()
    (package / "INSTALLER").write_text("pip\n")
    rows += ["thing/__pycache__/work.pyc,,", "thing-1.dist-info/RECORD,,"]
    (package / "RECORD").write_text("\n".join(rows) + "\n")
    return folder


def test_what_lies_there_as_it_was_installed_is_not_complained_of(packages: Path) -> None:
    """An empty file may be meant to be empty."""
    assert damaged([packages]) == []


@pytest.mark.parametrize(
    ("place", "content", "damage"),
    [
        ("thing/work.py", b"", "empty"),
        ("thing/work.py", b"DONE", "changed"),
        ("thing/work.py", None, "missing"),
        ("../share/thing.toml", b"\0\0\0\0\0\0", "changed"),
        ("thing-1.dist-info/RECORD", b"", "empty"),
        ("thing-1.dist-info/RECORD", b"thing/work.py,sha256=ab", "changed"),
        ("thing-1.dist-info/RECORD", b"\xff\xfe\0", "changed"),
        ("thing-1.dist-info/RECORD", None, "missing"),
    ],
)
def test_a_file_that_is_torn_is_named(
    packages: Path, place: str, content: bytes | None, damage: installed.Damage
) -> None:
    path = (packages / place).resolve()
    path.unlink() if content is None else path.write_bytes(content)
    assert damaged([packages]) == [Damaged(path, damage)]


def test_a_compiled_file_that_is_cut_off_is_named(packages: Path) -> None:
    """Python goes by its header, and fails on the rest; one without a whole header it makes anew."""
    folder = packages / "thing" / "__pycache__"
    folder.mkdir()
    whole = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile("a = 'b'", "c", "exec"))
    for name, size in {"whole": len(whole), "cut": len(whole) // 2, "empty": 0, "head": 3}.items():
        (folder / f"{name}.pyc").write_bytes(whole[:size])
    assert damaged([packages]) == [Damaged(folder / "cut.pyc", "changed")]


def test_a_package_that_nobody_keeps_a_record_of_is_let_be(packages: Path) -> None:
    (packages / "thing-1.dist-info" / "RECORD").unlink()
    (packages / "thing-1.dist-info" / "INSTALLER").write_text("conda\n")
    assert damaged([packages]) == []


@pytest.mark.slow
def test_the_environment_of_the_tests_is_whole() -> None:
    assert damaged() == []


@pytest.fixture
def torn_packages(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (packages / "thing/work.py").write_bytes(b"")
    monkeypatch.setattr(installed, "site_packages", lambda: [packages])
    return packages


def test_units_are_not_installed_over_torn_files(torn_packages: Path) -> None:
    with pytest.raises(units.UnitsError, match=r"work\.py: it is empty\n.*--ignore-installed"):
        units.refuse_damaged()


def test_the_check_names_torn_files(torn_packages: Path) -> None:
    told = kerbwatch("check", "examples/street").output
    assert f"✗ installation: {torn_packages}/thing/work.py: it is empty" in told
    assert "--ignore-installed" in told


def test_an_agent_whose_own_file_is_torn_says_so(tmp_path: Path) -> None:
    """The whole start, from a copy that is installed nowhere else."""
    for name in ("agent", "drivers", "wording"):
        shutil.copytree(ROOT / name, tmp_path / name)
    package = tmp_path / "kerbwatch-1.dist-info"
    package.mkdir()
    (package / "RECORD").write_text(
        "agent/runtime/device.py,sha256=abc,3\nkerbwatch-1.dist-info/RECORD,,\n"
    )
    (tmp_path / "agent" / "runtime" / "device.py").write_bytes(b"")
    code = (
        "import pathlib, runpy, sys; sys.path.insert(0, sys.argv[1]); "
        "import drivers.files.installed as found; "
        "found.site_packages = lambda: [pathlib.Path(sys.argv[1])]; "
        "runpy.run_module('agent', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{tmp_path}/agent/runtime/device.py: it is empty" in done.stderr


def test_no_file_of_ours_is_empty_as_installed() -> None:
    """The unit names empty ones as damaged before it starts the agent."""
    root = ROOT
    ours = [path for name in HOUSES for path in (root / name).rglob("*.py")]
    assert ours
    assert not [path for path in ours if not path.stat().st_size]
    unit = (root / "systemd/kerbwatch.service").read_text(encoding="utf-8")
    assert unit.index("-empty") < unit.index(f"ExecStart={PYTHON}")
