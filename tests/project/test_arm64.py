"""The Pi's own kind of processor, emulated: the lock installs for it, and a replay judges alike."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.debian_roots import CACHE, debian_root
from tests.support.emulated_pi import EMULATOR, PYTHONS, arm64_root, judgement
from tests.support.paths import ROOT
from tests.support.red_bike_model import write_model
from tests.support.red_bike_site import write_red_site

LOCK = ROOT / "requirements.lock"
GLIBC_MINORS = (17, 24, 26, 27, 28, 31, 34, 35, 36)
"""Wheels for these versions of glibc run on bookworm, which has 2.36."""


def locked_packages(python: str) -> Path:
    """What the lock names, as wheels for aarch64, installed into a folder; made once a lock."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    finished = CACHE / f"wheels-{python}-{digest}"
    if finished.is_dir():
        return finished
    for old in CACHE.glob(f"wheels-{python}-*"):
        shutil.rmtree(old)
    building = CACHE / f"building-{python}"
    shutil.rmtree(building, ignore_errors=True)
    platforms = ["manylinux2014_aarch64", *(f"manylinux_2_{n}_aarch64" for n in GLIBC_MINORS)]
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command += ["--target", str(building), "--python-version", python, "--implementation", "cp"]
    command += [argument for each in platforms for argument in ("--platform", each)]
    command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(LOCK)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    building.rename(finished)
    return finished


def our_wheel(folder: Path) -> Path:
    """Kerbwatch itself, as its wheel holds it."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    target = folder / "installed"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(target), str(wheel)], check=True)
    return target


@pytest.mark.arm64
@pytest.mark.parametrize("python", sorted(PYTHONS))
def test_a_replay_on_an_emulated_pi_judges_as_this_machine_does(
    python: str, tmp_path: Path
) -> None:
    """Every word of the events is the same, ids and times too, but for the pictures' hashes."""
    root, emulator = arm64_root(python), debian_root(EMULATOR) / "usr" / "bin" / "qemu-aarch64"
    packages = locked_packages(python)
    write_red_site(tmp_path / "site")
    write_model(tmp_path / "models")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "KERBWATCH_MODELS": str(tmp_path / "models"),
        "KERBWATCH_LANGUAGE": "en",
    }
    replay = ["-m", "provisioning.cli", "replay", str(tmp_path / "site"), "--out"]
    here, there = tmp_path / "here", tmp_path / "there"
    subprocess.run(
        [sys.executable, *replay, str(here)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    done = subprocess.run(
        [str(emulator), "-L", str(root), f"{root}/usr/bin/python{python}", *replay, str(there)],
        cwd=tmp_path,
        env={
            **environment,
            "QEMU_CPU": "cortex-a72",
            "PYTHONPATH": f"{packages}:{our_wheel(tmp_path)}",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = judgement(here)
    assert [event["type"] for event in told] == ["case.opened", "case.cleared"]
    assert judgement(there) == told
