"""Commands of the platform, and their answers.

Every command is answered. What is not one of :data:`COMMANDS`, or has a field that is unknown here, is answered as
unsupported and never half obeyed. What may not rest on a broker's login alone is a compact JWS whose payload is the
command (:data:`MAY_ORDER`).
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, create_model, model_validator

from agent.protocol.base import CONTRACT_VERSION, Range, Wire
from agent.protocol.case import Finding, PictureFile
from agent.protocol.field_examples import BEGAN_AT, EPOCH, Example, id_of, sha256_of
from agent.protocol.fields import (
    AtMost,
    Count,
    Flag,
    Id,
    Label,
    Moment,
    Name,
    Number,
    Seconds,
    Sentence,
    Sha256,
    Within,
    Word,
)
from agent.protocol.picture_transfer import MAX_PICTURE_BYTES, PictureBytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_COMMAND_BYTES: Final = 60_000
"""Of one command as it is published: what fits into one packet that a device takes."""
MAX_AHEAD_S: Final = 7 * 86_400
"""So far ahead may the ``expires_at`` of a signed command be: a device remembers only so many that it has done."""
CommandId = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Role = Literal["operator", "reviewer", "evidence"]
"""In whose name a key signs: who runs the devices, who judges what they report, who may see and hold pictures."""


class Command(Wire):
    """What the platform asks of a device, on the ``commands`` channel.

    Each command is a model below this, with its name as the one value of ``command``, and stands in
    :data:`COMMANDS`. Schemas and examples follow from there; what obeys it is its handler in the device's
    table (:mod:`agent.delivery.commands`). After ``expires_at`` it is not done any more; null: it does not expire.
    """

    contract: Literal[2] = CONTRACT_VERSION
    command: str
    command_id: Annotated[CommandId, Example("c-1")]
    expires_at: Annotated[Moment | None, Example(None)] = None


class Resend(Command):
    """Send again what is kept: a backup was restored, or a broker's limit is gone.

    Either ``epoch``, present or former, with ``ranges`` of its numbers; or what occurred from ``from_at`` until
    before ``to_at``, in whatever epoch. An event comes under the epoch and number that it had.
    """

    command: Literal["resend"]
    epoch: Annotated[Id | None, Example(EPOCH)] = None
    ranges: Annotated[
        tuple[Range, ...] | None, Field(min_length=1, max_length=1000), Example(((2, 3),))
    ] = None
    from_at: Moment | None = None
    to_at: Moment | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        numbers, time = (self.epoch, self.ranges), (self.from_at, self.to_at)
        if (None in numbers) == (None in time) or any(numbers) == any(time):
            raise ValueError("either epoch and ranges, or from_at and to_at")
        if any(first > last for first, last in self.ranges or ()):
            raise ValueError("a range is (first, last), first not above last")
        if self.from_at is not None and self.to_at is not None and self.to_at <= self.from_at:
            raise ValueError("to_at is not after from_at")
        return self


MIN_PACE_PER_S: Final = 0.1
"""The slowest that a platform may ask for: a backlog of a day, of 100,000 events, then takes twelve days."""


class Pace(Command):
    """How fast the backlog may come, until this connection ends; null: as fast as it goes."""

    command: Literal["pace"]
    backlog_events_per_s: Annotated[float | None, Example(20.0)] = Field(
        strict=True, ge=MIN_PACE_PER_S, le=100_000, allow_inf_nan=False
    )


class HoldCase(Command):
    """Keep a case's pictures whatever their age (``held``), or let them go again; a legal hold.

    ``reason`` is written down with the hold: why, and by whose order. To let them go again has to be signed.
    """

    command: Literal["hold"]
    case_id: Annotated[Id, Example(id_of("case"))]
    held: Annotated[Flag, Example(True)]
    reason: Annotated[Sentence, Field(min_length=1), Example("示例：复议期间保全")]


class TicketCase(Command):
    """The platform's number (任务号) of a case; the case's later events carry it. A later one replaces it.

    ``case.ticketed`` confirms it, once for each number that is another.
    """

    command: Literal["ticket"]
    case_id: Annotated[Id, Example(id_of("case"))]
    ticket: Annotated[Label, Field(min_length=1), Example("示例-20260101-0007")]


class JudgeCase(Command):
    """What a reviewer found of a case; a later verdict replaces it. Has to be signed.

    ``case.judged`` confirms it, once for each verdict that is another.
    ``duplicate_of`` is the other case, where it is known on the platform. ``reference`` leads there to who judged
    and why.
    """

    command: Literal["verdict"]
    case_id: Annotated[Id, Example(id_of("case"))]
    verdict: Annotated[Finding, Example("valid")]
    duplicate_of: Annotated[Id | None, Example(None)] = None
    reference: Annotated[Label, Field(min_length=1), Example("示例：核查记录 12")]


class Snapshot(Command):
    """A redacted picture of what a camera sees now. Has to be signed.

    It comes like any picture; ``evidence.snapshot`` says which it is, or why there is none.
    """

    command: Literal["snapshot"]
    camera_id: Annotated[Name, Example("street")]
    reason: Annotated[Sentence, Field(min_length=1), Example("示例：核实投诉")]


class Upload(Wire):
    """Where a picture is put by HTTPS (``PUT``), instead of coming in pieces.

    The site has to name the URL's host. Whoever has the URL may write there, so it is neither logged nor told
    again. After ``until`` it is not used any more, and a picture of more than ``most_bytes`` is not put there.
    """

    url: Annotated[
        str,
        Field(max_length=2048, pattern=r"^https://[!-~]{1,2040}$"),
        Example("https://pictures.example/inbox/7?signature=example"),
    ]
    until: Annotated[Moment, Example(BEGAN_AT)]
    most_bytes: Annotated[PictureBytes, Example(400_000)] = MAX_PICTURE_BYTES


class SendPicture(Command):
    """A redacted picture of a case. Has to be signed.

    By the ``sha256`` of the redacted picture, or by the ``file`` that its case's event names; one of both. It comes
    in pieces, or is ``put`` by HTTPS. ``reason`` is what it is needed for: it is recorded with the order.
    """

    command: Literal["picture"]
    case_id: Annotated[Id, Example(id_of("case"))]
    sha256: Annotated[Sha256 | None, Example(sha256_of("example redacted begin"))] = None
    file: Annotated[PictureFile | None, Example(None)] = None
    reason: Annotated[Sentence, Field(min_length=1), Example("示例：复核取证")]
    put: Annotated[Upload | None, Example(None)] = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.sha256 is None) == (self.file is None):
            raise ValueError("either sha256 or file")
        return self


_FileBytes = Annotated[str, Field(max_length=44_000, pattern=r"^[A-Za-z0-9_-]{1,44000}$")]
"""A file's bytes in base64url without padding: nothing of a text can be lost on the way, no line end and no mark."""


