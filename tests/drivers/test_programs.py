"""What a command starts, and what it imports: nothing of the folder it is called in, nothing of its PATH."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from drivers import programs
from tests.support.paths import HOUSES, ROOT
from tests.support.sites import drawn_camera, site_of, write_site

STREET = str(ROOT / "examples" / "street")
KERBWATCH = str(Path(sys.executable).with_name("kerbwatch"))
SITE = site_of(
    site={"tenant": "city", "device_id": "corner", "address": "Example Road 1"},
    cameras=[drawn_camera(frames_per_s=5, seconds=1, pace="real_time")],
)
MODULES = (sys.stdlib_module_names | packages_distributions().keys()) | {
    "agent",
    "drivers",
    "provisioning",
    "sitecustomize",
    "usercustomize",
}
TOOLS = ("systemctl", "systemd-analyze", "systemd-sysusers", "fstrim", "python", "python3")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder full of modules and tools by the names of real ones, each of which leaves its name."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    told = tmp_path / "ran"
    told.mkdir()
    for name in MODULES:
        if name.isidentifier():
            (folder / f"{name}.py").write_text(f"open({str(told / name)!r}, 'w')\n")
    for name in TOOLS:
        (folder / name).write_text(f"#!/bin/sh\n: > {told / name}\n")
        (folder / name).chmod(0o755)
    site = folder / "site"
    site.mkdir()
    write_site(site, SITE)
    return folder


def run(hostile: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command, called in the hostile folder, with that folder first on the path."""
    environment = {**os.environ, "PATH": f"{hostile}:.:{os.environ['PATH']}"}
    return subprocess.run(
        command,
        cwd=hostile,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def ran(hostile: Path) -> list[str]:
    """What of it was run."""
    return sorted(path.name for path in (hostile.parent / "ran").iterdir())


def test_the_folder_would_be_hostile_to_a_python_that_looks_there(hostile: Path) -> None:
    run(hostile, sys.executable, "-c", "import cv2")
    assert "cv2" in ran(hostile)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "site"),
        ("config", "validate", "site"),
        ("commission", "site", "--show"),
        ("commission", "site"),
        ("models", "list"),
        ("cameras", "list"),
        ("units", "show"),
        ("units", "install"),
        ("retention", "site"),
        ("hold", "list", "site"),
        ("audit", "verify", "site"),
        ("report", "site"),
        ("collected", "site"),
        ("explain", "site"),
        ("watch", "site", "--once"),
        ("decommission", "site", "--confirm", "corner"),
    ],
    ids=" ".join,
)
def test_a_command_runs_nothing_of_the_folder_it_is_called_in(
    hostile: Path, arguments: tuple[str, ...]
) -> None:
    told = run(hostile, KERBWATCH, *arguments)
    assert "Traceback" not in told.stderr
    assert ran(hostile) == []


def test_the_agent_runs_nothing_of_the_folder_it_is_started_in(hostile: Path) -> None:
    """As the unit starts it, with the processes that it starts: one makes a key, one reads a certificate."""
    (hostile / "site" / "device.crt").write_text("none")
    with (hostile / "site" / "site.toml").open("a") as opened:
        opened.write(
            '[uplink]\nbroker = "mqtts://127.0.0.1:1"\ncertificate_file = "device.crt"\n'
            'key_file = "device.crt"\n'
        )
    code = (
        "import pathlib; from agent.identity.certificate_expiry import CertificateFile; "
        "from agent.identity.signing_key import Signer; folder = pathlib.Path('site/keys'); "
        "Signer(folder); CertificateFile(pathlib.Path('site/device.crt')).read()"
    )
    run(hostile, *programs.python("-c", code))
    assert (hostile / "site" / "keys" / "signing.key").exists()
    assert ran(hostile) == []


def test_every_python_of_the_product_is_started_without_the_current_folder() -> None:
    """Units, scripts and code: none but the one function names the interpreter."""
    for unit in (ROOT / "systemd").glob("*.service"):
        for line in unit.read_text(encoding="utf-8").splitlines():
            starts = line.startswith("Exec") and "bin/python" in line
            assert not starts or "python -P -m" in line, unit
    for house in HOUSES:
        for path in (ROOT / house).rglob("*.py"):
            if path.name != "programs.py":
                assert "sys.executable" not in path.read_text(encoding="utf-8"), path


def test_programs_are_started_by_where_the_system_has_them() -> None:
    for house in HOUSES:
        for path in (ROOT / house).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            bare = re.findall(r'subprocess\.\w+\(\s*\[\s*"(?!/)[^"]*"', text)
            assert not bare, f"{path}: {bare}"
    assert programs.system("sh") in {"/usr/bin/sh", "/bin/sh"}
    assert programs.system("no-such-program") == "/usr/sbin/no-such-program"
