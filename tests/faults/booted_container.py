"""A Debian that is booted for a test: real systemd in a container, with a network and uptime of its own.

What is written goes into memory and is gone afterwards, or onto a card that the test gives: the root below
stays as it was built. The
container has a loopback and nothing else; its uptime counts from a number that the test chooses.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.suite import BrokenError, require, wait_for
from tests.support.debian_roots import Recipe
from tests.support.paths import ROOT

_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "mosquitto",
    "python3",
    "python3-venv",
    "ca-certificates",
)


def device_recipe(suite: str) -> Recipe:
    """A Debian with Kerbwatch's environment as `pip` makes it, up to the wheel."""
    return Recipe(
        name=f"units-{suite}",
        suite=suite,
        packages=_PACKAGES,
        files=(("opt/requirements.lock", ROOT / "requirements.lock"),),
        steps=(
            "python3 -P -m venv --system-site-packages /opt/kerbwatch/versions/tree",
            "ln -s versions/tree /opt/kerbwatch/active",
            "/opt/kerbwatch/active/bin/pip install -q --require-hashes --only-binary :all:"
            " -r /opt/requirements.lock",
        ),
    )


_INIT = """
if [ -d /sys/fs/cgroup/devices ]; then mount -o remount,bind,rw /sys/fs/cgroup/devices; fi
exec /usr/lib/systemd/systemd
"""
"""With control groups of version 1 a container may only look at them, and DevicePolicy= would be void."""
_DEVICE_RULES = Path("/sys/fs/cgroup/devices")
"""Control groups of version 1; with version 2 the container has a tree of its own anyway."""
_CLONE_NEWNET = 0x40000000
_OVERLAY = """
set -e
mountpoint -q "$2" || mount -t tmpfs -o size=2g,mode=755 tmpfs "$2"
mkdir -p "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
if [ -d /sys/fs/cgroup/devices ]; then
  mkdir "/sys/fs/cgroup/devices/$3"
  echo $$ > "/sys/fs/cgroup/devices/$3/cgroup.procs"
fi
status=133 # what it ends with when the container reboots
while [ "$status" = 133 ]; do
  status=0
  setpriv --pdeathsig TERM systemd-nspawn -q --register=no --keep-unit --private-network --directory="$2/root" \
    --machine="$3" --console=pipe sh -c "$4" || status=$?
done
"""


class Booted:
    """A container that has been started; ``leader`` is its first process as the host sees it.

    Args:
        root: What it is booted from; nothing is written there.
        folder: New; for what the test keeps of it.
        uptime_s: For how long it seems to have been up.
        card: Where a file system is mounted that takes what is written; None: memory does.
    """

    def __init__(
        self, root: Path, folder: Path, *, uptime_s: float, card: Path | None = None
    ) -> None:
        folder.mkdir(parents=True)
        self._name = f"kerbwatch-{os.getpid()}-{id(self):x}"
        self._console = folder / "console.log"
        offset_s = round(uptime_s - time.clock_gettime(time.CLOCK_BOOTTIME))
        # Whatever becomes of the test: nothing of it goes on.
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--propagation",
            "private",
        ]
        command += ["--time", f"--boottime={offset_s}", "sh", "-c", _OVERLAY, "sh"]
        place = card or folder / "overlay"
        place.mkdir(exist_ok=True)
        with self._console.open("w") as console:
            self.process = subprocess.Popen(
                [*command, str(root), str(place), self._name, _INIT],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.leader = 0
        try:
            self.wait_until_up()
        except BaseException:
            self.end()
            raise

    def wait_until_up(self, not_leader: int = 0) -> float:
        """Wait until it has booted; after a reboot until another first process has."""

        def up() -> bool:
            require(self.process.poll() is None, f"it boots: {self._console.read_text()[-2000:]}")
            found = self._first_process()
            if not found or found == not_leader:
                return False
            self.leader = found
            try:
                return self.run("systemctl", "is-system-running", check=False) == "running"
            except subprocess.CalledProcessError:
                return False

        return wait_for(up, "the container has booted")

    def run(self, *command: str, check: bool = True, timeout_s: float = 120) -> str:
        """What a command says that is run in it as root.

        Raises:
            BrokenError: It failed.
        """
        enter = ["nsenter", "--target", str(self.leader), "--all", "--", "env", "-i"]
        enter += ["PATH=/usr/local/bin:/usr/bin:/usr/sbin", "LC_ALL=C.UTF-8"]
        done = subprocess.run(
            [*enter, *command], capture_output=True, text=True, check=False, timeout=timeout_s
        )
        if check and done.returncode:
            said = f"{done.stdout[-1500:]}{done.stderr[-1500:]}"
            raise BrokenError(f"{' '.join(command)}: {done.returncode}\n{said}")
        return done.stdout.strip()

    def path(self, place: str) -> Path:
        """A path in it, as the host sees it. Links in it that are absolute do not lead there."""
        return Path(f"/proc/{self.leader}/root") / place.lstrip("/")

    def shown(self, name: str, *unit: str) -> str:
        """One property of a unit, or of systemd itself."""
        return self.run("systemctl", "show", "--property", name, "--value", *unit)

    def journal(self, unit: str) -> str:
        """What a unit said, and what systemd said of it."""
        return self.run("journalctl", "--namespace=*", "--no-pager", "-o", "cat", "-u", unit)

    @contextmanager
    def network(self) -> Iterator[None]:
        """Let this thread, and the threads it starts, be in its network."""
        libc = ctypes.CDLL(None, use_errno=True)
        with (
            Path("/proc/thread-self/ns/net").open("rb") as home,
            Path(f"/proc/{self.leader}/ns/net").open("rb") as there,
        ):
            _checked(libc.setns(there.fileno(), _CLONE_NEWNET))
            try:
                yield
            finally:
                _checked(libc.setns(home.fileno(), _CLONE_NEWNET))

    def end(self) -> None:
        """Turn it off; its memory goes with its mounts."""
        if self.leader:
            with suppress(ProcessLookupError):
                os.kill(self.leader, signal.SIGKILL)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        if (group := _DEVICE_RULES / self._name).is_dir():
            for folder in [*sorted(group.rglob("*/"), reverse=True), group]:
                folder.rmdir()

    def _first_process(self) -> int:
        waiting = [self.process.pid]
        with suppress(OSError):  # what is looked at may end
            while waiting:
                pid = waiting.pop()
                if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "systemd":
                    return pid
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
                waiting += map(int, children.split())
        return 0


def built_wheel(folder: Path) -> Path:
    """The wheel, as docs/install.md has it made."""
    folder.mkdir(parents=True)
    build = [str(ROOT / ".venv/bin/python"), "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run([*build, "-d", str(folder)], cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
