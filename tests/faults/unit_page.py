"""The page at the pole under a real systemd: its sockets, its walls, root's verbs, the button, its end."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

from provisioning.page.setup import CABLE_ADDRESS
from tests.faults.booted_corner import NEEDS, PYTHON, corner
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.page_process import trusting

if TYPE_CHECKING:
    from tests.faults.booted_container import Booted

SOCKET, SERVICE = "kerbwatch-page.socket", "kerbwatch-page.service"


@fault("unit-page", group="units", short=0, reduced=1, full=1, needs=(*NEEDS, "ip"))
def unit_page(run: Run) -> Outcome:
    """The page is off, comes by the button, asks the agent and root, is killed, and ends by its timer."""
    with corner(run) as here, here.platform() as platform:
        device = here.device
        here.start()
        here.arrives("case.opened")
        pid = here.pid
        code = json.loads(device.run("kerbwatch", "page", "code", "--json"))["code"]
        require(not _listening(device), "it is off")
        with device.network():
            subprocess.run(["ip", "address", "add", f"{CABLE_ADDRESS}/24", "dev", "lo"], check=True)
        _press(device)
        wait_for(lambda: _active(device, SERVICE), "the button switches it on")
        phone = _Phone(device)
        phone.sign_in(code)
        state = phone.ask("/api/state")
        require(state["agent"]["running"], f"it asks the agent: {state['agent']}")
        phone.ask("/api/fix/correct_rights", "POST")
        run.progress()
        found = phone.ask("/api/check", "POST")
        require(len(found["findings"]) > 20, "the device is checked as the agent's user")
        _has_no_network(device)
        device.run("systemctl", "kill", "--signal=KILL", SERVICE)
        wait_for(lambda: _answers(phone), "killed, it comes back; the session too")
        run.progress()
        require("kerbwatch-page-end" in device.run("systemctl", "list-timers"), "its end is set")
        device.run("systemctl", "start", "kerbwatch-page-end.service")
        require(not _listening(device), "its time is over")
        require(here.pid == pid, "and the agent has noticed nothing")
        return here.outcome(platform, "by button and code, with systemd's sockets")


def _active(device: Booted, unit: str) -> bool:
    return device.shown("ActiveState", unit) == "active"


def _listening(device: Booted) -> bool:
    return _active(device, SOCKET) or _active(device, SERVICE)


def _answers(phone: _Phone) -> bool:
    """The socket is systemd's and takes calls at once; who answers them has to begin first."""
    try:
        return bool(phone.ask("/api/state"))
    except (ConnectionError, ssl.SSLError):
        return False


def _press(device: Booted) -> None:
    """What the agent leaves when its button is pressed: as its user."""
    code = (
        "from pathlib import Path; from agent.runtime.button import ask_for_page;"
        "ask_for_page(Path('/run/kerbwatch'))"
    )
    device.run(
        "setpriv", "--reuid=kerbwatch", "--regid=kerbwatch", "--clear-groups", PYTHON, "-c", code
    )


def _has_no_network(device: Booted) -> None:
    page = device.shown("MainPID", SERVICE)
    own = device.run("readlink", f"/proc/{page}/ns/net")
    require(own != device.run("readlink", "/proc/1/ns/net"), "it has no network")
    interfaces = device.run("cat", f"/proc/{page}/net/dev").splitlines()[2:]
    require(all(row.split(":")[0].strip() == "lo" for row in interfaces), "but its loopback")


class _Phone:
    """Asks over the cable's address, in the device's network."""

    def __init__(self, device: Booted) -> None:
        self._device, self._cookie, self._csrf = device, "", ""

    def sign_in(self, code: str) -> None:
        _, headers = self._asked("/sign-in", "POST", {"code": code})
        self._cookie = headers["set-cookie"].partition(";")[0]
        view, _ = self._asked("/steps/mount")
        [self._csrf] = re.findall(r'name="csrf" content="([^"]+)"', view)

    def ask(self, path: str, method: str = "GET") -> Any:
        told, _ = self._asked(path, method, {})
        return json.loads(told)

    def _asked(self, path: str, method: str = "GET", body: Any = None) -> tuple[str, Any]:
        sent = {"Host": CABLE_ADDRESS, "Cookie": self._cookie}
        if method != "GET":
            sent |= {
                "Origin": f"https://{CABLE_ADDRESS}",
                "Content-Type": "application/json",
                "X-CSRF-Token": self._csrf,
                "Sec-Fetch-Site": "same-origin",
            }
        with self._device.network():
            line = http.client.HTTPSConnection(CABLE_ADDRESS, context=trusting(), timeout=280)
            line.request(method, path, None if method == "GET" else json.dumps(body), sent)
            answer = line.getresponse()
            told = answer.read().decode()
            line.close()
        require(answer.status == 200, f"{method} {path}: {answer.status} {told[:500]}")
        return told, answer.headers
