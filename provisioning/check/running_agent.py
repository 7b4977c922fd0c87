"""Check of the running agent: whether it runs, and with what is configured and installed."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from agent import inference
from agent.config.applied import AppliedConfigurations
from provisioning.check.findings import Check, Device, Finding
from provisioning.check.fixes import RESTART_AGENT
from provisioning.wording.case_sentences import duration
from provisioning.wording.recovered import recovered
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.telemetry.status_file import Software, Status
    from provisioning.check.this_device import AgentHere

RESTART = said("`sudo systemctl restart kerbwatch` applies it.")


def agent(device: Device) -> Iterator[Finding]:
    """Whether an agent runs here, and with which version and configuration."""
    here = device.agent
    if here is None:
        return
    if not here.meant:
        yield _none_meant(here)
    elif here.status is None:
        yield _silent(here)
    else:
        yield from _astray(here.status, device)
        yield from _of_acceptance(here.status)


def _none_meant(here: AgentHere) -> Finding:
    if here.other is not None:
        what = said("the unit of this machine runs {site}, not this site", site=here.other)
    else:
        what = said(
            "no agent is meant to run here: there is neither a unit for this site nor a state"
        )
    meaning = said("The files are checked; what only a running agent shows is not.")
    return Finding("agent", "note", what, meaning, code="agent_runs")


def _silent(here: AgentHere) -> Finding:
    """It shall run, and does not say how it is."""
    if here.holder is None:
        return Finding(
            "agent",
            "fault",
            said("the agent does not run"),
            said("Nothing is watched, and nothing is sent."),
            said(
                "`sudo systemctl start kerbwatch`; why it ended:"
                " `journalctl --namespace=kerbwatch -u kerbwatch -n 50`."
            ),
            code="agent_runs",
            fix=RESTART_AGENT,
        )
    return Finding(
        "agent",
        "fault",
        said(
            "process {pid} uses the state folder but reports no status: {silence}",
            pid=here.holder.pid,
            silence=here.silence,
        ),
        said("It hangs, has only just started, or this check may not read its status file."),
        said("Check again in a minute, as root; then `sudo systemctl restart kerbwatch`."),
        code="agent_runs",
        fix=RESTART_AGENT,
    )


def _astray(status: Status, device: Device) -> Iterator[Finding]:
    software = status.software
    if software is None:
        yield _other_version(said("an older one"))
        return
    faults = [*_of_software(software, device), *_of_storage(status), *_of_verifier(status)]
    yield from faults
    if not faults:
        yield Finding(
            "agent",
            "ok",
            said(
                "runs for {uptime}: version {version}, configuration {sha256}",
                uptime=duration(status.uptime_s),
                version=software.agent_version,
                sha256=software.configuration_sha256[:12],
            ),
            code="agent_runs",
        )


def _of_software(software: Software, device: Device) -> Iterator[Finding]:
    if software.agent_version != version("kerbwatch"):
        yield _other_version(software.agent_version)
    # Where what is written was refused, the first check says what the agent goes by instead.
    written = device.configuration if device.refused is None else None
    other = written is not None and written.settings_sha256() != software.settings_sha256
    if written is not None and other and _on_trial(device) is None:
        yield Finding(
            "agent",
            "fault",
            said(
                "it runs with configuration {runs}, but the files have {written}",
                runs=software.settings_sha256[:12],
                written=written.settings_sha256()[:12],
            ),
            said("Changes in site.toml or zones.json are not in effect yet."),
            RESTART,
            code="agent_configuration",
            fix=RESTART_AGENT,
        )
    for used in software.models:
        try:
            installed = inference.load_manifest(inference.find_model(used.name))
        except inference.ModelError:  # the check of the models says so
            continue
        if installed.model_sha256 != used.sha256:
            yield Finding(
                "agent",
                "fault",
                said(
                    "it runs {model} {runs}, but {installed} is installed",
                    model=used.name,
                    runs=f"{used.version} ({used.sha256[:12]})",
                    installed=f"{installed.version} ({installed.model_sha256[:12]})",
                ),
                said("The installed model is not in use yet."),
                RESTART,
                code="agent_models",
                fix=RESTART_AGENT,
            )


def _on_trial(device: Device) -> int | None:
    """The number of a configuration that is on trial: another check says that it is another one."""
    if device.configuration is None:
        return None
    trial = AppliedConfigurations(device.base / device.configuration.storage.state_dir).trial
    return None if trial is None else trial.number


def _other_version(runs: str) -> Finding:
    return Finding(
        "agent",
        "fault",
        said(
            "version {installed} is installed, and {runs} runs",
            installed=version("kerbwatch"),
            runs=runs,
        ),
        said("The update is not in use yet."),
        RESTART,
        code="agent_version",
        fix=RESTART_AGENT,
    )


def _of_storage(status: Status) -> Iterator[Finding]:
    if status.storage is not None and status.storage.state == "volatile":
        yield Finding(
            "agent",
            "fault",
            said(
                "stores its results in memory only: {reason}",
                reason=recovered(status.storage.reason or "?"),
            ),
            said("It is lost at a power cut."),
            said("Check the disk of the state folder: permissions, free space, wear."),
            code="agent_storage",
        )


def _of_verifier(status: Status) -> Iterator[Finding]:
    """A model that was refused at the start, or whose runs fail, though it may be in order on the disk by now."""
    found = status.verifier
    if found is None or found.state not in {"refused", "failing"}:
        return
    yield Finding(
        "agent",
        "warning",
        said("judges without the verifier: {reason}", reason=recovered(found.reason or "?")),
        said("More false cases and longer waits; what goes by the verifier alone is not reported."),
        said("Correct what the check of the models names; {restart}", restart=RESTART),
        code="agent_verifier",
    )


def _of_acceptance(status: Status) -> Iterator[Finding]:
    """Whether people have accepted it, and as it is configured now."""
    found = status.acceptance
    if found is None:
        return
    if found.state in {"none", "refused"}:
        yield Finding(
            "agent",
            "note",
            said("the device is not accepted"),
            said("It watches and reports all the same."),
            said("The page's step *Acceptance* records it, or `sudo kerbwatch accept`."),
            code="acceptance",
        )
    elif not found.as_configured:
        yield Finding(
            "agent",
            "note",
            said("the device was accepted with another configuration"),
            said("What was checked then does not say how it works now."),
            said("The page's step *Acceptance* records it, or `sudo kerbwatch accept`."),
            code="acceptance",
        )
    elif found.state == "provisional":
        what = said("the device is accepted provisionally: the first night has not passed")
        yield Finding("agent", "note", what, code="acceptance")
    else:
        yield Finding("agent", "ok", said("the device is accepted"), code="acceptance")


CHECKS = (Check("agent", agent, limit_s=60),)
