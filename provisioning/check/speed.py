"""Check of the speed: whether the networks run as often as the site's budget asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provisioning.check.findings import Check, Device, Finding
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW_RUNS = 20
"""Of fewer runs no speed is told: the first ones of a process are slow."""
FULL = 0.9
"""Share of the analysis thread's time from which there is none to spare."""


def speed(device: Device) -> Iterator[Finding]:
    """What a run of a network takes on this device, as the running agent has measured it, against the budget."""
    assert device.configuration is not None
    status = None if device.agent is None else device.agent.status
    if status is None:
        return
    runs = sum(each.network_runs for each in status.cameras.values())
    looked_s = sum(each.stage_s.get("looking") or 0.0 for each in status.cameras.values())
    if runs < FEW_RUNS:
        what = said("how fast it is is not known yet: {runs} runs of a network so far", runs=runs)
        yield Finding("speed", "note", what, code="inference_speed")
        return
    run_s, wanted = looked_s / runs, device.configuration.analysis.runs_per_s
    text = said(
        "a run takes {milliseconds:.0f} ms; {wanted:g} a second are asked for, {possible:.1f} are possible",
        milliseconds=run_s * 1000,
        wanted=wanted,
        possible=1 / max(run_s, 1e-6),
    )
    if run_s * wanted < FULL:
        yield Finding("speed", "ok", text, code="inference_speed")
        return
    yield Finding(
        "speed",
        "warning",
        text,
        said("In a busy street places are looked at less often, and frames are dropped."),
        said("Lower runs_per_s in [analysis], or take a smaller model (`kerbwatch models bench`)."),
        code="inference_speed",
    )


CHECKS = (Check("speed", speed),)
