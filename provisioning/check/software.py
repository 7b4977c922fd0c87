"""Checks of configuration, models, installation and packages."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from agent import inference
from agent.config import last_known_good
from agent.config.plausibility import missing, remarks
from agent.domain.labels import ASKED_OF
from agent.scenarios import VERIFIER
from drivers.files.installed import REMEDY, damaged
from drivers.programs import python
from provisioning.check.findings import Check, Device, Finding, Severity
from provisioning.console.local_time import local
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration


TOGETHER = ("numpy", "cv2", "onnxruntime", "pydantic", "paho.mqtt.client", "sqlite_utils")
STUB_LGPIO = "0.0.0.2"


def configuration(device: Device) -> Iterator[Finding]:
    """Every fault of site.toml and zones.json."""
    name = "configuration"
    if device.refused is not None:
        kept = last_known_good.find(device.site)
        means = (
            said("The agent does not start with this configuration.")
            if kept is None
            else said(
                "The agent continues with the last valid configuration, of {at}; later changes "
                "have no effect.",
                at=local(kept[1], kept[0].site.timezone),
            )
        )
        for fault in device.refused.faults:
            yield Finding(
                name,
                "fault",
                fault,
                means,
                said("Correct the place named; then run `kerbwatch config validate`."),
                code="configuration_valid",
            )
        return
    assert device.configuration is not None
    found = device.configuration
    yield Finding(
        name,
        "ok",
        said(
            "{cameras} camera(s), {zones} zone(s), hash {sha256}",
            cameras=len(found.cameras),
            zones=len(found.zones),
            sha256=found.sha256()[:12],
        ),
        code="configuration_valid",
    )
    for odd in remarks(found):
        severity: Severity = "fault" if odd.blind else "warning"
        yield Finding(
            name, severity, odd.what, odd.meaning, odd.remedy, code="configuration_plausible"
        )
    for lack in missing(found):
        yield Finding(
            name, "note", lack.what, lack.meaning, lack.remedy, code="configuration_complete"
        )
    if found.uplink.broker is None:
        yield Finding(
            name,
            "warning",
            said("no broker is configured"),
            said("Events stay on the device."),
            said("Set broker in the section [uplink] of site.toml."),
            code="configuration_broker",
        )


def models(device: Device) -> Iterator[Finding]:
    """The models that the site names: hash, shape, and one run."""
    assert device.configuration is not None
    classifiers = {name: key for key, name in device.configuration.classifiers_needed.items()}
    for name in device.configuration.models_needed:
        asked = ASKED_OF[classifiers[name]] if name in classifiers else ()
        try:
            manifest = inference.verify(inference.find_model(name), asked)
        except inference.ModelError as error:
            for fault in error.faults:
                yield Finding(
                    "models",
                    "fault",
                    said("{model}: {fault}", model=name, fault=fault),
                    said("The agent does not start without this model."),
                    said("Reinstall the model's folder; its file was changed or is incomplete."),
                    code="model_runs",
                    subject=name,
                )
        else:
            yield _runs(manifest)
    yield from _verifier(device.configuration)


def _runs(manifest: inference.Manifest) -> Finding:
    text = said("{model} {version} runs", model=manifest.name, version=manifest.version)
    return Finding("models", "ok", text, code="model_runs", subject=manifest.name)


def _verifier(configuration: Configuration) -> Iterator[Finding]:
    """The optional model, where a scenario would ask it."""
    needs, name = configuration.needs, configuration.models.verifier
    if VERIFIER not in needs.optional_classifiers:
        return
    mute = VERIFIER in needs.silent_without
    if not name:  # what that means is a remark on the configuration
        return
    try:
        manifest = inference.verify(inference.find_model(name), ASKED_OF[VERIFIER])
    except inference.ModelError as error:
        for fault in error.faults:
            yield _without_verifier(said("{model}: {fault}", model=name, fault=fault), mute=mute)
    else:
        yield _runs(manifest)


def _without_verifier(what: str, *, mute: bool) -> Finding:
    """It cannot be asked; whether a scenario here says nothing then is another matter than doing without."""
    if mute:
        meaning = said(
            "The agent runs, but scenarios that go by the verifier alone report nothing; the others judge"
            " without it, with more false cases and longer waits."
        )
    else:
        meaning = said(
            "The agent runs and judges without the verifier: with more false cases and longer waits."
        )
    remedy = said(
        "Reinstall the model's folder, or name another one in [models] verifier of site.toml; to do without"
        ' it, verifier = "" there. Then restart the agent.'
    )
    return Finding(
        "models", "fault" if mute else "warning", what, meaning, remedy, code="verifier_runs"
    )


def installation(_device: Device) -> Iterator[Finding]:
    """Every installed file against its package's RECORD: pip leaves writing it out to the kernel."""
    found = damaged()
    for each in found:
        yield Finding(
            "installation",
            "fault",
            each.in_words(),
            said(
                "It was damaged by a power cut soon after the installation, or somebody changed it."
            ),
            REMEDY,
            code="installation_whole",
        )
    if not found:
        yield Finding(
            "installation",
            "ok",
            said("every file is as it was installed"),
            code="installation_whole",
        )


def imports(device: Device) -> Iterator[Finding]:
    """All packages in one fresh process: some only fail in each other's company."""
    wanted = list(TOGETHER)
    configured = device.configuration
    if configured and any(each.driver == "picamera2" for each in configured.cameras):
        wanted.append("picamera2")
    script = f"import {', '.join(wanted)}"
    done = subprocess.run(
        python("-c", script), capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode == 0:
        yield Finding(
            "imports", "ok", said("{packages} load together", packages=wanted), code="packages_load"
        )
    else:
        complaint = (done.stderr.strip().splitlines() or ["?"])[-1]
        yield Finding(
            "imports",
            "fault",
            said(
                "{packages} do not load together: {complaint}", packages=wanted, complaint=complaint
            ),
            said("The agent would end as soon as it starts."),
            said(
                "Create the environment again with --system-site-packages from "
                "requirements.lock. If it names simplejpeg or numpy, the system's simplejpeg was "
                "built for another numpy: install the wheel of simplejpeg into the environment."
            ),
            code="packages_load",
        )
    yield from _stubs()


def _stubs() -> Iterator[Finding]:
    try:
        found = version("lgpio")
    except PackageNotFoundError:
        return
    if found == STUB_LGPIO:
        yield Finding(
            "imports",
            "fault",
            said("lgpio is the empty package {version}", version=found),
            said("Lights, button and fan do nothing."),
            said("Remove it from the environment; the real one is the system's python3-lgpio."),
            code="packages_gpio",
        )


CHECKS = (
    Check("configuration", configuration, needs_configuration=False),
    Check("models", models, limit_s=60),
    Check("installation", installation, limit_s=120, needs_configuration=False),
    Check("imports", imports, limit_s=60, needs_configuration=False),
)
