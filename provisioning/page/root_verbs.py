"""Root's helper of the page: a fixed list of verbs, for the agent and for the page. Runs briefly.

    python -m provisioning.page.root_verbs serve            # requests that lie in the two folders
    python -m provisioning.page.root_verbs end              # the page's time is over

A request is untrusted until validated, and each user has his own verbs: who has taken over the page can neither
press the button nor keep the page on. It sleeps before it ends: systemd starts it again only then. It imports
only the standard library, and modules of ours that do the same.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.disk import READABLE, replace_file
from drivers.files import requests
from drivers.files.requests import RefusedError
from wording.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

REST_S = 2.0
MINUTES, MOST_MINUTES = 60, 240
"""How long the page stays on after a press, and at most by a command."""
ROOT_DIR = Path("/run/kerbwatch-admin")
"""What root tells the page: for everybody to read."""
PRESSED, UNTIL, DONE = "pressed", "until", "done.json"
SOCKET, SERVICE, END = "kerbwatch-page.socket", "kerbwatch-page.service", "kerbwatch-page-end"
POINT = "kerbwatch-point"
"""The access point: a profile of NetworkManager's."""
COMMAND = "/opt/kerbwatch/active/bin/kerbwatch"
PYTHON = "/opt/kerbwatch/active/bin/python"
LONGEST_S = 240
SITE = "/etc/kerbwatch"
IDENTITY = "identity"
"""A folder with the request for a certificate, for the page to offer; it holds no secret."""
MOST_TOLD = 600
"""Characters of what a command said when it failed."""
LANGUAGES = frozenset({"zh_CN", "en"})
LARGEST_BYTES = 65_536
"""Of a request: a certificate with those above it fits four times."""
Request = dict[str, Any]
_PEM = re.compile(
    r"(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,16000}-----END CERTIFICATE-----\s*){1,6}"
)
_CASE_ID = re.compile(r"[A-Za-z0-9-]{0,64}")
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Requester:
    """Who may leave requests, and which.

    Attributes:
        folder: His own.
        verbs: What he may ask for.
    """

    folder: Path
    verbs: frozenset[str]


AGENT = Requester(Path("/run/kerbwatch/admin"), frozenset({"page_on"}))
"""The button is the agent's."""
PAGE = Requester(
    Path("/run/kerbwatch-page/admin"),
    frozenset(
        {
            "page_off",
            "restart_agent",
            "install_units",
            "correct_rights",
            "sync_clock",
            "check",
            "identity_request",
            "identity_install",
            "acceptance_form",
        }
    ),
)


