"""What a technician does with the page at the pole, in the order of its steps, by the same requests as its scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.first_hour.phone import Phone
    from benchmarks.first_hour.steps import Steps

SHORT_S, LONG_S = 60, 240
HOURS = 1.0
"""How much of the past the draft is tried on: a device that was just hung has no more."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What is done at one device.

    Attributes:
        code: Under the lid.
        zones: As in ``zones.json``: what would be drawn.
        name: Of who takes the device over; it stands on the form alone.
        form: Where the acceptance form is written to.
        signs: What the authority does with a request: gives the certificate. None: the device has one.
    """

    code: str
    zones: list[dict[str, Any]]
    name: str
    form: Path
    signs: Callable[[str, str], str] | None = None


def visit(phone: Phone, steps: Steps, told: Visit) -> None:
    """From the code to the accepted device.

    Raises:
        click.ClickException: A step did not come to its end, or the device was not accepted.
    """
    with steps.step("signed in", typed=("the code under the lid",)):
        phone.sign_in(told.code)
    if told.signs is not None:
        _identity(phone, steps, told.signs)
    with steps.step("connected to the broker"):
        _until_connected(phone)
    cameras = _looked_at(phone, steps)
    _zones(phone, steps, told.zones)
    case_id = _test_case(phone, steps)
    for camera_id in cameras:
        with steps.step(f"commissioning picture of {camera_id}"):
            phone.until(
                lambda camera_id=camera_id: phone.ask(f"/api/commission/{camera_id}", {}),  # type: ignore[misc]
                lambda answer: answer["stored"],
                "a picture without people and vehicles",
                LONG_S,
            )
    _check(phone, steps)
    _accept(phone, steps, told, case_id)


def _identity(phone: Phone, steps: Steps, signs: Callable[[str, str], str]) -> None:
    with steps.step("request for a certificate, made on the device"):
        request = phone.ask("/api/certificate-request", {})
    with steps.step(
        "signed by the authority",
        commands=("kerbwatch ca sign",),
        typed=("the authority's passphrase",),
    ):
        certificate = signs(request["name"], request["pem"])
    with steps.step("certificate in use"):
        phone.ask("/api/certificate", {"certificate": certificate})


def _until_connected(phone: Phone) -> None:
    phone.until(
        lambda: phone.ask("/api/state"),
        lambda state: (state["uplink"] or {}).get("connected_since"),
        "a connection to the broker",
        LONG_S,
    )


def _looked_at(phone: Phone, steps: Steps) -> list[str]:
    with steps.step("looked at the picture of each camera") as step:
        cameras = [str(each["camera_id"]) for each in phone.ask("/api/cameras")]
        for camera_id in cameras:
            picture = phone.fetch(f"/api/picture/{camera_id}?detections=1&width=960")
            phone.ask(f"/api/picture/{camera_id}.json")
            step.notes += f"{camera_id}, {len(picture) // 1000} kB "
    return cameras


def _zones(phone: Phone, steps: Steps, zones: list[dict[str, Any]]) -> None:
    with steps.step("zones drawn, kept and checked") as step:
        configured = phone.ask("/api/configuration")
        seen = phone.ask("/api/draft")["saved_at"]
        draft = {"zones": zones, "based_on": configured["number"], "seen": seen}
        phone.ask("/api/draft", draft, method="PUT")
        checked = phone.ask("/api/check-draft", {"zones": zones})
        if checked["faults"]:
            raise click.ClickException(f"the zones have faults: {checked['faults']}")
        step.notes = f"{len(zones)} zones, {len(checked['remarks'])} remarks"
    with steps.step("dry run") as step:
        job = phone.ask("/api/dry-run", {"zones": zones, "hours": HOURS})["job"]
        outcome = phone.until(
            lambda: phone.ask(f"/api/dry-run/{job}"),
            lambda answer: answer["state"] != "running",
            "the end of the dry run",
            LONG_S,
        )
        if outcome["state"] != "done":
            raise click.ClickException(f"the dry run failed: {outcome}")
        step.notes = f"{len(outcome['result']['differences'])} differences"
    with steps.step("applied and confirmed") as step:
        applied = phone.ask("/api/apply", {"zones": zones, "over": configured["number"]})
        phone.until(
            lambda: phone.ask("/api/configuration"),
            lambda now: now["number"] == applied["number"],
            "the zones in force",
            SHORT_S,
        )
        phone.ask("/api/confirm", {"number": applied["number"]})
        step.notes = f"configuration {applied['number']}"


def _test_case(phone: Phone, steps: Steps) -> str:
    with steps.step("test case, until its ticket is back") as step:
        case_id = str(phone.ask("/api/test-case", {})["case_id"])
        came = phone.until(
            lambda: phone.ask(f"/api/test-case/{case_id}"),
            lambda state: state["ticket"] or state["refused_at"],
            "the platform's ticket",
            SHORT_S,
        )
        if not came["ticket"]:
            raise click.ClickException(f"the platform refused the test case: {came}")
        step.notes = came["ticket"]
    return case_id


def _check(phone: Phone, steps: Steps) -> None:
    with steps.step("checked") as step:
        found = phone.ask("/api/check", {})["findings"]
        states = [each["state"] for each in found]
        step.notes = f"{len(found)} findings"
        for state in ("warning", "fault"):
            step.notes += f", {states.count(state)} {state}"
    for each in found:
        if each["state"] in {"warning", "fault"}:
            click.echo(f"             {each['state']} {each['code']}: {each['text']}")


def _accept(phone: Phone, steps: Steps, told: Visit, case_id: str) -> None:
    with steps.step("accepted, with its form as PDF", typed=("name of who accepts",)) as step:
        accepted = phone.ask("/api/acceptance", {"name": told.name, "case_id": case_id})
        if accepted["state"] not in {"provisional", "complete"}:
            raise click.ClickException(f"not accepted: {'; '.join(accepted['failed'])}")
        told.form.write_bytes(phone.fetch("/api/acceptance.pdf"))
        step.notes = f"{accepted['result']}, {told.form.stat().st_size // 1000} kB"
