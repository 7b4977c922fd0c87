"""Power that goes while a version is installed, updated or gone back from."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.telemetry.status_file import FILE, Status
from drivers.files import version_record as record
from drivers.files.installed import damaged
from provisioning.versions.layout import Layout
from tests.faults import stored
from tests.faults.booted_container import built_wheel
from tests.faults.corner import Corner, steady
from tests.faults.images import NEEDS, Disk
from tests.faults.stored import EMPTY, Stored
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.environments import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD, NEW = "0.2.8", "0.2.9"
_PAYLOADS = "usr/lib/kerbwatch"
_MORE_THAN_IT_TAKES = 1.1


@fault("power-cut-while-changing-versions", group="power", short=0, reduced=6, full=51, needs=NEEDS)
def power_cut_while_changing_versions(run: Run) -> Outcome:
    """Whenever the power goes in install, update or going back, the old or the new version starts, nothing kept is lost."""
    with Disk(run.folder / "card") as disk:
        card = _Card(run, disk)
        card.prepare()
        recover_s = []
        for strike in range(run.times):
            step = STEPS[strike % len(STEPS)]
            card.boot_from(step.begins_with)
            with card.running() if step.begins_with else _nothing():
                doing = card.begin(step)
                time.sleep(run.random.uniform(0, card.takes_s[step.name] * _MORE_THAN_IT_TAKES))
                image = disk.cut()
                os.killpg(doing.pid, signal.SIGKILL)
                doing.wait()
            disk.boot_from(image)
            recover_s.append(card.starts(step))
            run.progress()
        counts = ", ".join(f"{count} × {name}" for name, count in sorted(card.found.items()))
        return Outcome(run.times, recover_s=recover_s, notes=f"started after the cut: {counts}")


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@dataclass(frozen=True, slots=True)
class Step:
    """What is cut: its commands, what lies on the card before, and what may run after.

    ``{root}`` in a command is the card, ``{new}`` and ``{old}`` are the versions' payloads elsewhere.
    """

    name: str
    commands: str
    begins_with: str
    may_run: tuple[str | None, ...]


_UNPACK = "mkdir -p {root}/usr/lib/kerbwatch; cp -a {new} {root}/usr/lib/kerbwatch/;"
_PLACE = (
    "{root}/usr/lib/kerbwatch/0.2.9/bin/python -P -m provisioning.versions --root {root} place"
    " {root}/usr/lib/kerbwatch/0.2.9"
)
STEPS = (
    Step("install", f"{_UNPACK} {_PLACE}", "", (None, NEW)),
    # The package manager removes the payload before, and only then calls the new one's script.
    Step(
        "update",
        f"{_UNPACK} rm -r {{root}}/usr/lib/kerbwatch/0.2.8; {_PLACE}",
        "updating",
        (OLD, NEW),
    ),
    Step(
        "going back",
        "{root}/opt/kerbwatch/before/bin/python -P -m provisioning.versions --root {root} back",
        "on trial",
        (OLD, NEW),
    ),
)


@dataclass
class _Card:
    """A device's card with versions of the project, and a state that must last.

    Attributes:
        takes_s: How long each step takes that nobody cuts.
        found: How often which version started after a cut.
        images: What the card held: "" nothing but the state, "updating" the old version, "on trial" both.
    """

    run: Run
    disk: Disk
    takes_s: dict[str, float] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    images: dict[str, Path] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    before: Stored = EMPTY

    def __post_init__(self) -> None:
        folder = self.run.folder
        wheel = built_wheel(folder / "dist")
        self.old, self.new = (unpacked(wheel, folder / each, each) for each in (OLD, NEW))
        self.layout = Layout(self.disk.path)
        self.state = self.disk.path / "var/lib/kerbwatch"
        self.corner = Corner(folder / "corner", self.state, [steady()])

    def prepare(self) -> None:
        """A device on which the old version has seen a case, and each step done once without a cut."""
        self._do(f"{_UNPACK} {_PLACE}".replace(NEW, OLD).replace("{new}", "{old}"))
        with self.running():
            wait_for(lambda: stored.beside(self.corner.database).open_cases, "a case opens")
        self.keys, self.before = self._keys(), self._stored()
        require(self.keys and self.before.events, "there is something to keep")
        self._keep("updating")
        self._do(f"rm -r {self.layout.home} {self.layout.records} {self.disk.path}/{_PAYLOADS}")
        self._keep("")
        for step in STEPS:
            self.boot_from(step.begins_with)
            began_s = time.monotonic()
            self._do(step.commands)
            self.takes_s[step.name] = time.monotonic() - began_s
            require(self.layout.active == step.may_run[step.name != "going back"], step.name)
            if step.name == "update":
                self._keep("on trial")

    def _keep(self, name: str) -> None:
        os.sync()
        self.images[name] = self.disk.cut()

    def boot_from(self, name: str) -> None:
        """Begin with what the card held."""
        self.disk.boot_from(self.disk.copy_of(self.images[name]))

    def begin(self, step: Step) -> subprocess.Popen[bytes]:
        """Begin a step; it goes on by itself."""
        return self._shell(step.commands)

    def starts(self, step: Step) -> float:
        """What is on the card after a cut: it starts, all is there, and the step can be done again; how long a start took."""
        active = self.layout.active
        require(active in step.may_run, f"{step.name}: active is {active}")
        self.found[active or "none yet"] = self.found.get(active or "none yet", 0) + 1
        took_s = 0.0
        if active is not None:
            torn = damaged(sorted(self.layout.folder(active).glob("lib/*/site-packages")))
            require(not torn, f"{step.name}: version {active} is whole: {torn[:2]}")
            began_s = time.monotonic()
            with self.running() as runs:
                took_s = time.monotonic() - began_s
                require(runs == active, f"{step.name}: {active} is active, and {runs} runs")
            trial = record.read(self.layout.records).trial
            if active == NEW and step.name == "update":
                require(trial is not None and trial.version == NEW, "the new version is on trial")
        else:
            require(not self.layout.home.joinpath("active").exists(), "no link to nothing")
        self._nothing_is_lost(step.name)
        if step.name != "going back":
            self._do(f"rm -rf {self.disk.path}/{_PAYLOADS}; {_UNPACK} {_PLACE}")
            require(self.layout.active == NEW, f"{step.name}: done again")
        return took_s

    @contextmanager
    def running(self) -> Iterator[str]:
        """The agent of the active version, as its unit starts it; gives the version that it says it is."""
        status = self.corner.folder / "run" / FILE
        status.unlink(missing_ok=True)
        command = [str(self.layout.home / "active/bin/python"), "-P", "-m", "agent"]
        with (self.run.folder / "agent.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, str(self.corner.folder / "site.toml")],
                env={**os.environ, "KERBWATCH_MODELS": str(self.corner.folder / "models")},
                cwd=self.run.folder,
                stderr=log,
            )
        try:

            def up() -> bool:
                require(process.poll() is None, f"the agent runs: {log.name}")
                return status.exists()

            wait_for(up, "the agent says how it is")
            told = Status.model_validate_json(status.read_bytes()).software
            yield "" if told is None else told.agent_version
        finally:
            process.kill()  # the power is gone
            process.wait()

    def _nothing_is_lost(self, step: str) -> None:
        after = self._stored()
        require(self._keys() == self.keys, f"{step}: the keys are as they were")
        require(after.epoch == self.before.epoch, f"{step}: the events go on in their epoch")
        lost = self.before.ids - after.ids
        require(not lost, f"{step}: {len(lost)} of {len(self.before.ids)} events are not there")
        faults = after.picture_faults(self.state / "evidence")
        require(not faults, f"{step}: {', '.join(faults[:3])}")

    def _stored(self) -> Stored:
        found = stored.of_a_copy(self.corner.database)
        require(not found.damage, f"the database is whole: {found.damage[:1]}")
        return found

    def _keys(self) -> dict[str, str]:
        files = [each for each in (self.state / "keys").rglob("*") if each.is_file()]
        return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files}

    def _do(self, commands: str) -> None:
        done = self._shell(commands)
        require(done.wait() == 0, f"{commands}: {done.returncode}")

    def _shell(self, commands: str) -> subprocess.Popen[bytes]:
        told = commands.format(root=self.disk.path, old=self.old, new=self.new)
        with (self.run.folder / "steps.log").open("ab") as log:
            return subprocess.Popen(
                ["sh", "-ec", told], stdout=log, stderr=log, start_new_session=True
            )
