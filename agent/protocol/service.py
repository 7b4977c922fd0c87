"""What is told of a device when people take it over and when they take it down."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agent.protocol.base import MAX_PLACES, MAX_WORDS, Wire
from agent.protocol.field_examples import BEGAN_AT, Example, sha256_of
from agent.protocol.fields import AtMost, Flag, Label, Moment, Name, Sha256, Within, Word

Figure = Annotated[float, Within(-1e15, 1e15)]


class Actor(Wire):
    """Who did it: a role and, where there is one, an id in somebody's register. Never a person's name."""

    role: Annotated[Literal["installer", "inspector", "operator", "platform"], Example("inspector")]
    id: Annotated[Name | None, Example("team-7")] = None


class Check(Wire):
    """One thing that was looked at.

    ``code`` is the check's name, the same for every device. ``subject`` is the camera, zone or part that was
    looked at; null where it is the whole device. ``not_done`` says nothing for or against.
    """

    code: Annotated[Word, Example("camera_sees_zone")]
    state: Annotated[Literal["passed", "remark", "failed", "not_done"], Example("passed")]
    subject: Annotated[Name | None, Example("street")] = None


class Exhibit(Wire):
    """A file that shows what was found, by its hash: it stays where it was made."""

    name: Annotated[Label, Example("acceptance-report.pdf")]
    sha256: Annotated[Sha256, Example(sha256_of("example report"))]


class AcceptanceBody(Wire):
    """The result of taking a device over (验收).

    ``configuration_sha256`` is what it was accepted with: another configuration is another thing.
    ``numbers`` are measured figures, by their names, each with its unit in the name. ``provisional``: the first
    night has not passed; what it was like comes with a second one that is not, with the same ``by``.
    """

    result: Annotated[Literal["accepted", "accepted_with_remarks", "refused"], Example("accepted")]
    by: Actor
    at: Annotated[Moment, Example(BEGAN_AT)]
    configuration_sha256: Annotated[Sha256, Example(sha256_of("example configuration"))]
    checks: Annotated[tuple[Check, ...], Field(min_length=1), AtMost(MAX_PLACES)]
    numbers: Annotated[
        dict[Word, Figure], AtMost(MAX_WORDS), Example({"delivery_p95_s": 1.4, "test_cases": 5.0})
    ] = {}
    evidence: Annotated[tuple[Exhibit, ...], AtMost(MAX_PLACES)] = ()
    provisional: Annotated[Flag, Example(False)] = False


class DecommissionedBody(Wire):
    """A device was taken down for good: it sends nothing after this, and its open cases are nobody's."""

    reason: Annotated[
        Literal["replaced", "relocated", "end_of_life", "end_of_contract", "damaged", "stolen"],
        Example("relocated"),
    ]
    by: Actor
    at: Annotated[Moment, Example(BEGAN_AT)]
