"""What is installed: locks without hosts, names that nobody else owns, a wheel that holds it all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from provisioning.console.optional_packages import HOW
from tests.support.paths import HOUSES, ROOT

OURS = {*HOUSES, "kerbwatch_platform", "models", "training"}
GENERATORS = "tests/protocol/generators"
"""The tools that generate code from the contract, from locks of their own."""
LOCKS = ["requirements.lock", "requirements-dev.lock"]
PLATFORM = "examples/platform"
PLATFORM_LOCK = f"{PLATFORM}/requirements.lock"
POSTGRESQL_LOCK = f"{PLATFORM}/kerbwatch_platform/local/postgresql.lock"
TRAINING = ("training/requirements.txt", "training/weights.txt")
_PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^ ]+)(?P<marker> ; .+)? \\$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def project() -> dict[str, list[str]]:
    """Direct dependencies by extra; those of the device under ``device``, of a platform under ``platform``."""
    told, theirs = (
        tomllib.loads((ROOT / each).read_text(encoding="utf-8"))["project"]
        for each in ("pyproject.toml", f"{PLATFORM}/pyproject.toml")
    )
    return {
        "device": told["dependencies"],
        "platform": theirs["dependencies"],
        **told["optional-dependencies"],
        **theirs["optional-dependencies"],
    }


def pinned(lock: str) -> dict[str, set[Version]]:
    """Versions by name; one package may have several, for different Pythons."""
    found: dict[str, set[Version]] = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if pin := _PIN.match(line):
            found.setdefault(pin["name"], set()).add(Version(pin["version"]))
    return found


@pytest.mark.parametrize(
    "lock",
    [
        *LOCKS,
        PLATFORM_LOCK,
        POSTGRESQL_LOCK,
        "deb/carried.lock",
        f"{GENERATORS}/requirements.lock",
    ],
)
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: str) -> None:
    """Above all no index: where packages come from is the machine's business."""
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    assert lines
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if _PIN.match(line):
            assert _HASH.match(following), f"{line} has no hash"
        else:
            assert _HASH.match(line), f"neither a pin nor a hash: {line}"


def test_the_lock_of_npm_holds_pins_and_hashes_and_no_index() -> None:
    folder = ROOT / GENERATORS
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    text = (folder / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert packages[""]["dependencies"] == wanted
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version, "pinned, no range"
    assert all(each["integrity"].startswith("sha512-") for name, each in packages.items() if name)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ["device", "page"]),
        ("requirements-dev.lock", ["device", "page", "demo", "dev", "platform"]),
        (PLATFORM_LOCK, ["platform"]),
        (POSTGRESQL_LOCK, ["embedded"]),
    ],
)
def test_a_lock_is_in_step_with_the_project(lock: str, extras: list[str]) -> None:
    versions = pinned(lock)
    for wanted in (Requirement(text) for extra in extras for text in project()[extra]):
        found = versions.get(canonicalize_name(wanted.name))
        assert found, f"{wanted} is not in {lock}"
        assert all(version in wanted.specifier for version in found), f"{wanted}: {found}"


@pytest.mark.parametrize("lock", ["requirements.lock", PLATFORM_LOCK])
def test_what_is_developed_with_is_what_runs(lock: str) -> None:
    theirs, everything = pinned(lock), pinned("requirements-dev.lock")
    assert {name: everything.get(name) for name in theirs} == theirs


