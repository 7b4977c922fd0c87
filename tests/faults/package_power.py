"""Power that goes while dpkg installs, updates or downgrades the package."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from deb.targets import RELEASES, Target
from deb.tree import lay_out_files, pack, write_control
from tests.faults import images
from tests.faults.bad_versions import DEVICE
from tests.faults.booted_container import built_wheel, device_recipe
from tests.faults.suite import Outcome, Run, fault, require
from tests.support.debian_roots import debian_root, inside
from tests.support.environments import unpacked
from tests.support.programs import MissingError
from tests.support.small_disks import mounted

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSIONS = ("0.2.8", "0.2.9")
_KEPT = "var/lib/kerbwatch"
_MORE_THAN_IT_TAKES = 1.1
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_LOOKS = """
import json
from importlib.metadata import version
import agent.__main__
from agent.storage.database import Database
from pathlib import Path
from drivers.files.installed import damaged
Database(Path("/var/lib/kerbwatch/kerbwatch.sqlite3")).close()
print(json.dumps({"version": version("kerbwatch"), "damaged": [str(each) for each in damaged()]}))
"""
"""What starts an agent is loaded, and the database is opened, by the Python that the unit starts."""


@fault(
    "power-cut-while-dpkg-works",
    group="power",
    short=0,
    reduced=3,
    full=15,
    needs=(*images.NEEDS, "mmdebstrap", "dpkg-deb", "unshare"),
)
def power_cut_while_dpkg_works(run: Run) -> Outcome:
    """Whenever the power goes while dpkg installs, updates or downgrades, one whole version starts; dpkg can go on."""
    with _Card(run) as card:
        card.prepare()
        for strike in range(run.times):
            step = STEPS[strike % len(STEPS)]
            card.boot_from(step.begins_with)
            doing = card.begin(step.package)
            time.sleep(run.random.uniform(0, card.takes_s[step.name] * _MORE_THAN_IT_TAKES))
            image = card.disk.cut()
            os.killpg(doing.pid, signal.SIGKILL)
            doing.wait()
            card.goes_on_with(image)
            card.is_whole(step)
            run.progress()
        counts = ", ".join(f"{count} × {name}" for name, count in sorted(card.found.items()))
        return Outcome(run.times, notes=f"after the cut: {counts}")


@dataclass(frozen=True, slots=True)
class Step:
    """What dpkg is asked for, what the card held before, and which versions may run after a cut."""

    name: str
    package: str
    begins_with: str
    may_run: tuple[str, ...]


STEPS = (
    Step("install", "0.2.8", "", ("0.2.0", "0.2.8")),
    Step("update", "0.2.9", "0.2.8", ("0.2.8", "0.2.9")),
    Step("downgrade", "0.2.8", "0.2.9", ("0.2.8", "0.2.9")),
)
"""0.2.0 is the environment that the root brings, as an installation by pip."""


@dataclass
class _Card:
    """What a Debian writes goes onto a card: packages, versions, and a state that must last."""

    run: Run
    takes_s: dict[str, float] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    images: dict[str, Path] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self._root = debian_root(device_recipe("trixie"))
        except pytest.skip.Exception as error:
            raise MissingError(str(error)) from error
        self.disk = images.Disk(self.run.folder / "card", size_mb=700)
        self._device = self.run.folder / "device"
        self._overlay = ExitStack()

    def __enter__(self) -> Self:
        self.disk.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._overlay.close()
        self.disk.__exit__(None, None, None)

    def prepare(self) -> None:
        """Packages of two versions, a state, and each step done once without a cut."""
        wheel = built_wheel(self.run.folder / "dist")
        for version in _VERSIONS:
            _package(wheel, self.run.folder / version, version)
        self._mount()
        pip = [
            "/opt/kerbwatch/active/bin/pip",
            "install",
            "-q",
            "--no-deps",
            f"/srv/dist/{wheel.name}",
        ]
        done = self._run(pip)
        require(done.returncode == 0, f"an installation by pip: {done.stderr[-1500:]}")
        state = self._device / _KEPT
        (state / "evidence").mkdir(parents=True)
        for name in ("evidence/case.jpg", "device.key"):
            (state / name).write_bytes(self.run.random.randbytes(100_000))
        self._looks()  # makes the database
        self.kept = self._digests()
        self._keep("")
        for step in STEPS:
            self.boot_from(step.begins_with)
            began_s = time.monotonic()
            require(self.begin(step.package).wait() == 0, f"{step.name}: {self._told()}")
            self.takes_s[step.name] = time.monotonic() - began_s
            require(self._looks() == step.package, f"{step.name}: another version runs")
            if step.package not in self.images:
                self._keep(step.package)

    def begin(self, version: str) -> subprocess.Popen[bytes]:
        """Let dpkg begin; it goes on by itself."""
        command = ["dpkg", "--force-depends", "-i", f"/srv/{version}.deb"]
        with (self.run.folder / "dpkg.log").open("ab") as log:
            return subprocess.Popen(
                inside(self._device, command, [(self.run.folder, "srv")]),
                stdout=log,
                stderr=log,
                env=_ENVIRONMENT,
                start_new_session=True,
            )

    def boot_from(self, name: str) -> None:
        """Begin with what the card held."""
        self.goes_on_with(self.disk.copy_of(self.images[name]))

    def goes_on_with(self, image: Path) -> None:
        """Go on with what had reached the card."""
        self._overlay.close()
        self.disk.boot_from(image)
        self._mount()

    def is_whole(self, step: Step) -> None:
        """One whole version starts, nothing kept is lost, and dpkg can go on."""
        runs = self._looks()
        require(runs in step.may_run, f"{step.name}: {runs} runs")
        self.found[runs] = self.found.get(runs, 0) + 1
        require(self._digests() == self.kept, f"{step.name}: state, keys and evidence are there")
        require(self.begin(step.package).wait() == 0, f"{step.name} again: {self._told()}")
        require(self._looks() == step.package, f"{step.name}: done again")

    def _looks(self) -> str:
        """Which version starts; it is whole."""
        python = ["/opt/kerbwatch/active/bin/python", "-P", "-c", _LOOKS]
        done = self._run(python)
        require(done.returncode == 0, f"it starts: {done.stderr[-1500:]}")
        told = json.loads(done.stdout)
        require(not told["damaged"], f"{told['version']} is whole: {told['damaged'][:2]}")
        return str(told["version"])

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            inside(self._device, command, [(self.run.folder, "srv")]),
            capture_output=True,
            text=True,
            check=False,
            env=_ENVIRONMENT,
        )

    def _mount(self) -> None:
        for name in ("upper", "work"):
            (self.disk.path / name).mkdir(exist_ok=True)
        layers = (
            f"lowerdir={self._root},upperdir={self.disk.path}/upper,workdir={self.disk.path}/work"
        )
        self._overlay.enter_context(mounted("overlay", self._device, "-t", "overlay", "-o", layers))

    def _keep(self, name: str) -> None:
        os.sync()
        self.images[name] = self.disk.cut()

    def _digests(self) -> dict[str, str]:
        return dict(self._files())

    def _files(self) -> Iterator[tuple[str, str]]:
        for path in sorted((self._device / _KEPT).rglob("*")):
            if path.is_file() and not path.name.startswith("kerbwatch.sqlite3"):
                yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()

    def _told(self) -> str:
        return (self.run.folder / "dpkg.log").read_text(encoding="utf-8")[-1500:]


def _package(wheel: Path, tree: Path, version: str) -> None:
    """The project's own package, but for its dependencies: those of the root's environment stand in for them."""
    target = Target(RELEASES["trixie"], "amd64", version, epoch_s=0)
    unpacked(wheel, tree / target.payload, version, DEVICE)
    lay_out_files(tree, target)
    write_control(tree, target)
    pack(tree, target, tree.with_name(f"{version}.deb"))
