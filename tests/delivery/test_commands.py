"""A command of the platform is one model and one handler; everything else follows from the table."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import TypeAdapter, ValidationError

from agent.audit import OF_PLATFORM, records
from agent.config.schema import UplinkSection
from agent.delivery.commands.log import AT_ONCE, CommandLog
from agent.delivery.commands.table import Change, Commands, Done, Handler
from agent.delivery.received_messages import Delivery
from agent.identity.authorities import Authorities
from agent.protocol.commands import (
    COMMANDS,
    MAX_COMMAND_BYTES,
    REASONS,
    Allowed,
    Answer,
    Command,
    Refusal,
    any_of,
    name_of,
    unsigned,
)
from agent.protocol.examples import examples
from agent.protocol.field_examples import Example, example_of
from agent.protocol.fields import Flag, Name
from tests.support.delivering_device import uplink_of
from tests.support.housekeeping import housekeeping_of
from tests.support.state_folder import StateFolder
from tests.support.topics import DEVICE, TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Light(Command):
    """Switch the light at the pole: made up for these tests."""

    command: Literal["light"]
    lamp: Annotated[Name, Example("north")]
    on: Annotated[Flag, Example(True)]


class Pole:
    """Has one lamp, and the one handler of the command."""

    def __init__(self) -> None:
        self.switched: list[bool] = []
        self.worn_out = self.breaks = False

    @property
    def handler(self) -> Handler[Light]:
        return Handler(Light, self._obey, self._refusal)

    def _refusal(self, command: Light) -> Refusal | None:
        if command.lamp == "north":
            return None
        return Refusal("not_found", f"there is no lamp {command.lamp}", one_of=("north",))

    def _obey(self, command: Light) -> Done:
        if self.breaks:
            raise ZeroDivisionError
        if self.worn_out:
            raise Refusal("failed", "the lamp is worn out")
        self.switched.append(command.on)
        return Done(count=1, change=Change("light.switched", {"lamp": command.lamp}))


def ordinary(**told: Any) -> bytes:
    """A command that is obeyed, unless told otherwise."""
    words = {"command": "light", "command_id": "l-1", "lamp": "north", "on": True, **told}
    return json.dumps(words).encode()


_KNOWN = {name_of(Light), *map(name_of, COMMANDS)}
_TWO = Allowed(field="contract", least=2, most=2)


class Heeding:
    """A device that hears the platform, as over a broker."""

    def __init__(self, folder: Path) -> None:
        self.device, self.pole, self.folder = StateFolder(folder), Pole(), folder
        self.housekeeping = housekeeping_of(self.device, folder)
        self.begin()

    def begin(self) -> None:
        self.uplink = uplink_of(
            UplinkSection(broker="mqtts://broker.example"),
            self.device.database,
            self.device.outbox,
            self.device.clock,
            handlers=(*self.housekeeping.handlers, self.pole.handler),
            record=self.housekeeping.record_order,
        )
        self.downlink = self.uplink._downlink

    def end(self) -> None:
        """Of the uplink, which has not begun."""
        stop = threading.Event()
        stop.set()
        self.uplink.run(stop)

    def order(self, **told: Any) -> Answer:
        answer = self.hear(ordinary(**told))
        assert answer is not None
        return answer

    def hear(self, payload: bytes, *, retained: bool = False) -> Answer | None:
        delivery = Delivery(self.downlink.commands_topic, payload, retained=retained)
        with closing(self.device.database.read()) as reader:
            return self.downlink.heed(delivery, reader)

    def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        return [
            (each.what, dict(each.facts)) for each in records(self.folder / "audit" / OF_PLATFORM)
        ]


@pytest.fixture
def heeding(tmp_path: Path) -> Iterator[Heeding]:
    made = Heeding(tmp_path)
    yield made
    made.end()
    made.device.database.close()


def test_it_is_obeyed_answered_and_recorded_and_never_obeyed_twice(heeding: Heeding) -> None:
    answer = heeding.order()
    assert answer == Answer(command_id="l-1", status="done", count=1)
    assert heeding.order() == answer
    heeding.end()
    heeding.begin()  # as after a restart
    assert heeding.order() == answer, "remembered on the disk"
    assert heeding.pole.switched == [True]
    assert heeding.recorded() == [("light.switched", {"lamp": "north", "order": "l-1"})]


@pytest.mark.parametrize(
    ("told", "status", "code", "allowed"),
    [
        ({"on": "yes"}, "malformed", "invalid_value", Allowed(field="on")),
        ({"lamp": "a/b"}, "malformed", "invalid_value", Allowed(field="lamp", most=64)),
        ({"lamp": None}, "malformed", "invalid_value", Allowed(field="lamp", most=64)),
        ({"surprise": 1}, "unsupported", "unknown_field", Allowed(field="surprise")),
        ({"surprise": 1, "on": 7}, "unsupported", "unknown_field", Allowed(field="surprise")),
        ({"contract": 3}, "unsupported", "unknown_contract", _TWO),
        ({"contract": 3, "command": "dance"}, "unsupported", "unknown_contract", _TWO),
        ({"contract": 1}, "unsupported", "unknown_contract", _TWO),
        (
            {"contract": True},
            "malformed",
            "invalid_value",
            Allowed(field="contract", one_of=("2",)),
        ),
        (
            {"expires_at": "soon"},
            "malformed",
            "invalid_value",
            Allowed(field="expires_at", most=32),
        ),
        ({"expires_at": 7}, "malformed", "invalid_value", Allowed(field="expires_at", most=32)),
    ],
    ids=str,
)
def test_what_is_not_understood_is_answered_with_a_code_and_never_half_obeyed(
    heeding: Heeding, told: dict[str, Any], status: str, code: str, allowed: Allowed
) -> None:
    answer = heeding.order(**told)
    assert (answer.command_id, answer.status, answer.code) == ("l-1", status, code)
    assert answer.allowed == allowed
    assert (heeding.pole.switched, heeding.downlink.refused) == ([], 1)


def test_every_field_that_is_wrong_is_named_at_once(heeding: Heeding) -> None:
    answer = heeding.order(on="yes", lamp="a/b", expires_at=7)
    assert answer.reason is not None
    first, more = answer.reason.split("; 2 more: ")
    named = {first.partition(":")[0], *more.split(", ")}
    assert named == {"on", "lamp", "expires_at"}
    many = heeding.order(**{f"surprise_{number}": 1 for number in range(50)})
    assert many.reason is not None
    assert len(many.reason) <= 500


def test_an_unknown_command_is_answered_with_those_that_are_known(heeding: Heeding) -> None:
    answer = heeding.order(command="lights")
    assert (answer.status, answer.code) == ("unsupported", "unknown_command")
    assert answer.allowed is not None
    assert set(answer.allowed.one_of or ()) == _KNOWN


@pytest.mark.parametrize(
    ("payload", "code", "command_id"),
    [
        (b"", "not_json", None),
        (b"\xff", "not_json", None),
        (b"[]", "not_json", None),
        (b"null", "not_json", None),
        (b"{}", "missing_field", None),
        (ordinary(command_id="a b"), "invalid_value", None),
        (ordinary(command_id=7), "invalid_value", None),
        (ordinary(command=None), "unknown_command", "l-1"),
        (b'{"command": "light", "lamp": "north", "on": true}', "missing_field", None),
        (b'{"command_id": "x", "lamp": "north", "on": true}', "missing_field", "x"),
        (b'{"command_id": "x", "command_id": "x"}', "duplicate_key", None),
        (b'{"command_id": "x", "jws": 7}', "unknown_field", "x"),
        (b'{"jws": 7}', "invalid_value", None),
        (b'{"jws": "a.b.c"}', "no_authority", None),
        (b'{"contract": 3, "jws": "a.b.c", "command_id": "x"}', "unknown_contract", "x"),
        (b'{"command_id": "x", "more": "' + b"a" * MAX_COMMAND_BYTES + b'"}', "too_large", "x"),
        (b"[" * 12_000, "not_json", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_whatever_comes_is_answered(
    heeding: Heeding, payload: bytes, code: str, command_id: str | None
) -> None:
    answer = heeding.hear(payload)
    assert answer is not None
    assert (answer.code, answer.command_id) == (code, command_id)
    assert answer.status == REASONS[code].status
    assert heeding.downlink.refused == 1


def test_an_expired_one_is_not_done_and_stays_so(heeding: Heeding) -> None:
    now = heeding.device.clock.now()
    answer = heeding.order(expires_at=now.isoformat())
    assert (answer.status, answer.code) == ("expired", "expired")
    heeding.device.clock.step(now - timedelta(hours=1))  # the clock was wrong before
    assert heeding.order(expires_at=now.isoformat()) == answer
    later = (now + timedelta(seconds=1)).isoformat()
    assert heeding.order(command_id="l-2", expires_at=later).status == "done"
    assert heeding.pole.switched == [True]


def test_while_nothing_vouches_for_the_clock_what_may_have_expired_waits(heeding: Heeding) -> None:
    later = (heeding.device.clock.now() + timedelta(days=1)).isoformat()
    heeding.device.clock.step(heeding.device.clock.now(), synchronised=False)
    answer = heeding.order(expires_at=later)
    assert (answer.status, answer.code) == ("refused", "clock_unsure")
    assert heeding.order(command_id="l-2").status == "done", "what does not expire is done"
    heeding.device.clock.step(heeding.device.clock.now())
    assert heeding.order(expires_at=later).status == "done"


def test_what_its_handler_does_not_allow_is_declined_and_stays_so(heeding: Heeding) -> None:
    answer = heeding.order(lamp="south")
    assert (answer.status, answer.code) == ("refused", "not_found")
    assert answer.reason == "there is no lamp south"
    assert heeding.order(lamp="south") == answer
    heeding.pole.worn_out = True
    answer = heeding.order(command_id="l-2")
    assert (answer.status, answer.code) == ("refused", "failed")
    assert (heeding.downlink.declined, heeding.recorded()) == (3, [])
    assert heeding.downlink.last_refused == "failed: the lamp is worn out"
    heeding.pole.worn_out = False
    assert heeding.order(command_id="l-2") == answer
    assert heeding.order(command_id="l-3").status == "done"


def test_a_fault_of_a_handler_is_answered_too(heeding: Heeding) -> None:
    heeding.pole.breaks = True
    answer = heeding.order()
    assert (answer.command_id, answer.status, answer.code) == ("l-1", "refused", "failed")
    assert "ZeroDivisionError" in (answer.reason or "")


def test_a_retained_one_is_not_obeyed(heeding: Heeding) -> None:
    assert heeding.hear(ordinary(), retained=True) is None
    assert heeding.pole.switched == []


def test_of_a_flood_the_allowance_is_obeyed(heeding: Heeding) -> None:
    answers = [heeding.order(command_id=f"l-{number}") for number in range(2 * AT_ONCE)]
    assert len(heeding.pole.switched) == AT_ONCE
    assert [each.status for each in answers].count("done") == AT_ONCE


def test_what_cannot_be_recorded_is_not_answered_as_done(heeding: Heeding) -> None:
    (heeding.folder / "audit").mkdir(exist_ok=True)
    (heeding.folder / "audit" / OF_PLATFORM).write_text("no folder")
    answer = heeding.order()
    assert (answer.status, answer.code) == ("refused", "not_stored")
    assert "the disk refused" in (answer.reason or "")


def test_schema_and_example_follow_from_the_model() -> None:
    adapter: TypeAdapter[Command] = TypeAdapter(any_of((*COMMANDS, Light)))
    schema = adapter.json_schema()
    shown = example_of(Light).model_dump(mode="json")
    assert (name_of(Light), shown["command"], shown["lamp"]) == ("light", "light", "north")
    jsonschema.Draft202012Validator(schema).validate(shown)
    assert adapter.validate_json(json.dumps(shown)) == example_of(Light)
    with pytest.raises(ValidationError):
        TypeAdapter(any_of()).validate_python(shown)


def test_every_command_of_the_contract_has_its_handler_and_its_example(heeding: Heeding) -> None:
    assert heeding.downlink.obeyed == {*COMMANDS, Light}
    shown = {name for name in examples() if name.startswith("command-")}
    assert shown == {f"command-{name_of(each)}" for each in unsigned()} | {"command-signed"}


def test_two_handlers_of_one_command_are_refused(heeding: Heeding) -> None:
    orders = CommandLog(heeding.device.database, heeding.device.clock)
    twice = [heeding.pole.handler, heeding.pole.handler]
    with pytest.raises(ValueError, match="two handlers"):
        Commands(
            twice,
            orders,
            heeding.housekeeping.record_order,
            lambda _: None,
            authorities=Authorities(),
            clock=heeding.device.clock,
            tenant=TENANT,
            device_id=DEVICE,
        )