class Apply(Command):
    """A configuration: the two files of a site, whole. Has to be signed.

    ``number`` is above that of every configuration ordered before. It is applied on trial, and confirms itself once
    the device was online and analysed every camera for two minutes; else the device goes back within ten. Heartbeats
    say what became of it (``configuration.applied``). ``site`` is ``site.toml`` and ``zones`` is
    ``zones.json``, as bytes in base64url. It may change neither the device's identity, its broker, whom it
    trusts nor its keys.
    """

    command: Literal["apply"]
    number: Annotated[Number, Example(7)]
    site: Annotated[_FileBytes, Example("W3NpdGVdCuKApg")]
    zones: Annotated[_FileBytes, Example("eyJ6b25lcyI6IFtdfQ")]


COMMANDS: Final[tuple[type[Command], ...]] = (
    *(Resend, Pace, HoldCase, TicketCase),
    *(JudgeCase, Snapshot, SendPicture, Apply),
)
"""All there are."""
MAY_ORDER: Final[Mapping[str, frozenset[Role]]] = {
    "apply": frozenset({"operator"}),
    "verdict": frozenset({"reviewer"}),
    "picture": frozenset({"evidence"}),
    "snapshot": frozenset({"evidence"}),
    "hold": frozenset({"evidence"}),
}
"""Who may order what has to be signed. Of ``hold`` only that one is lifted; ``snapshot`` unsigned, as version 2.0 had
it, is understood and refused. Whatever is not named here, whoever may
publish on the ``commands`` channel may order."""


