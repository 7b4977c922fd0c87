"""Versions that are bad: on a booted device each of them goes back by itself, under the real units."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.booted_corner import NEEDS, BootedCorner, corner
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.environments import Interpreter, record, unpacked

TREE = "tree"
"""The version that the root brings."""
DEVICE = Interpreter(
    Path("/usr/bin/python3"),
    "3.13",
    f"/opt/kerbwatch/versions/{TREE}/lib/python3.13/site-packages",
)
_RECORD = "/var/lib/kerbwatch-versions/record.json"
_LATER = "/etc/systemd/system/kerbwatch-prove.service.d/test.conf"
_WITHIN_S = 100
_SHORTER = f"""[Service]
ExecStart=
ExecStart=/opt/kerbwatch/active/bin/python -P -m provisioning.versions prove --within {_WITHIN_S}
"""
_LONGEST_S = 900
_CONNECTING = "        self._client.connect_timeout = "


@dataclass(frozen=True, slots=True)
class Bad:
    """What is wrong with a version, and what its going back says."""

    spoil: Callable[[Path], None]
    says: str


def _crashes(package: Path) -> None:
    (package / "agent/__main__.py").write_text("raise SystemExit('a bad release')\n")


def _has_a_damaged_model(package: Path) -> None:
    [model] = (package.parents[2] / "share/kerbwatch/models/street").glob("*.onnx")
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 0xFF
    model.write_bytes(content)


def _never_comes_online(package: Path) -> None:
    path = package / "agent/delivery/mqtt_connection.py"
    code = path.read_text(encoding="utf-8")
    bad = code.replace(
        _CONNECTING, f"        raise ConnectionRefusedError(111, 'bad')\n{_CONNECTING}"
    )
    require(bad != code, "the release is spoilt")
    path.write_text(bad, encoding="utf-8")


def _cannot_prove(package: Path) -> None:
    (package / "provisioning/versions/__main__.py").write_text("a bad release\n")


BAD = {
    "0.9.1": Bad(_crashes, "times by itself"),
    "0.9.2": Bad(_has_a_damaged_model, "model"),
    "0.9.3": Bad(_never_comes_online, "the broker is not reached, and was before the update"),
    "0.9.4": Bad(_cannot_prove, "the proof itself failed"),
}


@fault("bad-version", group="versions", short=0, reduced=4, full=4, needs=NEEDS)
def bad_version(run: Run) -> Outcome:
    """A version that crashes, has a damaged model, never comes online or cannot be proved goes back by itself."""
    with corner(run) as here, here.platform() as platform:
        here.start()
        here.arrives("case.opened")
        for version, bad in list(BAD.items())[: run.times]:
            _is_online(here)
            _install(run, here, version, bad.spoil)
            here.recover_s.append(
                wait_for(lambda: _last(here).get("what") == "went_back", version, _LONGEST_S)
            )
            gone = _last(here)
            require(gone["instead_of"] == version, f"it left {version}: {gone}")
            require(bad.says in gone["why"], f"{version}: {gone['why']}")
            wait_for(lambda: _runs(here) == "0.2.0", "the version before runs again")
            run.progress()
        told = here.device.run("kerbwatch", "versions", "list", "--json")
        require(json.loads(told)["active"] == TREE, told)
        return here.outcome(platform, "until the link had gone back")


@fault("good-version", group="versions", short=0, reduced=1, full=1, needs=NEEDS)
def good_version(run: Run) -> Outcome:
    """A version that works proves itself: camera, models, broker and the stored clip; nothing is lost over the update."""
    with corner(run) as here, here.platform() as platform:
        here.start()
        here.arrives("case.opened")
        _is_online(here)
        _install(run, here, "0.9.0", lambda _: None)
        here.recover_s.append(
            wait_for(
                lambda: _last(here).get("what") in {"proved", "went_back"},
                "it is judged",
                _LONGEST_S,
            )
        )
        proved = _last(here)
        require((proved["what"], proved["why"]) == ("proved", ""), f"all is known: {proved}")
        require(_runs(here) == "0.9.0", "the new version runs")
        return here.outcome(platform, "until it had proved itself")


def _install(run: Run, here: BootedCorner, version: str, spoil: Callable[[Path], None]) -> None:
    """As the package's script does."""
    device = here.device
    payload = device.path(f"/usr/lib/kerbwatch/{version}")
    payload.parent.mkdir(parents=True, exist_ok=True)
    [wheel] = (run.folder / "dist").glob("*.whl")
    unpacked(wheel, payload, version, DEVICE)
    spoil(payload / "lib/python3.13/site-packages")
    record(payload)
    device.path(_LATER).parent.mkdir(parents=True, exist_ok=True)
    device.path(_LATER).write_text(_SHORTER)
    place = ("-P", "-m", "provisioning.versions", "place", f"/usr/lib/kerbwatch/{version}")
    # One that cannot run even its own placing would never get here: the version that runs places it.
    by = "/opt/kerbwatch/active" if spoil is _cannot_prove else f"/usr/lib/kerbwatch/{version}"
    device.run(f"{by}/bin/python", *place)
    device.run("systemctl", "daemon-reload")
    device.run("systemctl", "restart", "--no-block", "kerbwatch")
    device.run("systemctl", "restart", "--no-block", "kerbwatch-prove")


def _is_online(here: BootedCorner) -> None:
    """What worked is noted before the link is switched: the connection has to be in the status."""

    def online() -> bool:
        told = _status(here)
        return bool(told) and told["uplink"]["connected_since"] is not None

    wait_for(online, "the agent says that it is online")


def _runs(here: BootedCorner) -> str:
    told = _status(here)
    return str(told["software"]["agent_version"]) if told else ""


def _status(here: BootedCorner) -> dict[str, Any]:
    try:
        return dict(json.loads(here.device.path("/run/kerbwatch/status.json").read_bytes()))
    except (OSError, ValueError):
        return {}


def _last(here: BootedCorner) -> dict[str, Any]:
    """The newest step between versions."""
    try:
        told = json.loads(here.device.path(_RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return dict(told["events"][-1])
