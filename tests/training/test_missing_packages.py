"""Who runs a benchmark or a training without one of its packages reads what to install."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.console.optional_packages import HOW
from tests.support.paths import ROOT

COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for folder in ("benchmarks", "training")
    for path in (ROOT / folder).rglob("*.py")
    if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")
)
HIDING = """
import os, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["HIDDEN"].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def run(folder: Path, hidden: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a module as people do, in a Python in which some packages cannot be found."""
    (folder / "sitecustomize.py").write_text(HIDING, encoding="utf-8")
    paths = os.pathsep.join((str(folder), str(ROOT)))
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        env=os.environ | {"HIDDEN": hidden, "PYTHONPATH": paths},
    )  # fmt: skip


def test_there_are_commands() -> None:
    assert {
        "benchmarks.peers",
        "benchmarks",
        "training",
        "training.verifier.choose",
        "training.evaluate",
    } <= {*COMMANDS}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_its_packages_says_what_to_install(command: str, tmp_path: Path) -> None:
    ran = run(tmp_path, ",".join(HOW), command, "--help")
    assert "Traceback" not in ran.stderr
    if ran.returncode == 0:  # it needs none of them to say how it is used
        assert "Usage:" in ran.stdout
        return
    assert ran.returncode == 1
    [line] = ran.stderr.splitlines()
    assert line.startswith(f"python -m {command}: the package ")
    [package] = [name for name in HOW if f"the package {name} is not installed" in line]
    assert line.endswith(HOW[package])


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("supervision", "benchmarks.peers"),
        ("trackers", "benchmarks.peers"),
        ("matplotlib", "benchmarks.soak_chart"),
        ("torch", "training.verifier.choose"),
        ("onnx", "training.export.quantise"),
        ("onnx", "training.export.enlarge"),
        ("torch", "training.bin_classifier.cross_validation"),
        ("onnx", "benchmarks.soak"),
    ],
)
def test_the_package_that_is_missing_is_named(package: str, command: str, tmp_path: Path) -> None:
    others = [name for name in HOW if name != package and importlib.util.find_spec(name) is None]
    if package == "trackers" and "supervision" in others:
        pytest.skip("supervision is not installed, and missed first")
    ran = run(tmp_path, package, command, "--help")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert (
        ran.stderr
        == f"python -m {command}: the package {package} is not installed: {HOW[package]}\n"
    )


def test_another_fault_keeps_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ZeroDivisionError", encoding="utf-8")
    ran = run(tmp_path, "", "benchmarks.pipeline")
    assert ran.returncode == 1
    assert "ZeroDivisionError" in ran.stderr


def test_all_benchmarks_leave_out_what_is_not_installed() -> None:
    from benchmarks.__main__ import NEEDS, PARTS  # noqa: PLC0415 - beside what it shows

    assert set(NEEDS) <= set(PARTS)
    assert {name for names in NEEDS.values() for name in names} <= HOW.keys()


@pytest.mark.slow
def test_the_demo_without_its_broker_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "command.py").write_text("from provisioning.cli import main; main()", "utf-8")
    ran = run(tmp_path, "iotcore", "command", "demo", "--fast", "--out", str(tmp_path / "out"))
    assert ran.returncode == 1
    assert "kerbwatch[demo]" in ran.stderr
    assert "Traceback" not in ran.stderr