def signers(command: Command) -> frozenset[Role]:
    """In which roles it has to be signed; empty: it need not be."""
    if isinstance(command, HoldCase) and command.held:
        return frozenset()
    return MAY_ORDER.get(command.command, frozenset())


def name_of(model: type[Command]) -> str:
    """What stands in ``command``."""
    return str(get_args(model.model_fields["command"].annotation)[0])


def any_of(models: Iterable[type[Command]] = COMMANDS) -> Any:
    """The type, for pydantic, of what is any of these commands: told apart by ``command``."""
    together: Any = functools.reduce(operator.or_, models)
    return Annotated[together, Field(discriminator="command")]


class SignedCommand(Wire):
    """A command that is signed (RFC 7515, compact, EdDSA): its payload is an order of :func:`orders`, as JSON."""

    contract: Literal[2] = CONTRACT_VERSION
    jws: Annotated[
        str,
        Field(
            max_length=MAX_COMMAND_BYTES,
            pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
        ),
    ]


@functools.cache
def order_of(model: type[Command]) -> type[Command]:
    """The model of a command that is signed: it names its device, and when it expires."""
    bound: dict[str, Any] = {
        "tenant": (Annotated[Name, Example("example-city")], ...),
        "device_id": (Annotated[Name, Example("example-corner")], ...),
        "expires_at": (Annotated[Moment, Example(BEGAN_AT)], ...),
    }
    return create_model(f"{model.__name__}Order", __base__=model, __doc__=model.__doc__, **bound)


def orders(models: Iterable[type[Command]] = COMMANDS) -> Any:
    """The type, for pydantic, of the payload of a signed command."""
    return any_of([order_of(model) for model in models])


def unsigned() -> tuple[type[Command], ...]:
    """The commands that need no signature, or not always, or did not in an earlier version."""
    always = MAY_ORDER.keys() - {"hold", "snapshot"}
    return tuple(each for each in COMMANDS if name_of(each) not in always)


def published() -> Any:
    """The type, for pydantic, of what is published on the ``commands`` channel."""
    return any_of(unsigned()) | SignedCommand


# ── answers ──────────────────────────────────────────────────────────────────────────────────

Status = Literal["done", "refused", "unsupported", "malformed", "expired"]
Then = Literal["change_it", "wait", "sign_it", "leave_it"]
"""What a program may do after an answer that is not ``done``: send it otherwise, under a new ``command_id``; send
the very same again later; have it signed as the site asks; or nothing: it will stay like this."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a command is not done: one row of :data:`REASONS`.

    Attributes:
        status: With which it is answered.
        then: What a program may do.
        meaning: For people.
    """

    status: Status
    then: Then
    meaning: str


