"""Check of file permissions: whether the agent's user can read what it needs and write its state."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import inference
from agent.config.site_files import ZONES, site_file
from drivers.files.small_files import user_name
from drivers.programs import python
from provisioning.check import as_user
from provisioning.check.findings import Check, Device, Finding
from provisioning.check.fixes import INSTALL_UNITS
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration
    from provisioning.check.this_device import ServiceUser


def rights(device: Device) -> Iterator[Finding]:
    """Ask as the agent's user for every file that it needs."""
    assert device.configuration is not None
    here = device.agent
    if here is None or not here.meant:
        return
    if here.user is None:
        assert here.unit is not None
        yield _fault(
            said("there is no user {user}, whom the unit names", user=here.unit.user),
            said("systemd cannot start the agent."),
            said("`sudo kerbwatch units install` creates the user."),
            code="rights_user",
            fix=INSTALL_UNITS,
        )
        return
    if (foreign := _of_another(here.user, device)) is not None:
        yield foreign
        return
    found = _ask(here.user, device)
    if isinstance(found, Finding):
        yield found
        return
    faults = list(_faults(found, here.user))
    yield from faults
    if not faults:
        yield Finding(
            "rights",
            "ok",
            said("{user} can read and write what it needs", user=here.user.name),
            code="rights_user",
        )


def _of_another(user: ServiceUser, device: Device) -> Finding | None:
    """The state folder, if it is neither the agent's user's nor root's, and root has become its owner to look."""
    assert device.configuration is not None
    folder = device.base / device.configuration.storage.state_dir
    try:
        owner = folder.stat().st_uid
    except OSError:
        return None
    if owner in {user.uid, 0}:
        return None
    return _fault(
        said(
            "{folder} belongs to {owner}, and the agent runs as {user}",
            folder=folder,
            owner=user_name(owner),
            user=user.name,
        ),
        said("The agent runs as {user}: its results cannot be stored there.", user=user.name),
        said(
            "`sudo chown -R {user}: {folder}`, then restart the agent.",
            user=user.name,
            folder=folder,
        ),
        code="rights_state_folder",
    )


def _ask(user: ServiceUser, device: Device) -> dict[str, Any] | Finding:
    """What the user cannot do; or why that cannot be found out."""
    assert device.configuration is not None
    if not user.is_me and os.geteuid() != 0:
        return Finding(
            "rights",
            "warning",
            said("whether {user} can read and write what it needs is unknown", user=user.name),
            said("Only root can check with the rights of the agent's user."),
            said("Run the check with `sudo`."),
            code="rights_known",
        )
    storage = device.configuration.storage
    folders = [device.base / each for each in (storage.state_dir, storage.run_dir)]
    unit = None if device.agent is None else device.agent.unit
    asked = {
        "user": None if user.is_me else user.uid,
        "group": user.gid,
        "groups": list(user.groups),
        "run": [] if unit is None else [str(unit.python)],
        "read": [str(path.absolute()) for path in _needed(device, device.configuration)],
        "write": [str(path.absolute()) for path in folders if path.exists()],
    }
    script = Path(as_user.__file__).read_text(encoding="utf-8")
    try:
        done = subprocess.run(
            python("-c", script),
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd="/",
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Finding(
            "rights",
            "warning",
            said("whether {user} can read and write what it needs is unknown", user=user.name),
            reason_of(error),
            said("Run the check with `sudo`."),
            code="rights_known",
        )
    return answer


def _needed(device: Device, configuration: Configuration) -> Iterator[Path]:
    """The files that the agent reads, those that are there: what is missing is told elsewhere."""
    site = site_file(device.site)
    uplink = configuration.uplink.located(device.base)
    files = [
        site,
        site.with_name(ZONES),
        *(uplink.ca_file, uplink.certificate_file, uplink.key_file, uplink.password_file),
    ]
    for camera in configuration.cameras:
        files += [v for _, v in camera.driver_settings(device.base) if isinstance(v, Path)]
    for name in (*configuration.models_needed, *configuration.optional_classifiers.values()):
        try:
            files += sorted(inference.find_model(name).iterdir())
        except (inference.ModelError, OSError):
            continue
    yield from (path for path in files if path is not None and path.is_file())


def _faults(found: dict[str, Any], user: ServiceUser) -> Iterator[Finding]:
    for path, reason in found["read"].items():
        yield _fault(
            said(
                "{path} cannot be read by {user}: {reason}",
                path=path,
                user=user.name,
                reason=reason,
            ),
            said("The agent runs as {user}, and cannot use the file.", user=user.name),
            said(
                "`sudo chgrp {user} {path} && sudo chmod 640 {path}`; of what lies in /etc/kerbwatch"
                " `sudo systemctl restart kerbwatch` takes care.",
                user=user.name,
                path=path,
            ),
            code="rights_read",
        )
    for path in found["run"]:
        yield _fault(
            said("{path} cannot be started by {user}", path=path, user=user.name),
            said("systemd cannot start the agent."),
            said(
                "Make the environment readable for everybody: `sudo chmod -R go+rX {folder}`.",
                folder=Path(path).parents[1],
            ),
            code="rights_start",
        )
    for folder, (paths, count) in found["write"].items():
        if count:
            yield _fault(
                said(
                    "{count} place(s) in {folder} cannot be changed by {user}: {paths}",
                    count=count,
                    folder=folder,
                    user=user.name,
                    paths=paths,
                ),
                said(
                    "The agent runs as {user}: its results cannot be stored there.", user=user.name
                ),
                said(
                    "`sudo chown -R {user}: {folder}`, then restart the agent.",
                    user=user.name,
                    folder=folder,
                ),
                code="rights_write",
            )


def _fault(what: str, meaning: str, remedy: str, *, code: str, fix: str | None = None) -> Finding:
    return Finding("rights", "fault", what, meaning, remedy, code=code, fix=fix)


CHECKS = (Check("rights", rights, limit_s=90),)
