"""Reads commands: what came becomes an order, or a refusal that can be answered. Nothing is done here.

Whoever may publish may publish anything. What is wrong is told with a code, and with what would be taken instead.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from agent.protocol.base import CONTRACT_VERSION
from agent.protocol.commands import (
    MAX_COMMAND_BYTES,
    Answer,
    Command,
    Refusal,
    SignedCommand,
    any_of,
    name_of,
    order_of,
    signers,
)
from agent.protocol.signed import JwsError, parts_of
from agent.protocol.strict_json import StrictJsonError, read_json
from wording.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

    from agent.identity.authorities import Authorities, Signature

MAX_NAMED = 8
"""Further faults whose field the reason names."""
_SIGNED = TypeAdapter(SignedCommand)
_COMMAND_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_UNKNOWN_FIELD, _NO_NAME, _UNKNOWN_NAME = (
    "extra_forbidden",
    "union_tag_not_found",
    "union_tag_invalid",
)
_CODES = {
    _UNKNOWN_NAME: "unknown_command",
    _UNKNOWN_FIELD: "unknown_field",
    _NO_NAME: "missing_field",
    "missing": "missing_field",
}
"""Kinds of pydantic's errors; any other one is an invalid value. The first that a command has of these counts: of one
that is not wholly understood no more is judged."""


_BOUNDS = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems"), "least"),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems"), "most"),
}
"""Words of JSON Schema, and what they are called in an answer."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command that was understood, and that may be ordered by whom it is from.

    Attributes:
        command: What is ordered.
        signature: By which key; None: by whoever may publish.
    """

    command: Command
    signature: Signature | None = None


class UnreadError(Exception):
    """What came is no order.

    Attributes:
        answer: What the platform is told.
    """

    def __init__(self, refusal: Refusal, command_id: str | None) -> None:
        super().__init__(refusal.reason)
        self.answer: Answer = refusal.answer(command_id)


class CommandReader:
    """Reads what comes on the ``commands`` channel of one device.

    Args:
        models: The commands that are known.
        authorities: Whose signatures count.
        tenant: Whose device it is.
        device_id: The device.
    """

    def __init__(
        self,
        models: Iterable[type[Command]],
        authorities: Authorities,
        *,
        tenant: str,
        device_id: str,
    ) -> None:
        self._models = {name_of(each): each for each in models}
        self._authorities = authorities
        self._device = {"tenant": tenant, "device_id": device_id}
        self._plain: TypeAdapter[Command] = TypeAdapter(any_of(self._models.values()))
        self._orders: TypeAdapter[Command] = TypeAdapter(
            any_of([order_of(each) for each in self._models.values()])
        )

    def read(self, payload: bytes) -> Order:
        """Read one message.

        Raises:
            UnreadError: It is no order, or not of one who may order that.
        """
        try:
            return self._permitted(self._order(payload))
        except Refusal as refusal:
            raise UnreadError(refusal, readable_id(payload)) from refusal

    def _order(self, payload: bytes) -> Order:
        if len(payload) > MAX_COMMAND_BYTES:
            raise Refusal("too_large", f"{len(payload)} bytes", most=MAX_COMMAND_BYTES)
        document = _object(payload)
        if "jws" not in document:
            return Order(self._understood(self._plain, document))
        _refuse_contract(document)
        _validated(_SIGNED, document)
        content, signature = self._authorities.verified(document["jws"])
        document = _object(content)
        self._refuse_another_device(document)
        return Order(self._understood(self._orders, document), signature)

    def _refuse_another_device(self, document: Mapping[str, Any]) -> None:
        for name, ours in self._device.items():
            if name in document and document[name] != ours:
                raise Refusal("wrong_device", f"it is signed for another {name}", field=name)

    def _understood(self, adapter: TypeAdapter[Command], document: dict[str, Any]) -> Command:
        _refuse_contract(document)
        command: Command = _validated(adapter, document, self._models)
        return command

    def _permitted(self, order: Order) -> Order:
        """The order, if who it is from may give it."""
        roles = signers(order.command)
        if not roles or (order.signature is not None and roles & order.signature.roles):
            return order
        wanted = tuple(sorted(roles))
        what = f"{order.command.command} is to be signed by a key of: {', '.join(wanted)}"
        if not self._authorities.may_sign(roles):
            raise Refusal("no_authority", f"{what}; the site names none", one_of=wanted)
        code = "not_signed" if order.signature is None else "wrong_role"
        raise Refusal(code, what, one_of=wanted)


def _object(content: bytes) -> dict[str, Any]:
    try:
        document = read_json(content)
    except StrictJsonError as error:
        raise Refusal(error.fault, harmless(str(error))) from error
    if not isinstance(document, dict):
        raise Refusal("not_json", "not a JSON object")
    return document


def _refuse_contract(document: Mapping[str, Any]) -> None:
    contract = document.get("contract", CONTRACT_VERSION)
    if type(contract) is int and contract != CONTRACT_VERSION:
        raise Refusal(
            "unknown_contract",
            f"contract: {CONTRACT_VERSION} is understood here",
            field="contract",
            least=CONTRACT_VERSION,
            most=CONTRACT_VERSION,
        )


def readable_id(payload: bytes) -> str | None:
    """The id under which something is answered, if it can be read; of a signature that does not hold as well.

    It is good for an answer, and for nothing else.
    """
    try:
        document = _object(payload)
        if isinstance(document.get("jws"), str) and "command_id" not in document:
            document = _object(parts_of(document["jws"]).payload)
    except (JwsError, Refusal):
        return None
    told = document.get("command_id")
    return told if isinstance(told, str) and _COMMAND_ID.fullmatch(told) else None


def _validated(
    adapter: TypeAdapter[Any],
    document: dict[str, Any],
    models: Mapping[str, type[Command]] | None = None,
) -> Any:
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise _refusal_of(error, models or {}) from error


def _refusal_of(error: ValidationError, models: Mapping[str, type[Command]]) -> Refusal:
    """The fault by which a command is answered; the reason names the fields of the others, too."""
    fault, *others = sorted(error.errors(include_input=False, include_url=False), key=_gravity)
    code = _CODES.get(fault["type"], "invalid_value")
    if code == "unknown_command":
        return Refusal(code, "command: unknown here", field="command", one_of=tuple(sorted(models)))
    model, place = _place(fault, models)
    field = ".".join(place) or "command"
    allowed = _range_of(model, place[0]) if model is not None and len(place) == 1 else {}
    also = ", ".join(".".join(_place(each, models)[1]) for each in others[:MAX_NAMED])
    more = f"; {len(others)} more: {also}" if others else ""
    return Refusal(code, harmless(f"{field}: {fault['msg']}{more}"), field=field, **allowed)


def _place(
    fault: ErrorDetails, models: Mapping[str, type[Command]]
) -> tuple[type[Command] | None, list[str]]:
    """Of which command a fault is, where that is known, and the way to its field."""
    place = [str(part) for part in fault["loc"]]
    model = models.get(place[0]) if place else None
    if model is not None:
        place = place[1:]  # pydantic says first which command it took it for
    return model, place


def _gravity(fault: ErrorDetails) -> int:
    known = list(_CODES)
    return known.index(fault["type"]) if fault["type"] in known else len(known)


@functools.cache
def _range_of(model: type[Command], field: str) -> dict[str, Any]:
    """What a field takes, as its schema says."""
    schema = order_of(model).model_json_schema()
    found: dict[str, Any] = {}
    for part in _alternatives(schema["properties"].get(field, {})):
        for word in part.keys() & _BOUNDS.keys():
            found[_BOUNDS[word]] = part[word]
        if "enum" in part or "const" in part:
            found["one_of"] = tuple(map(str, part.get("enum", [part.get("const")])))
    return found


def _alternatives(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    yield from schema.get("anyOf", ())