def since_boot_s() -> float:
    """Seconds since boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def serve(requester: Requester, root_dir: Path = ROOT_DIR) -> None:
    """Carry out the request that lies in a folder, if there is one, and tell what came of it."""
    path = requester.folder / "request.json"
    if not path.exists() and not path.is_symlink():
        return
    request_id, verb = "", ""
    try:
        told = requests.take(path, LARGEST_BYTES)
        request_id, verb = _checked(told, requester.verbs)
        print(f"doing: {verb}", file=sys.stderr)
        fault = VERBS[verb](root_dir, told)
    except RefusedError as error:
        print(f"refused: {error}", file=sys.stderr)
        fault = str(error)
    except OSError as error:  # the page waits for an answer, whatever this disk takes
        print(f"failed: {error}", file=sys.stderr)
        fault = error.strerror or str(error)
    _tell(root_dir, requester, {"id": request_id, "verb": verb, "fault": fault})


def _checked(told: dict[str, Any], verbs: frozenset[str]) -> tuple[str, str]:
    request_id, verb = told.get("id", ""), told.get("verb")
    if not isinstance(request_id, str) or (request_id and not _ID.fullmatch(request_id)):
        raise RefusedError("the request's id is none")
    if not isinstance(verb, str) or verb not in verbs:
        raise RefusedError("the request asks for what this user may not ask")
    return request_id, verb


def _tell(root_dir: Path, requester: Requester, done: dict[str, Any]) -> None:
    with suppress(OSError):
        path = root_dir / requester.folder.parent.name / DONE
        replace_file(path, json.dumps(done), mode=READABLE, durable=False)


def _page_on(root_dir: Path, told: Request) -> str:  # noqa: ARG001 - as every verb
    return page_on(root_dir, MINUTES)


def page_on(root_dir: Path, minutes: int) -> str:
    """Switch the page on for a time, and the access point where there is one; counts as a press.

    Args:
        root_dir: Where it is noted.
        minutes: How long; at most :data:`MOST_MINUTES`.

    Returns:
        What failed; empty: nothing.
    """
    minutes = max(1, min(MOST_MINUTES, minutes))
    now_s = since_boot_s()
    replace_file(root_dir / PRESSED, f"{now_s:.3f}", mode=READABLE, durable=False)
    replace_file(root_dir / UNTIL, f"{now_s + 60 * minutes:.3f}", mode=READABLE, durable=False)
    _run("systemctl", "stop", f"{END}.timer")
    # A timer of systemd's, not of the page's: it ends whatever has become of the page.
    fault = _run(
        "systemd-run", "--quiet", f"--on-active={minutes}min", "--timer-property=AccuracySec=1s",
        f"--unit={END}.service",
    )  # fmt: skip
    if fault:
        return fault
    if _has_point():
        _run("nmcli", "--wait", "20", "connection", "up", POINT)
    return _run("systemctl", "start", SOCKET, SERVICE)


def page_off(root_dir: Path) -> str:
    """Switch page and access point off."""
    (root_dir / UNTIL).unlink(missing_ok=True)
    _run("systemctl", "stop", f"{END}.timer")
    fault = _run("systemctl", "stop", SOCKET, SERVICE)
    if _has_point():
        _run("nmcli", "--wait", "20", "connection", "down", POINT)
    return fault


def _page_off(root_dir: Path, told: Request) -> str:  # noqa: ARG001 - as every verb
    return page_off(root_dir)


def _has_point() -> bool:
    return Path(f"/etc/NetworkManager/system-connections/{POINT}.nmconnection").exists()


def _restart_agent(root_dir: Path, told: Request) -> str:  # noqa: ARG001 - as every verb
    return _run("systemctl", "restart", "--no-block", "kerbwatch.service")


def _install_units(root_dir: Path, told: Request) -> str:  # noqa: ARG001 - as every verb
    return _outside(told, COMMAND, "units", "install")


def _correct_rights(root_dir: Path, told: Request) -> str:  # noqa: ARG001 - as every verb
    return _outside(told, "systemd-tmpfiles", "--create", "kerbwatch.conf")


def _sync_clock(root_dir: Path, told: Request) -> str:  # noqa: ARG001 - as every verb
    return _run("timedatectl", "set-ntp", "true")


def _check(root_dir: Path, told: Request) -> str:  # noqa: ARG001 - as every verb
    return _run("systemctl", "start", "kerbwatch-check.service")


def _identity_request(root_dir: Path, told: Request) -> str:
    return _outside(told, COMMAND, "identity", "request", SITE, "--out", str(root_dir / IDENTITY))


def _identity_install(root_dir: Path, told: Request) -> str:
    """The certificate, and the authority where it comes with it; ``kerbwatch identity`` judges both."""
    command = [COMMAND, "identity", "install", SITE]
    pems = {name: told[name] for name in ("certificate", "authority") if name in told}
    if "certificate" not in pems or not all(
        isinstance(each, str) and _PEM.fullmatch(each) for each in pems.values()
    ):
        raise RefusedError("the certificate is no PEM")
    paths = {name: root_dir / f"{name}.pem" for name in pems}
    for name, path in paths.items():
        replace_file(path, pems[name], durable=False)
    command.append(str(paths["certificate"]))
    if "authority" in paths:
        command += ["--authority", str(paths["authority"])]
    try:
        return _outside(told, *command)
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)


def _acceptance_form(root_dir: Path, told: Request) -> str:
    """The form of the acceptance, from what the agent has recorded; of the request it takes what stands on it alone."""
    asked = {name: told.get(name, "") for name in ("name", "language", "case_id")}
    if not all(isinstance(each, str) and len(each) <= 100 for each in asked.values()):
        raise RefusedError("the form's facts are too long")
    if asked["language"] not in LANGUAGES or not _CASE_ID.fullmatch(asked["case_id"]):
        raise RefusedError("the form's facts are none")
    replace_file(root_dir / "acceptance.json", json.dumps(asked), durable=False)
    module = "provisioning.page.acceptance_form"
    return _outside(told, PYTHON, "-P", "-m", module, SITE, str(root_dir))


VERBS: dict[str, Callable[[Path, Request], str]] = {
    "page_on": _page_on,
    "page_off": _page_off,
    "restart_agent": _restart_agent,
    "install_units": _install_units,
    "correct_rights": _correct_rights,
    "sync_clock": _sync_clock,
    "check": _check,
    "identity_request": _identity_request,
    "identity_install": _identity_install,
    "acceptance_form": _acceptance_form,
}


def _outside(told: Request, *command: str) -> str:
    """Run something in a unit of its own: this one can write next to nothing.

    What it says when it fails is for whoever asked, and in his language.
    """
    language = told.get("language")
    setting = f"--setenv=KERBWATCH_LANGUAGE={language if language in LANGUAGES else 'en'}"
    return _run("systemd-run", "--quiet", "--wait", "--collect", "--pipe", setting, *command)


def _run(program: str, *arguments: str) -> str:
    """Run one of the system's programs; gives what failed in its own words, empty if nothing did."""
    try:
        done = subprocess.run(
            [f"/usr/bin/{program}" if not program.startswith("/") else program, *arguments],
            check=False,
            timeout=LONGEST_S,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} {arguments[0]}: {type(error).__name__}"
    text = (done.stderr or b"").decode(errors="replace")
    sys.stderr.write(text)
    if done.returncode == 0:
        return ""
    said = " ".join(line.strip() for line in text.splitlines() if line.strip())
    return harmless(said, MOST_TOLD) or f"{program} {arguments[0]}: exit {done.returncode}"


def main(arguments: list[str]) -> int:
    """Serve both requesters, or end the page; gives the exit code."""
    if arguments == ["end"]:
        page_off(ROOT_DIR)
    elif arguments == ["serve"]:
        for requester in (AGENT, PAGE):
            serve(requester)
        time.sleep(REST_S)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