def test_demo_and_desk_install_what_runs_and_all_that_this_needs() -> None:
    code = "source .ci/environment.sh; only_shown"
    told = subprocess.run(
        ["bash", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = told.stdout.splitlines()
    versions = {pin["name"]: pin["version"] for line in lines if (pin := _PIN.match(line))}
    assert not versions.keys() & {"mypy", "ruff", "pytest", "playwright", "onnx", "babel"}
    everything = pinned("requirements-dev.lock")
    assert all(Version(version) in everything[name] for name, version in versions.items())
    hashes = [line for line in lines if _HASH.match(line)]
    assert len(hashes) + len(versions) == len(lines)
    wanted = {
        canonicalize_name(Requirement(each).name)
        for extra in ("device", "platform", "demo")
        for each in project()[extra]
    }
    for name in versions:
        if name in {"colorama", "pycparser"}:
            continue  # of other systems, or of what is built here
        for line in requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                wanted.add(canonicalize_name(needed.name))
    there = versions.keys() | {"pip"}  # an environment has it
    assert wanted - there == set()


def test_what_only_a_pi_or_a_trainer_needs_stays_out_of_the_locks() -> None:
    names = set().union(*(pinned(lock) for lock in LOCKS))
    assert not names & {"torch", "picamera2", "lgpio", "rpi-lgpio", "kms", "opencv-python"}


def test_no_dependency_owns_an_import_name_of_ours() -> None:
    """The top-level packages have plain names, and the index has packages of those names."""
    for distribution in distributions():
        if distribution.name in {"kerbwatch", "kerbwatch-platform"}:
            continue
        owned = {
            path.parts[0].split(".")[0]
            for path in distribution.files or []
            if path.suffix in {".py", ".so", ".pth"} and path.parts[0] != ".."
        }
        assert not owned & OURS, f"{distribution.name} installs {owned & OURS}"


def test_every_direct_dependency_is_explained() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    lines = [line for lines in project().values() for line in lines]
    for listed in TRAINING:
        told = (ROOT / listed).read_text(encoding="utf-8").splitlines()
        lines += [line for line in told if not line.startswith("#")]
    for name in (Requirement(line).name for line in lines):
        assert f"| `{name}` |" in text, f"docs/dependencies.md says nothing of {name}"


def test_what_a_training_asks_for_is_in_one_of_its_lists() -> None:
    told = "".join((ROOT / each).read_text("utf-8") for each in TRAINING)
    wanted = {name for name, how in HOW.items() if any(each in how for each in TRAINING)}
    assert {"torch", "openvino"} <= wanted
    for name in wanted:
        assert name.replace("_", "-") in told


def test_the_wheel_holds_code_data_models_and_unit_and_no_training(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "agent/analysis/camera_pipeline.py",
        "agent/protocol/codes.toml",
        "agent/py.typed",
        "drivers/cameras/video_file.py",
        "provisioning/wording/zh_CN.po",
    ):
        assert wanted in names
    for wanted in (
        "share/kerbwatch/systemd/kerbwatch.service",
        "share/kerbwatch/systemd/sysusers.d/kerbwatch.conf",
        "share/kerbwatch/models/street/manifest.toml",
        "share/kerbwatch/examples/street/clip.mp4",
        "licenses/LICENSE",
    ):
        assert any(name.endswith(wanted) for name in names), wanted
    tops = {name.split("/")[0] for name in names if "-" not in name.split("/")[0]}
    assert tops == set(HOUSES)


def test_the_platform_s_wheel_holds_all_that_is_beside_its_code(tmp_path: Path) -> None:
    """SQL, templates, styles, scripts, schemas and words: whatever lies in the tree is in the wheel."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT / PLATFORM, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / PLATFORM / "kerbwatch_platform"
    lying = subprocess.run(
        ["git", "ls-files", "-z", "."], cwd=package, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    assert {f"kerbwatch_platform/{name}" for name in lying if name} <= names
    schemas = (ROOT / "contract" / "reader").rglob("*.json")
    for schema in schemas:
        inside = schema.relative_to(ROOT / "contract" / "reader").as_posix()
        assert f"kerbwatch_platform/contract/schemas/{inside}" in names
    tops = {name.split("/")[0] for name in names if "-" not in name.split("/")[0]}
    assert tops == {"kerbwatch_platform"}


def test_the_network_s_runtime_prepares_no_report_to_its_maker(tmp_path: Path) -> None:
    """Left to itself, onnxruntime keeps a database of telemetry below the user's home."""
    code = "from agent import inference; inference.open_detector('street', 1)"
    environment = {name: text for name, text in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / name), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=60,
    )


def test_check_explains_itself() -> None:
    ran = script("check", "--help")
    assert ran.returncode == 0
    assert "--fast" in ran.stdout


def test_the_desk_explains_itself_and_refuses_what_it_does_not_know() -> None:
    ran = script("desk", "--help")
    assert ran.returncode == 0
    assert "check --faults" in ran.stdout
    refused = script("desk", "check", "--faults=some")
    assert refused.returncode == 2
    assert "--faults or --faults=full" in refused.stderr


def test_check_refuses_an_interpreter_that_is_too_old_or_none() -> None:
    ran = script("check", "--python", "/bin/false", KERBWATCH_NO_APT="1")
    assert ran.returncode != 0
    assert "/bin/false is not Python 3.11 or newer" in ran.stderr


def test_continuous_integration_runs_the_developers_command() -> None:
    ran = script(".ci/run", "--help")
    assert ran.stdout == script("check", "--help").stdout