REASONS: Final[Mapping[str, Reason]] = {
    "unknown_contract": Reason(
        "unsupported", "change_it", "`contract` is another one; `allowed` says which is understood"
    ),
    "unknown_command": Reason(
        "unsupported",
        "leave_it",
        "this agent knows no such command; `allowed` lists those it knows",
    ),
    "unknown_field": Reason(
        "unsupported",
        "change_it",
        "`allowed.field` is unknown here: leave it out, or update the agent",
    ),
    "not_json": Reason(
        "malformed", "change_it", "not JSON in UTF-8 that every reader takes for the same"
    ),
    "duplicate_key": Reason("malformed", "change_it", "a key stands twice in one object"),
    "missing_field": Reason("malformed", "change_it", "`allowed.field` is missing"),
    "invalid_value": Reason(
        "malformed", "change_it", "`allowed.field` is out of its range; `allowed` says which it is"
    ),
    "too_large": Reason("malformed", "change_it", "more bytes than `allowed.most`"),
    "expired": Reason("expired", "change_it", "`expires_at` is over by the device's clock"),
    "expires_too_late": Reason(
        "refused",
        "change_it",
        "`expires_at` of what is signed is more than `allowed.most` seconds ahead by the device's clock",
    ),
    "clock_unsure": Reason(
        "refused", "wait", "it has an `expires_at`, and nothing vouches for the device's clock now"
    ),
    "id_used": Reason("refused", "change_it", "another command came with this `command_id`"),
    "rate_limited": Reason("refused", "wait", "too many commands; again after `allowed.wait_s`"),
    "not_signed": Reason(
        "refused", "sign_it", "it is only taken signed by a key of the roles in `allowed.one_of`"
    ),
    "no_authority": Reason(
        "refused", "leave_it", "the site names no key of the roles in `allowed.one_of`"
    ),
    "unknown_key": Reason("refused", "sign_it", "signed by a key that the site does not name"),
    "bad_signature": Reason(
        "refused", "sign_it", "no compact JWS with EdDSA, or the signature does not hold"
    ),
    "wrong_role": Reason(
        "refused", "sign_it", "the key's role may not order this; those in `allowed.one_of` may"
    ),
    "wrong_device": Reason("refused", "change_it", "signed for another tenant or device"),
    "on_trial": Reason(
        "refused",
        "wait",
        "a configuration is on trial until somebody confirms it or its time is over",
    ),
    "not_found": Reason("refused", "change_it", "there is nothing here of what it is about"),
    "held_on_device": Reason(
        "refused", "leave_it", "a technician holds the case, and that is lifted on the device"
    ),
    "too_many": Reason("refused", "change_it", "more than `allowed.most` at once"),
    "allowance_spent": Reason(
        "refused",
        "wait",
        "more than `allowed.most` of what may be asked for now; again after `allowed.wait_s`",
    ),
    "wrong_epoch": Reason(
        "refused", "change_it", "the device is in another epoch; `allowed.one_of` says in which"
    ),
    "not_redacted": Reason(
        "refused",
        "leave_it",
        "the picture could not be redacted, so it does not leave; `allowed.one_of` says why",
    ),
    "not_ready": Reason("refused", "wait", "the picture is still to be redacted"),
    "host_not_named": Reason(
        "refused",
        "change_it",
        "the site does not let pictures be put there; `allowed.one_of` are the hosts that it names",
    ),
    "not_available": Reason("refused", "leave_it", "this agent cannot do it yet"),
    "number_too_low": Reason(
        "refused",
        "change_it",
        "a configuration of a higher number is there; `allowed.least` is the next",
    ),
    "invalid_configuration": Reason(
        "refused",
        "change_it",
        "the configuration has faults; `reason` counts them and names the first",
    ),
    "protected_setting": Reason(
        "refused",
        "change_it",
        "`allowed.one_of` are settings that only a technician may change, at the device",
    ),
    "not_stored": Reason("refused", "wait", "the device's disk did not take it"),
    "failed": Reason("refused", "leave_it", "a fault of the agent: report it, with `reason`"),
}
"""Every reason code, what it means, and what a program may do. What is to be waited for was not done and is not
remembered: the very same may be sent again."""


class Allowed(Wire):
    """What a program may go by: which field it is about, and what would be taken. Null: it does not matter here.

    ``least`` and ``most`` are of a number's value, of a text's characters, of a list's members.
    """

    field: Label | None = None
    least: Annotated[float, Within(-1e15, 1e15)] | None = None
    most: Annotated[float, Within(-1e15, 1e15)] | None = None
    one_of: Annotated[tuple[Label, ...], AtMost(32)] | None = None
    wait_s: Seconds | None = None


class Answer(Wire):
    """What became of a command, on the ``answers`` channel.

    ``command_id`` is null where it could not be read. ``code`` is a key of the table of reasons, ``reason`` says it
    to people, ``allowed`` to programs. ``count``: of events, for a resend.
    """

    contract: Literal[2] = CONTRACT_VERSION
    command_id: CommandId | None
    status: Status
    code: Word | None = None
    reason: Sentence | None = None
    allowed: Allowed | None = None
    count: Count | None = None


class Refusal(Exception):  # noqa: N818  it is no error of ours
    """A command is not done.

    Attributes:
        code: A key of :data:`REASONS`.
        allowed: What would be taken.
    """

    def __init__(self, code: str, reason: str, **allowed: Any) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason
        self.allowed = Allowed(**allowed) if allowed else None

    @property
    def may_come_again(self) -> bool:
        """Whether the very same may be sent again, and may then be done."""
        return REASONS[self.code].then == "wait"

    def answer(self, command_id: str | None) -> Answer:
        """As it is told to the platform."""
        return Answer(
            command_id=command_id,
            status=REASONS[self.code].status,
            code=self.code,
            reason=self.reason,
            allowed=self.allowed,
        )
