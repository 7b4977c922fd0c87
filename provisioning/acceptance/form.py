"""What stands on the acceptance form (装机验收单): its facts and tables, in the reader's language. Nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioning.console.local_time import local
from provisioning.wording import in_words, say
from provisioning.wording.check_codes import CHECK_CODES
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.config.schema import Configuration
    from agent.control.messages.service import AcceptanceReply, CheckRow, TearOffReply

RESULTS = {
    "accepted": said("accepted"),
    "accepted_with_remarks": said("accepted with remarks"),
    "refused": said("not accepted"),
}
STATES = {
    "passed": said("passed"),
    "remark": said("remark"),
    "failed": said("failed"),
    "not_done": said("not done"),
}
ROLES = {
    "installer": said("installer"),
    "inspector": said("inspector"),
    "operator": said("operator"),
}
STAGES = {
    "none": said("nobody has accepted it"),
    "refused": said("not accepted"),
    "provisional": said("provisional: the first night has not passed"),
    "complete": said("complete"),
}
ZONE_KINDS = {
    "no_parking": said("no parking"),
    "bay": said("parking bay"),
    "no_vending": said("no vending"),
    "bin": said("bin"),
    "no_dumping": said("no dumping"),
    "shop_front": said("shop front"),
    "mask": said("masked"),
}
CODES = {
    "commissioning_picture": said("commissioning picture"),
    "walk_test": said("walk test"),
    "test_ticket": said("test ticket"),
    "night_view": said("view in the first night"),
    "night_light": said("light in the first night"),
    "night_profile": said("night profile in the first night"),
}
"""Of what the agent looks at itself."""
NAMES = {**CHECK_CODES, **CODES}


@dataclass(frozen=True, slots=True)
class Form:
    """Everything on it.

    Attributes:
        title: Its title.
        facts: Names and values.
        zones: A table with its head.
        checks: The same; of what did not simply pass.
        passed: What passed, in one paragraph.
        signatures: What the device has signed, and lines for people to sign on.
    """

    title: str
    facts: list[tuple[str, str]]
    zones: list[tuple[str, ...]]
    checks: list[tuple[str, ...]]
    passed: str
    signatures: list[tuple[str, str]]


def form_of(
    configuration: Configuration,
    acceptance: AcceptanceReply,
    *,
    test_case: TearOffReply | None,
    name: str | None,
    words: Mapping[tuple[str, str | None], str],
) -> Form:
    """Put the form together.

    Args:
        configuration: The site.
        acceptance: As the agent recorded it.
        test_case: How far the test case came; None: there was none.
        name: Of who accepts, for the paper alone; None: a line is left for it.
        words: What the check said, by code and subject.
    """
    return Form(
        title=say("Acceptance of an installed device"),
        facts=_facts(configuration, acceptance, test_case),
        zones=_zones(configuration, acceptance),
        checks=_checks(acceptance.checks, words),
        passed=_passed(acceptance.checks),
        signatures=_signatures(acceptance, name),
    )


def _facts(
    configuration: Configuration, acceptance: AcceptanceReply, test_case: TearOffReply | None
) -> list[tuple[str, str]]:
    site = configuration.site
    at = "-" if acceptance.at is None else local(acceptance.at, site.timezone)
    return [
        (say("Device"), f"{site.tenant}/{site.device_id}"),
        (say("Address"), site.address),
        (say("Accepted at"), at),
        (say("Result"), in_words(RESULTS.get(acceptance.result or "", "-"))),
        (say("Stage"), in_words(STAGES[acceptance.state])),
        (say("Configuration"), acceptance.configuration_sha256 or "-"),
        (say("Test ticket"), _ticket(test_case)),
    ]


def _ticket(test_case: TearOffReply | None) -> str:
    if test_case is None:
        return say("no test case was sent")
    if test_case.ticket is None:
        return say("no number came back")
    after_s = (
        0.0
        if test_case.ticket_at is None
        else (test_case.ticket_at - test_case.stored_at).total_seconds()
    )
    return say("{ticket}, after {seconds:.1f} s", ticket=test_case.ticket, seconds=after_s)


def _zones(configuration: Configuration, acceptance: AcceptanceReply) -> list[tuple[str, ...]]:
    walked = {each.subject: each.state for each in acceptance.checks if each.code == "walk_test"}
    head = (say("Zone"), say("Name of the zone"), say("Kind"), say("Camera"), say("Walk test"))
    rows = [
        (
            zone.zone_id,
            "-" if zone.name is None else zone.name.zh or zone.name.en or "-",
            in_words(ZONE_KINDS.get(zone.kind, zone.kind)),
            zone.camera_id,
            in_words(STATES[walked[zone.zone_id]]) if zone.zone_id in walked else "-",
        )
        for zone in configuration.zones
    ]
    return [head, *rows]


def _checks(
    checks: Sequence[CheckRow], words: Mapping[tuple[str, str | None], str]
) -> list[tuple[str, ...]]:
    head = (say("State"), say("Check"), say("Subject"), say("Found"))
    rows = [
        (
            in_words(STATES[each.state]),
            in_words(NAMES.get(each.code, each.code)),
            each.subject or "-",
            words.get((each.code, each.subject), "-"),
        )
        for each in checks
        if each.state != "passed" and each.code != "walk_test"
    ]
    return [head, *rows]


def _passed(checks: Sequence[CheckRow]) -> str:
    names = dict.fromkeys(
        in_words(NAMES.get(each.code, each.code)) for each in checks if each.state == "passed"
    )
    return say("Passed: {checks}", checks=list(names))


def _signatures(acceptance: AcceptanceReply, name: str | None) -> list[tuple[str, str]]:
    who = in_words(ROLES.get(acceptance.role or "", "-"))
    if acceptance.person_id:
        who = f"{who} ({acceptance.person_id})"
    return [
        (say("Accepted by"), who),
        (say("Name"), name or ""),
        (say("Signature and date"), "\n"),
        (say("Record number"), str(acceptance.number)),
        (say("SHA-256 of the signed record"), acceptance.sha256 or "-"),
        (say("Key of the device"), acceptance.kid or "-"),
    ]
