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
