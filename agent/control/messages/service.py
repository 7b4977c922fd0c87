"""What a technician at the pole asks of the running agent: a test case, the commissioning, the acceptance, a sign."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from agent.control.messages.base import Reply, Request, Words

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Of a camera; as in the contract."""


class TearOffReply(Reply):
    """How far a test case came. A time is None while that has not happened, or where nobody knows it any more.

    Attributes:
        case_id: Its id, by which the platform names it.
        kind: Of case.
        zone_id: Where it pretends to be.
        stored_at: It is on the disk, and so in the outbox.
        connected: Whether there is a connection to the broker now.
        with_receipts: Whether the site waits for the platform's receipts (``confirm = "platform"``).
        sent_at: It was published.
        acknowledged_at: The broker's PUBACK came.
        receipted_at: The platform's receipt came: it is stored there.
        refused_at: The platform's receipt came: it will not be stored there.
        ticket: The platform's number of it.
        ticket_at: When that was seen first.
        trouble: What the uplink complains of while the broker has not acknowledged it; None: nothing.
    """

    case_id: str
    kind: str
    zone_id: str
    stored_at: datetime
    connected: bool
    with_receipts: bool
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    receipted_at: datetime | None = None
    refused_at: datetime | None = None
    ticket: str | None = None
    ticket_at: datetime | None = None
    trouble: Words | None = None

    @property
    def reached(
        self,
    ) -> Literal["stored", "sent", "acknowledged", "receipted", "refused", "ticket"]:
        """The furthest step."""
        if self.ticket is not None:
            return "ticket"
        steps = {
            "refused": self.refused_at,
            "receipted": self.receipted_at,
            "acknowledged": self.acknowledged_at,
            "sent": self.sent_at,
        }
        for step, at in steps.items():
            if at is not None:
                return step  # type: ignore[return-value]
        return "stored"


class AskTestCase(Request[TearOffReply]):
    """Send a case that is marked as a test on the whole way to the platform."""

    verb: ClassVar[str] = "test_case"
    answer: ClassVar[type[Reply]] = TearOffReply


class AskTestCaseState(Request[TearOffReply]):
    """How far did it come?"""

    verb: ClassVar[str] = "test_case.state"
    answer: ClassVar[type[Reply]] = TearOffReply

    case_id: Annotated[str, Field(min_length=1, max_length=64)]


class CommissionReply(Reply):
    """What became of one attempt to take a camera's commissioning picture.

    Attributes:
        stored: Whether it is taken; it holds from the next frame on.
        because: Why not; None if it is.
        found: What stood in it that should not, by its kind (``person``, ``vehicle``), and how many.
        sha256: Of the stored picture.
        taken_at: When the frame was taken.
    """

    stored: bool
    because: Words | None = None
    found: Annotated[dict[str, int], Field(default_factory=dict)]
    sha256: str | None = None
    taken_at: datetime | None = None


class AskCommission(Request[CommissionReply]):
    """Take this camera's commissioning picture from its next frames. Ask again until nobody is in it.

    Attributes:
        camera_id: Which.
        anyway: Also with people or vehicles in it: where cars park for good.
    """

    verb: ClassVar[str] = "commission"
    answer: ClassVar[type[Reply]] = CommissionReply

    camera_id: Name
    anyway: bool = False


State = Literal["passed", "remark", "failed", "not_done"]


class CheckRow(Reply):
    """One thing that was looked at, as the contract has it (``agent.protocol.service.Check``)."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    state: State
    subject: Name | None = None


class AcceptanceReply(Reply):
    """The acceptance as it stands.

    Attributes:
        state: ``none``: nobody has accepted it; ``refused``; ``provisional``: accepted, and the first night has not
            passed; ``complete``.
        number: Of the record, from 1.
        result: ``accepted``, ``accepted_with_remarks`` or ``refused``.
        at: When it was accepted, or completed.
        role: Who accepted it, and …
        person_id: … his id in somebody's register; never a name.
        configuration_sha256: With which configuration.
        as_configured: Whether that is the one that holds now.
        checks: Everything that was looked at.
        numbers: Measured figures.
        night_minutes: How much of the first night was seen; ``night_needed`` is enough.
        jws: The record, signed by the device's key (RFC 7515, compact).
        sha256: Of it.
        kid: The key's name (RFC 7638), as the device's birth tells it.
    """

    state: Literal["none", "refused", "provisional", "complete"]
    number: int = 0
    result: Literal["accepted", "accepted_with_remarks", "refused"] | None = None
    at: datetime | None = None
    role: str | None = None
    person_id: str | None = None
    configuration_sha256: str | None = None
    as_configured: bool = True
    checks: tuple[CheckRow, ...] = ()
    numbers: Annotated[dict[str, float], Field(default_factory=dict)]
    night_minutes: int = 0
    night_needed: int = 0
    jws: str | None = None
    sha256: str | None = None
    kid: str | None = None


class AskAcceptance(Request[AcceptanceReply]):
    """Is this device accepted?"""

    verb: ClassVar[str] = "acceptance"
    answer: ClassVar[type[Reply]] = AcceptanceReply


class RecordAcceptance(Request[AcceptanceReply]):
    """Take this device over: what was checked is recorded, signed, kept and sent.

    The agent adds what it knows itself (commissioning pictures, zones, the test case) and says what comes of it all.

    Attributes:
        role: Who takes it over.
        person_id: His id in somebody's register, such as ``team-7``; a name stands on the paper alone.
        checks: What ``kerbwatch check`` found.
        walked: Zone → what came of walking through it.
        case_id: Of the test case; None: there was none.
    """

    verb: ClassVar[str] = "acceptance.record"
    answer: ClassVar[type[Reply]] = AcceptanceReply

    role: Literal["installer", "inspector", "operator"]
    person_id: Name | None = None
    checks: Annotated[tuple[CheckRow, ...], Field(max_length=500)] = ()
    walked: Annotated[dict[Name, State], Field(default_factory=dict, max_length=500)]
    case_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class IdentifyReply(Reply):
    """Until when the light says which device this is."""

    seconds: float


class AskIdentify(Request[IdentifyReply]):
    """Let the light and the buzzer say which device this is."""

    verb: ClassVar[str] = "identify"
    answer: ClassVar[type[Reply]] = IdentifyReply

    seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
